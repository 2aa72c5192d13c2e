//go:build linux

package procman

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"gosup/spec"
	"gosup/tree"
)

// TestHandLosesNoExit has many children end at once, each in its own way.
func TestHandLosesNoExit(t *testing.T) {
	r := newRig(t, handOptions{})
	const n = 400
	gate, open, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	for i := range n {
		l := r.shell(fmt.Sprintf("read x; exit %d", i%256))
		l.Files[0] = int(gate.Fd())
		r.hand.start(l)
	}
	for run := uint64(1); run <= n; run++ {
		r.started(run)
	}
	if got := threads(t); got > 30 {
		t.Errorf("%d threads for %d children", got, n)
	}
	open.Close()
	for run := uint64(1); run <= n; run++ {
		if e := r.exited(run); e.Exit.Code != int(run-1)%256 {
			t.Errorf("run %d: got %+v", run, e.Exit)
		}
	}
}

func threads(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}

// TestHandKeepsTheOrder signals runs whose start is still queued: the signal
// comes after the start, and before those of runs that are queued later.
func TestHandKeepsTheOrder(t *testing.T) {
	r := newRig(t, handOptions{})
	const n = 40
	for range n {
		l := r.shell("exec sleep 100")
		r.hand.start(l)
		r.kill(l.Run, syscall.SIGTERM, spec.KillTree)
	}
	for run := uint64(1); run <= n; run++ {
		if e := r.exited(run); e.Exit.Signal != int(syscall.SIGTERM) {
			t.Errorf("run %d: got %+v", run, e.Exit)
		}
	}
}

// TestHandSignalsBesideManyStarts does not let a signal wait for starts that
// are queued before it, but not for the same run.
func TestHandSignalsBesideManyStarts(t *testing.T) {
	r := newRig(t, handOptions{})
	first := r.start(r.launch("sleep"))
	r.ready(first, 1)
	const n = 200
	var launches []launch
	for range n {
		launches = append(launches, r.shell("exit 0"))
	}
	for _, l := range launches {
		r.hand.start(l)
	}
	r.kill(first, syscall.SIGKILL, spec.KillTree)
	for run := first + 1; run <= first+n; run++ {
		r.over(run)
	}
	r.exited(first)
	r.mu.Lock()
	defer r.mu.Unlock()
	before := 0
	for _, e := range r.events {
		switch e := e.(type) {
		case tree.Started:
			before++
		case tree.Exited:
			if e.Run == first && before > n {
				t.Error("all starts came before the end of the first run")
			}
		}
	}
}

// TestHandOutOfDescriptors starts and kills when this process has none left,
// and leaks none.
func TestHandOutOfDescriptors(t *testing.T) {
	r := newRig(t, handOptions{})
	run := r.start(r.launch("spawn", "stay", "setsid", "sleep"))
	r.ready(run, 2)
	next := r.shell("exit 4")
	fill := exhaust(t)
	used := len(fill)
	r.hand.start(next)
	r.kill(run, syscall.SIGKILL, spec.KillTree)
	e := r.exited(next.Run)
	r.over(run)
	for range 20 {
		l := r.launch("none")
		l.Argv = []string{"/no/such/program"}
		r.hand.start(l)
		r.over(l.Run)
	}
	for _, fd := range fill {
		syscall.Close(fd)
	}
	if e.Exit.Code != 4 {
		t.Errorf("got %+v", e.Exit)
	}
	if again := exhaust(t); len(again) < used {
		t.Errorf("%d descriptors are lost", used-len(again))
	}
}

