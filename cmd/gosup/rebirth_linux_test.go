package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosup/control"
)

var (
	deaths   = flag.Int("deaths", 12, "how often TestDeathsLoseNothing kills gosup")
	upgrades = flag.Int("upgrades", 8, "how often TestUpgradesLoseNothing replaces it")
)

// loaded is a configuration with something of everything, under load.
const loaded = `
processes:
  writer:
    command: [gosup, demo, --log-rate, "20000"]
    logs: {output: file, max_size: 1MiB, max_files: 1000}
  steady: {command: sleep 1000, instances: 5, restart: {strategy: immediate, max_restarts: unlimited}}
  crasher: {command: [sh, -c, "sleep 0.1; exit 7"], restart: {strategy: delayed, delay: 50ms, max_restarts: unlimited}}
  stopped: {command: sleep 1000}
  herd: {command: [sh, -c, "sleep 1000 & setsid sleep 1000 & wait"]}
`

// lives is a supervisor that is killed and begun again in one folder.
type lives struct {
	*supervisor
	t    *testing.T
	pids map[string]int // that are to stay
}

func startLives(t *testing.T, file string, argv ...string) *lives {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gosup.yaml"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	l := &lives{t: t, pids: map[string]int{}}
	l.supervisor = startSupervisorIn(t, dir, append([]string{"gosup", "run"}, argv...))
	return l
}

// keep takes note of the pids of processes that run.
func (l *lives) keep(names ...string) {
	l.t.Helper()
	for _, p := range l.wait("running", names...) {
		l.pids[p.Name] = p.PID
	}
}

// die kills the daemon and begins another one.
func (l *lives) die() {
	l.t.Helper()
	if err := l.cmd.Process.Kill(); err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.code(); err != nil {
		l.t.Fatal(err)
	}
	l.supervisor = startSupervisorIn(l.t, l.dir, []string{"gosup", "run"})
}

// check sees that what was to stay is what runs, and that nothing runs twice.
func (l *lives) check() {
	l.t.Helper()
	for name, pid := range l.pids {
		if !eventually(func() bool { p := l.status(name); return p.State == "running" && p.PID == pid }) {
			l.t.Fatalf("%s: %+v, want pid %d", name, l.status(name), pid)
		}
	}
	if p := l.status("stopped"); p.State != "stopped" || !strings.Contains(p.Reason, "by uid") || !strings.Contains(p.Reason, "for the test") {
		l.t.Fatalf("stopped: %+v", p)
	}
	seen := map[string][]int{}
	for pid, name := range tagged(l.t, l.dir) {
		if leads(pid) {
			seen[name] = append(seen[name], pid)
		}
	}
	for name, pid := range l.pids {
		if !slices.Equal(seen[name], []int{pid}) && name != "herd" { // whose child leads a session too
			stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			l.t.Fatalf("%s runs as %v, want %d alone: %s %q %+v", name, seen[name], pid, stat, env, l.status(name))
		}
	}
}

// leads reports whether a process leads its session, as a first process does.
func leads(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	return fields[3] == strconv.Itoa(pid) && fields[0] != "Z"
}

// tagged returns the names of the processes whose runs a supervisor has marked,
// by pid.
func tagged(t *testing.T, dir string) map[int]string {
	t.Helper()
	id, err := os.ReadFile(filepath.Join(dir, ".gosup/run/id"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]string{}
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		for _, kv := range strings.Split(string(text), "\x00") {
			if tag, ok := strings.CutPrefix(kv, "GOSUP_RUN="+string(id)+"/"); ok {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
				found[pid] = tag[:strings.LastIndexByte(tag, '/')]
			}
		}
	}
	return found
}

// numbered sees that the lines of the writer are all there, in order, none torn
// and none twice.
func (l *lives) numbered() (n int) {
	l.t.Helper()
	files, err := filepath.Glob(filepath.Join(l.dir, ".gosup/log/writer.log*"))
	if err != nil {
		l.t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, ".index") || strings.HasSuffix(f, ".idx") })
	numbers := func(f string) (list []int) {
		text, err := os.Open(f)
		if err != nil {
			l.t.Fatal(err)
		}
		defer text.Close()
		for lines := bufio.NewScanner(text); lines.Scan(); {
			number, ok := strings.CutPrefix(lines.Text(), "demo: line ")
			k, err := strconv.Atoi(number)
			switch {
			case ok && err == nil:
				list = append(list, k)
			case !strings.HasPrefix(lines.Text(), "demo: "):
				l.t.Fatalf("%s has a torn line %q", f, lines.Text())
			}
		}
		return list
	}
	parts := map[int][]int{}
	for _, f := range files {
		if list := numbers(f); len(list) > 0 {
			parts[list[0]] = list
		}
	}
	firsts := make([]int, 0, len(parts))
	for k := range parts {
		firsts = append(firsts, k)
	}
	sort.Ints(firsts)
	for _, k := range firsts {
		for _, got := range parts[k] {
			if n++; got != n {
				l.t.Fatalf("line %d follows line %d", got, n-1)
			}
		}
	}
	return n
}

