package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gosup/control"
)

// TestLastCommandWins has many clients start, stop and restart a process that
// is slow to start and slow to stop, and crashes. It never runs twice, and what
// was said last is so in the end.
func TestLastCommandWins(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip("needs flock(1)")
	}
	const twice = 99 // what flock exits with where another holds the lock
	s := startSupervisor(t, fmt.Sprintf(`
processes:
  web:
    command: [flock, -n, -E, "%d", lock, sh, -c, 'trap "sleep 0.05; exit 1" TERM; sleep 0.2 & wait']
    restart: {strategy: immediate, max_restarts: unlimited}
    readiness: {delay: 20ms}
    stop: {timeout: 100ms}
    hooks: {pre_start: {command: [sleep, "0.01"]}, pre_stop: {command: [sleep, "0.01"]}, post_stop: {command: [sleep, "0.01"]}}
`, twice))
	verbs := []string{"start", "stop", "restart"}
	for round, last := range []string{"stop", "start", "restart", "stop", "start"} {
		var clients sync.WaitGroup
		for c := range 4 {
			clients.Go(func() {
				for i := range 6 {
					request := control.ActionRequest{Names: []string{"web"}, NoWait: i%2 == 0, TimeoutSeconds: 0.02}
					// That it came to nothing in time is what a client may be told.
					_, _ = s.client.Act(t.Context(), verbs[(round+c+i)%len(verbs)], request)
				}
			})
		}
		clients.Wait()
		s.act(last, "web")
		want := "running"
		if last == "stop" {
			want = "stopped"
		}
		s.wait(want, "web")
	}
	for _, e := range s.events("web") {
		if e.Exit != nil && e.Exit.Code != nil && *e.Exit.Code == twice {
			t.Fatalf("two at one time: %+v", e)
		}
	}
}

// census counts what a daemon has of what could grow.
type census struct {
	files   int
	threads int
	rssKB   int
}

var statusNumber = regexp.MustCompile(`(?m)^(Threads|VmRSS):\s+(\d+)`)

func takeCensus(t *testing.T, pid int) census {
	t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	files, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		t.Fatal(err)
	}
	found := statusNumber.FindAllStringSubmatch(string(status), -1)
	if len(found) != 2 {
		t.Fatalf("%s/status:\n%s", dir, status)
	}
	c := census{files: len(files)}
	c.rssKB, _ = strconv.Atoi(found[0][2])
	c.threads, _ = strconv.Atoi(found[1][2])
	return c
}

// zombies returns the children of a process that have ended and were not
// reaped.
func zombies(pid int) []string {
	var found []string
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 19 && f[0] == "Z" && f[1] == strconv.Itoa(pid) {
			found = append(found, path+" "+f[19]) // its start: numbers are used again
		}
	}
	return found
}

// TestNothingGrows lets processes crash all the time, with probes, hooks and
// orphans, and compares the daemon's memory, descriptors and threads after some
// and after many.
func TestNothingGrows(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, `
defaults: {restart: {strategy: immediate, max_restarts: unlimited}}
processes:
  crash: {command: [sh, -c, "echo out; exit 1"]}
  orphans: {command: [sh, -c, "(sleep 0.01 &) ; (sleep 0.02 &) ; exit 0"], hooks: {post_stop: {command: "true"}}}
  missing: {command: ./missing, restart: {strategy: delayed, delay: 10ms}}
  checked: {command: [sh, -c, "sleep 0.2"], readiness: {exec: {command: "true"}}}
`)
	pid := s.cmd.Process.Pid
	since := map[string]time.Time{}
	until := func(restarts uint64) {
		done := eventually(func() bool {
			still := map[string]time.Time{}
			for _, z := range zombies(pid) {
				still[z] = time.Now()
				if first, seen := since[z]; seen {
					still[z] = first
				}
				// Promised is a second; the rest is for a machine that is busy.
				if age := time.Since(still[z]); age > 10*time.Second {
					t.Fatalf("a zombie of %v: %s", age, z)
				}
			}
			since = still
			return s.status("crash").TotalRestarts >= restarts && s.status("orphans").TotalRestarts >= restarts/4
		})
		if !done {
			t.Fatalf("no %d restarts: %+v", restarts, s.status("crash"))
		}
	}
	until(40)
	before := takeCensus(t, pid)
	until(200)
	// What a run needs comes and goes: a look may find some of it.
	const slack = 12
	var after census
	if !eventually(func() bool {
		after = takeCensus(t, pid)
		return after.files <= before.files+slack && after.threads <= before.threads+slack && after.rssKB <= before.rssKB+32<<10
	}) {
		t.Errorf("after 40 restarts %+v, after 200 %+v", before, after)
	}
}