// exhaust opens descriptors until there are no more, with a limit that makes
// that soon.
func exhaust(t *testing.T) []int {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	low := old
	low.Cur = 100
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	var fds []int
	t.Cleanup(func() {
		for _, fd := range fds {
			syscall.Close(fd)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	})
	for {
		fd, err := syscall.Open("/", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err == syscall.EMFILE {
			return fds
		}
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
	}
}

// TestHandFindsTheProgramBusy starts a program that is being written.
func TestHandFindsTheProgramBusy(t *testing.T) {
	r := newRig(t, handOptions{})
	text, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "program")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(text); err != nil {
		t.Fatal(err)
	}
	l := r.launch("none")
	l.Argv = []string{path}
	r.hand.start(l)
	e := r.wait("an answer", func(e tree.Event) bool { _, ok := e.(tree.StartFailed); return ok }).(tree.StartFailed)
	if want := "exec " + path + ": text file busy"; !e.Busy || e.Why != want {
		t.Errorf("got %+v, want busy, %q", e, want)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	l = r.launch("none")
	l.Argv = []string{path}
	r.hand.start(l)
	if e := r.exited(l.Run); e.Exit.Code != 0 {
		t.Errorf("got %+v", e.Exit)
	}
}

// TestPromises checks the check.
func TestPromises(t *testing.T) {
	t.Parallel()
	started, failed := tree.Started{Run: 1}, tree.StartFailed{Run: 1}
	exited, left, gone := tree.Exited{Run: 1}, tree.Exited{Run: 1, Left: true}, tree.Gone{Run: 1}
	tests := []struct {
		name   string
		events []tree.Event
		ok     bool
	}{
		{"run", []tree.Event{started, exited}, true},
		{"failure", []tree.Event{failed}, true},
		{"left", []tree.Event{started, left, gone}, true},
		{"nothing", nil, false},
		{"no end", []tree.Event{started}, false},
		{"no Gone", []tree.Event{started, left}, false},
		{"Gone for nothing", []tree.Event{started, exited, gone}, false},
		{"two answers", []tree.Event{started, failed}, false},
		{"two ends", []tree.Event{started, exited, exited}, false},
		{"end first", []tree.Event{exited, started}, false},
		{"of nobody", []tree.Event{started, exited, tree.Started{Run: 2}}, false},
	}
	for _, tt := range tests {
		if err := promises(tt.events, 1); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestExplainFork names the limits that a fork runs into.
func TestExplainFork(t *testing.T) {
	t.Parallel()
	l := &launch{Argv: []string{"web"}, Dir: "/"}
	for err, want := range map[error]string{
		syscall.EAGAIN: "exec web: resource temporarily unavailable (a limit of processes or memory is reached)",
		syscall.ENOMEM: "exec web: cannot allocate memory (a limit of processes or memory is reached)",
		syscall.EMFILE: "fork: too many open files",
		syscall.EPERM:  "exec web: operation not permitted",
	} {
		if got := explain(l, "/bin/true", err).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestOOMCounter reads a counter that is there, grows, and is not there.
func TestOOMCounter(t *testing.T) {
	t.Parallel()
	proc := t.TempDir()
	write := func(n int) {
		text := "pgfault 77\noom_kill " + strconv.Itoa(n) + "\noom_kill_other 5\n"
		if err := os.WriteFile(filepath.Join(proc, "vmstat"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var o oomCounter
	write(3)
	o.open(proc)
	got := []bool{o.grew()}
	write(4)
	got = append(got, o.grew(), o.grew())
	err := os.Remove(filepath.Join(proc, "vmstat"))
	got = append(got, o.grew())
	if want := []bool{false, true, false, false}; fmt.Sprint(got) != fmt.Sprint(want) || err != nil {
		t.Errorf("got %v, want %v (%v)", got, want, err)
	}
}

// TestHandTellsAnOOMKill has the kernel kill for memory. It needs a memory
// controller of its own.
func TestHandTellsAnOOMKill(t *testing.T) {
	dir := "/sys/fs/cgroup/memory/gosup-test-" + strconv.Itoa(os.Getpid())
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	if err := os.WriteFile(dir+"/memory.limit_in_bytes", []byte("16M"), 0); err != nil {
		t.Skip(err)
	}
	r := newRig(t, handOptions{})
	run := r.start(r.launch("eat", dir+"/cgroup.procs"))
	e := r.exited(run)
	if e.Exit.Signal != int(syscall.SIGKILL) || !e.Exit.OOM {
		t.Errorf("got %+v, want an OOM kill", e.Exit)
	}
	run = r.start(r.shell("kill -KILL $$"))
	if e := r.exited(run); e.Exit.Signal != int(syscall.SIGKILL) || e.Exit.OOM {
		t.Errorf("got %+v, want a kill that is nobody's lack of memory", e.Exit)
	}
}

// TestTag finds GOSUP_RUN wherever it stands in an environment.
func TestTag(t *testing.T) {
	t.Parallel()
	long := "X=" + string(bytes.Repeat([]byte("x"), 40<<10))
	tests := []struct {
		name string
		env  []string
		want string
	}{
		{"first", []string{"GOSUP_RUN=a/b/1", "A=1"}, "a/b/1"},
		{"last", []string{"A=1", "GOSUP_RUN=a/b/1"}, "a/b/1"},
		{"none", []string{"A=1", "NOT_GOSUP_RUN=a/b/1"}, ""},
		{"after a long one", []string{long, "GOSUP_RUN=a/b/1"}, "a/b/1"},
		{"within a long one", []string{long + "GOSUP_RUN=a/b/1"}, ""},
		{"after many", append(many(900), "GOSUP_RUN=a/b/1"), "a/b/1"},
		{"empty", nil, ""},
	}
	for _, tt := range tests {
		root := t.TempDir()
		text := []byte{}
		for _, kv := range tt.env {
			text = append(append(text, kv...), 0)
		}
		err := errors.Join(os.Mkdir(filepath.Join(root, "7"), 0o755), os.WriteFile(filepath.Join(root, "7", "environ"), text, 0o644))
		if err != nil {
			t.Fatal(err)
		}
		p := &procfs{root: root + "/", reserve: &reserve{}, buf: make([]byte, 16<<10)}
		if got := p.tag(7); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func many(n int) []string {
	var env []string
	for i := range n {
		env = append(env, fmt.Sprintf("VARIABLE_%d=some value", i))
	}
	return env
}