// begin waits until the load is there.
func (l *lives) begin() {
	l.t.Helper()
	l.keep("writer", "steady", "herd")
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	if _, err := l.client.Act(ctx, "stop", control.ActionRequest{Names: []string{"stopped"}, Reason: "for the test"}); err != nil {
		l.t.Fatal(err)
	}
}

// finish stops all and checks what is left, and what was written.
func (l *lives) finish() {
	l.t.Helper()
	l.act("stop", "writer")
	l.end(syscall.SIGTERM, 0)
	if left := tagged(l.t, l.dir); len(left) > 0 {
		l.t.Errorf("left over: %v", left)
	}
	n := l.numbered()
	if n < 1000 {
		l.t.Errorf("only %d lines were written", n)
	}
	l.t.Logf("%d lines", n)
}

// TestDeathsLoseNothing kills gosup again and again while processes write, crash
// and are killed: whatever lives is adopted, nothing is doubled, and each line
// is there once.
func TestDeathsLoseNothing(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 1))
	l := startLives(t, loaded)
	l.begin()
	for range *deaths {
		victim := ""
		if r.IntN(2) == 0 {
			victim = fmt.Sprintf("steady@%d", 1+r.IntN(5))
		}
		before := r.IntN(2) == 0
		kill := func() {
			if victim != "" {
				pid := l.pids[victim]
				syscall.Kill(pid, syscall.SIGKILL)
				if !eventually(func() bool { return !leads(pid) }) {
					t.Fatalf("%s survives SIGKILL", victim)
				}
				delete(l.pids, victim)
			}
		}
		if before {
			kill()
			l.die()
		} else {
			if err := l.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if _, err := l.code(); err != nil {
				t.Fatal(err)
			}
			kill() // nobody is there to see it
			l.supervisor = startSupervisorIn(t, l.dir, []string{"gosup", "run"})
		}
		if victim != "" {
			l.keep(victim)
		}
		l.check()
	}
	if !eventually(func() bool { return l.status("crasher").TotalRestarts > 5 }) {
		t.Errorf("crasher: %+v", l.status("crasher"))
	}
	l.finish()
}

// TestUpgradesLoseNothing replaces gosup again and again under the same load.
func TestUpgradesLoseNothing(t *testing.T) {
	t.Parallel()
	l := startLives(t, loaded)
	l.begin()
	daemon := l.cmd.Process.Pid
	var gaps []time.Duration
	for range *upgrades {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		begun := time.Now()
		done, err := l.client.Upgrade(ctx, control.UpgradeRequest{Reason: "for the test"})
		cancel()
		if err != nil || done.PID != daemon {
			t.Fatalf("%+v, %v", done, err)
		}
		gaps = append(gaps, time.Since(begun))
		l.check()
	}
	slices.Sort(gaps)
	t.Logf("an upgrade, with the rehearsal: median %v, the longest %v", gaps[len(gaps)/2], gaps[len(gaps)-1])
	exits := 0
	for _, e := range l.events("crasher") {
		if e.Exit != nil {
			exits++
			if e.Exit.Code == nil || *e.Exit.Code != 7 {
				t.Errorf("an exit of another code: %+v", e)
			}
		}
	}
	if exits == 0 {
		t.Error("crasher has not ended")
	}
	l.finish()
}

