package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosup/control"
)

// hasOwnPIDs reports whether the kernel has a limit of process numbers for each
// PID namespace: before Linux 6.14, to lower it is to lower everybody's.
func hasOwnPIDs() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	major, rest, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, _ := strconv.Atoi(major)
	b, _ := strconv.Atoi(minor)
	return a > 6 || a == 6 && b >= 14
}

// TestStrangersWithUsedNumbers supervises processes that crash, and leave
// others behind which are then killed, where there are 360 process numbers in
// all: each is used again within moments, often by a stranger. None of those is
// ever hit.
func TestStrangersWithUsedNumbers(t *testing.T) {
	t.Parallel()
	if !hasOwnPIDs() || os.Geteuid() != 0 || exec.Command("unshare", "--pid", "--fork", "--mount-proc", "true").Run() != nil {
		t.Skip("needs root, a PID namespace, and Linux 6.14")
	}
	const file = `
defaults: {restart: {strategy: immediate, max_restarts: unlimited}, logs: {output: none}}
processes:
  short: {command: [sh, -c, "exit 1"], instances: 4}
  leaves: {command: [sh, -c, "sleep 100 & setsid sleep 100 & exit 1"], instances: 3}
  asked: {command: sleep 100, stop: {signal: SIGINT}}
`
	// Strangers are children of gosup, since it is PID 1, and say what ends them.
	const boot = `
echo 360 >/proc/sys/kernel/pid_max
for i in 1 2 3 4 5 6; do
	(while :; do sleep 0.01; code=$?; test $code -lt 128 || echo "ended with $code" >>hits; done) &
done
exec gosup run
`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gosup.yaml"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startSupervisorIn(t, dir, []string{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", boot})
	rounds := uint64(0)
	if !eventually(func() bool {
		// Numbers may have run out at that moment: then it is tried again later.
		if _, err := s.client.Act(t.Context(), "restart", control.ActionRequest{Names: []string{"asked"}, TimeoutSeconds: 1}); err != nil {
			t.Fatal(err)
		}
		rounds = min(s.status("short@1").TotalRestarts, s.status("short@4").TotalRestarts)
		return rounds > 50 && s.status("leaves@1").TotalRestarts > 15 // more numbers than there are, twice over
	}) {
		t.Errorf("only %d restarts", rounds)
	}
	hits, err := os.ReadFile(filepath.Join(dir, "hits"))
	if !os.IsNotExist(err) {
		t.Errorf("strangers were hit (%v):\n%s", err, hits)
	}
}