// TestStateOfAnother: two supervisors with one state folder do not take each
// other's decisions for their own.
func TestStateOfAnother(t *testing.T) {
	t.Parallel()
	first := startSupervisor(t, "processes: {web: {command: sleep 1000}}")
	first.act("stop", "web")
	second := startSupervisor(t, "processes: {web: {command: sleep 1000}}")
	second.end(syscall.SIGTERM, 0) // it has an identity now
	state := filepath.Join(first.dir, ".gosup/state")
	second = startSupervisorIn(t, second.dir, []string{"gosup", "run", "--state-dir", state})
	second.wait("running", "web")
	second.act("stop", "web")
	second.act("start", "web")
	second.end(syscall.SIGTERM, 0)
	if said, _ := os.ReadFile(second.stderr); !strings.Contains(string(said), "state_dir is that of another gosup") {
		t.Errorf("it said %s", said)
	}
	first.act("start", "web")
	first.act("stop", "web")
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.code(); err != nil {
		t.Fatal(err)
	}
	first = startSupervisorIn(t, first.dir, []string{"gosup", "run"})
	if p := first.status("web"); p.State != "stopped" {
		t.Errorf("got %+v", p)
	}
}

// TestContainerAnew: with PID 1 all processes of a container end, and that is no
// failure of theirs.
func TestContainerAnew(t *testing.T) {
	t.Parallel()
	if !mayUnshare() {
		t.Skip("needs root and unshare(1)")
	}
	dir := t.TempDir()
	const file = "processes: {web: {command: sleep 1000, restart: never}, down: {command: sleep 1000}}"
	if err := os.WriteFile(filepath.Join(dir, "gosup.yaml"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	container := []string{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "gosup", "run"}
	s := startSupervisorIn(t, dir, container)
	s.wait("running", "web")
	s.act("stop", "down")
	if err := s.cmd.Process.Kill(); err != nil { // it kills its child, the PID 1
		t.Fatal(err)
	}
	if _, err := s.code(); err != nil {
		t.Fatal(err)
	}
	s = startSupervisorIn(t, dir, container)
	s.wait("running", "web")
	if p := s.status("web"); p.TotalRestarts != 0 || p.Reason != "started with the daemon" {
		t.Errorf("web: %+v", p)
	}
	if p := s.status("down"); p.State != "stopped" {
		t.Errorf("down: %+v", p)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}

// TestStateDisk: a full disk costs the memory of the past, and that only until
// there is room.
func TestStateDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", state, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(state, unix.MNT_DETACH) })
	ballast := filepath.Join(state, "ballast")
	_ = os.WriteFile(ballast, make([]byte, 1<<20), 0o644) // as much as there is room for
	file := "supervisor: {state_dir: state}\nprocesses: {web: {command: sleep 1000}}"
	if err := os.WriteFile(filepath.Join(dir, "gosup.yaml"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startSupervisorIn(t, dir, []string{"gosup", "run"})
	said := func(words string) bool {
		text, _ := os.ReadFile(s.stderr)
		return strings.Count(string(text), words) == 1
	}
	s.act("stop", "web")
	if !eventually(func() bool { return said("state is not saved") }) {
		t.Error("it says nothing")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.act("start", "web")
	s.act("stop", "web")
	if !eventually(func() bool { return said("state is saved again") }) {
		t.Error("it does not try again")
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.code(); err != nil {
		t.Fatal(err)
	}
	s = startSupervisorIn(t, dir, []string{"gosup", "run"})
	if p := s.status("web"); p.State != "stopped" {
		t.Errorf("got %+v", p)
	}
}

// TestBrokenLoop: a fault of gosup's own costs no process anything, and one that
// comes again and again ends gosup alone.
func TestBrokenLoop(t *testing.T) {
	t.Parallel()
	l := startLives(t, loaded, "--pprof", "pprof.sock")
	l.begin()
	daemon := l.cmd.Process.Pid
	for range maxBroken {
		before, err := l.client.Version(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.breakLoop()
		if !eventually(func() bool {
			now, err := l.client.Version(t.Context())
			return err == nil && now.PID == daemon && now.StartedAt.After(before.StartedAt)
		}) {
			t.Fatal("it does not come back")
		}
		l.check()
	}
	l.breakLoop()
	if code, err := l.code(); err != nil || code != exitFailed {
		t.Errorf("exit code %d, %v", code, err)
	}
	l.supervisor = startSupervisorIn(t, l.dir, []string{"gosup", "run"})
	l.check()
	l.finish()
}

// breakLoop makes the loop of gosup panic.
func (l *lives) breakLoop() {
	l.t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(l.dir, "pprof.sock"))
		}}}
	resp, err := c.Post("http://gosup/debug/break", "", nil)
	if err == nil {
		resp.Body.Close() // else it was quicker than its answer
	}
}

func TestRecentFaults(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for _, test := range []struct {
		remembered, times string
		again             bool
	}{
		{"", "1000", true},
		{"990 995", "990 995 1000", true},
		{"985 990 995", "985 990 995 1000", false},
		{"100 200 300 995", "995 1000", true},
		{"nonsense 999999999999999999999 995", "995 1000", true},
	} {
		times, again := recentFaults(test.remembered, now)
		if times != test.times || again != test.again {
			t.Errorf("%q: got %q, %v", test.remembered, times, again)
		}
	}
}

// TestUpgradeInTheMidst: whatever is under way goes on: a hook, a stop, a delay, a
// line, the word that a process is ready.
func TestUpgradeInTheMidst(t *testing.T) {
	t.Parallel()
	l := startLives(t, `
processes:
  hooked:
    command: sleep 1000
    hooks: {pre_start: {command: [[sh, -c, "echo one >> hook; until [ -e go ]; do sleep 0.01; done"], [sh, -c, "echo two >> hook"]], timeout: 60s}}
  stopping: {command: [sh, -c, "trap 'until [ -e go ]; do sleep 0.01; done; exit 5' TERM; while :; do sleep 0.01; done"], stop: {timeout: 60s}}
  delayed: {command: [sh, -c, "exit 3"], restart: {strategy: delayed, delay: 1h}}
  writer: {command: [sh, -c, "printf 'half a '; until [ -e go ]; do sleep 0.01; done; echo line; exec sleep 1000"]}
  teller: {command: [sh, -c, "until [ -e go ]; do sleep 0.01; done; exec gosup demo --ready-after 0s"], readiness: {notify: true, timeout: 60s}}
  piper: {command: [sh, -c, "until [ -e go ]; do sleep 0.01; done; echo >&3; exec sleep 1000"], readiness: {fd: 3, timeout: 60s}}
  checked: {command: sleep 1000, health: {exec: {command: [sh, -c, "until [ -e go ]; do sleep 0.01; done"]}, interval: 300ms, timeout: 300ms, unhealthy_threshold: 1000}}
`)
	l.wait("running", "stopping", "checked")
	l.wait("backoff", "delayed")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := l.client.Act(ctx, "stop", control.ActionRequest{Names: []string{"stopping"}, NoWait: true}); err != nil {
		t.Fatal(err)
	}
	l.wait("stopping", "stopping")
	hook := func() string {
		text, _ := os.ReadFile(filepath.Join(l.dir, "hook"))
		return string(text)
	}
	if !eventually(func() bool { return hook() == "one\n" && l.log("writer") == "half a " }) {
		t.Fatalf("hook %q, writer %q", hook(), l.log("writer"))
	}
	next := l.status("delayed").NextStartAt
	for range 3 { // what was taken over is handed on again
		if _, err := l.client.Upgrade(ctx, control.UpgradeRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.status("delayed").NextStartAt; got == nil || next == nil || got.Sub(*next).Abs() > time.Second {
		t.Errorf("delayed starts at %v, was to start at %v", got, next)
	}
	for name, state := range map[string]string{"hooked": "starting", "stopping": "stopping", "teller": "starting", "piper": "starting"} {
		if p := l.status(name); p.State != state {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if err := os.WriteFile(filepath.Join(l.dir, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l.wait("running", "hooked", "teller", "piper")
	l.wait("healthy", "checked")
	l.wait("stopped", "stopping")
	if exit := l.status("stopping").LastExit; exit == nil || exit.Code == nil || *exit.Code != 5 {
		t.Errorf("stopping ended with %+v", exit)
	}
	if got := hook(); got != "one\ntwo\n" {
		t.Errorf("the hook wrote %q", got)
	}
	if !eventually(func() bool { return l.log("writer") == "half a line\n" }) {
		t.Errorf("writer wrote %q", l.log("writer"))
	}
}

// TestUpgradeRefused: whatever is in the place of the program, the running one
// goes on.
func TestUpgradeRefused(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "gosup.yaml")
	const text = "processes: {web: {command: sleep 1000}}"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "bin", "gosup")
	install := func(data []byte, mode os.FileMode) {
		t.Helper()
		if err := os.RemoveAll(program); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, data, mode); err != nil {
			t.Fatal(err)
		}
	}
	install(whole, 0o755)
	s := startSupervisorIn(t, dir, []string{program, "run"})
	s.wait("running", "web")
	pid := s.status("web").PID
	script := func(line string) func() { return func() { install([]byte("#!/bin/sh\n"+line+"\n"), 0o755) } }
	for _, test := range []struct {
		name string
		make func()
		want string
	}{
		{"missing", func() { os.Remove(program) }, "no such file"},
		{"not executable", func() { install(whole, 0o644) }, "permission denied"},
		{"a folder", func() { os.Remove(program); os.Mkdir(program, 0o755) }, "is a directory"},
		{"no program", func() { install([]byte("\x7fELFnothing"), 0o755) }, "exec format error"},
		{"cut short", func() { install(whole[:4096], 0o755) }, ""},
		{"another program", script("exec true"), "not that of a gosup"},
		{"one that talks", script(`echo '{"version":"9","handoff":99}'`), "not that of a gosup"},
		{"one that fails", script("echo no such command: run >&2; exit 2"), "exited with code 2: no such command: run"},
		{"one that crashes", script("kill -SEGV $$"), "killed by SIGSEGV"},
		{"one that closes its descriptors and lives on", script("exec sleep 1000"), "did not answer within 10s"},
		{"another state", script(`echo gosup: it has version 2, and this gosup reads version 1 >&2; exit 1`), "reads version 1"},
		{"a file with errors", func() {
			install(whole, 0o755)
			os.WriteFile(file, []byte("processes: {web: {comand: sleep}}"), 0o644)
		}, "has errors"},
		{"a file that was not applied", func() {
			install(whole, 0o755)
			os.WriteFile(file, []byte("processes: {web: {command: sleep 2000}}"), 0o644)
		}, "has changes that are not applied"},
	} {
		test.make()
		_, err := s.client.Upgrade(t.Context(), control.UpgradeRequest{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
		if p := s.status("web"); p.State != "running" || p.PID != pid {
			t.Errorf("%s: web is %+v, was pid %d", test.name, p, pid)
		}
	}
	os.WriteFile(file, []byte(text), 0o644)
	if _, err := s.client.Upgrade(t.Context(), control.UpgradeRequest{}); err != nil {
		t.Error(err)
	}
	if p := s.status("web"); p.PID != pid {
		t.Errorf("web has pid %d, had %d", p.PID, pid)
	}
}

// TestPidIsReused: a stranger who has got the pid of a process that died with
// gosup is neither adopted nor signalled.
func TestPidIsReused(t *testing.T) {
	t.Parallel()
	if !mayUnshare() {
		t.Skip("needs root and unshare(1)")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gosup.yaml"), []byte("processes: {web: {command: sleep 1000}}"), 0o644); err != nil {
		t.Fatal(err)
	}
	// Numbers begin anew after 360, at 300, in this namespace alone (Linux 6.14).
	const script = `
echo 360 > /proc/sys/kernel/pid_max || { echo no pid_max; exit 0; }
until [ "${early:-0}" -gt 300 ]; do sh -c : & early=$!; wait $early; done
gosup run 2>first & daemon=$!
gosup ctl wait web --for running --timeout 20s >/dev/null 2>&1 || { until [ -S .gosup/run/gosup.sock ]; do :; done; gosup ctl wait web --for running --timeout 20s >/dev/null; }
web=$(gosup ctl status web -o json | tr , '\n' | sed -n 's/.*"pid"://p')
kill -9 $daemon $web
wait $daemon
tries=0
until [ "$stranger" = $web ]; do
	[ -n "$stranger" ] && { kill -9 $stranger; wait $stranger; }
	sleep 1000 & stranger=$!
	tries=$((tries + 1))
	[ $tries -lt 5000 ] || { echo "pid $web does not come back"; exit 1; }
done 2>/dev/null
gosup run 2>second & daemon=$!
until gosup ctl wait web --for running --timeout 20s >/dev/null 2>&1; do :; done
echo "web was $web, is $(gosup ctl status web -o json | tr , '\n' | sed -n 's/.*"pid"://p')"
gosup ctl stop web >/dev/null
gosup ctl shutdown >/dev/null
kill -0 $stranger && tr '\0' ' ' < /proc/$stranger/cmdline
`
	cmd := exec.Command("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script)
	cmd.Dir = dir
	out, err := cmd.Output()
	if strings.Contains(string(out), "no pid_max") {
		t.Skip("this kernel has one pid_max for all namespaces")
	}
	var was, is int
	if _, scanErr := fmt.Sscanf(string(out), "web was %d, is %d", &was, &is); scanErr != nil || err != nil || was == is ||
		!strings.HasSuffix(strings.TrimSpace(string(out)), "sleep 1000") {
		t.Errorf("%v, %v:\n%s", err, scanErr, out)
	}
}
