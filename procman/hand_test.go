//go:build linux

package procman

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gosup/spec"
	"gosup/tree"
)

func TestHandTellsHowARunEnded(t *testing.T) {
	r := newRig(t, handOptions{})
	tests := []struct {
		name   string
		launch launch
		signal syscall.Signal
		want   tree.Exit
	}{
		{"success", r.launch("exit", "0"), 0, tree.Exit{Code: 0, Cause: tree.Ended}},
		{"code", r.launch("exit", "37"), 0, tree.Exit{Code: 37, Cause: tree.Ended}},
		{"highest code", r.launch("exit", "255"), 0, tree.Exit{Code: 255, Cause: tree.Ended}},
		{"signal", r.shell("exec sleep 100"), syscall.SIGUSR2, tree.Exit{Code: -1, Signal: int(syscall.SIGUSR2), Name: "SIGUSR2", Cause: tree.Signalled}},
		{"kill", r.shell("exec sleep 100"), syscall.SIGKILL, tree.Exit{Code: -1, Signal: int(syscall.SIGKILL), Name: "SIGKILL", Cause: tree.Signalled}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run := r.start(tt.launch)
			pid := r.started(run).PID
			if tt.signal != 0 {
				r.kill(run, tt.signal, spec.KillProcess)
			}
			got := r.exited(run)
			if got.Left || got.Exit.Ran <= 0 || got.Exit.At <= 0 || got.Exit.MaxRSS < 1<<20 {
				t.Errorf("exit of pid %d: %+v", pid, got)
			}
			if e := got.Exit; e.Code != tt.want.Code || e.Signal != tt.want.Signal || e.Name != tt.want.Name || e.Cause != tt.want.Cause || e.OOM || e.Core {
				t.Errorf("got %+v, want %+v", e, tt.want)
			}
			if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
				t.Errorf("pid %d is not reaped: %v", pid, err)
			}
		})
	}
}

func TestHandSaysWhyNothingRuns(t *testing.T) {
	r := newRig(t, handOptions{})
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file("plain", "#!/bin/sh\n", 0o644)
	file("orphaned", "#!/no/such/interpreter\n", 0o755)
	file("garbage", "\x00\x01\x02", 0o755)
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		argv []string
		dir  string
		env  []string
		want string
	}{
		{"relative", []string{"bin/web"}, dir, nil, "exec bin/web: no such file or directory"},
		{"in PATH", []string{"no-such-program"}, dir, []string{"PATH=/bin:/usr/bin"}, "exec no-such-program: not found in PATH"},
		{"not executable", []string{"./plain"}, dir, nil, "exec ./plain: permission denied"},
		{"not executable in PATH", []string{"plain"}, "/", []string{"PATH=/nowhere:" + dir}, "exec plain: " + dir + "/plain: permission denied"},
		{"folder as program", []string{"./folder"}, dir, nil, "exec ./folder: is a directory"},
		{"no interpreter", []string{"./orphaned"}, dir, nil, "exec ./orphaned: the interpreter that it names is missing: no such file or directory"},
		{"no format", []string{"./garbage"}, dir, nil, "exec ./garbage: exec format error (a script needs a first line like #!/bin/sh)"},
		{"NUL", []string{"/bin/true", "a\x00b"}, dir, nil, "exec /bin/true: invalid argument (a NUL byte in an argument or the environment?)"},
		{"no folder", []string{"/bin/true"}, dir + "/missing", nil, "chdir " + dir + "/missing: no such file or directory"},
		{"file as folder", []string{"/bin/true"}, dir + "/plain", nil, "chdir " + dir + "/plain: not a directory"},
		{"empty", nil, dir, nil, "exec: no command"},
		{"too long", []string{"/bin/true", strings.Repeat("x", 1<<20)}, dir, nil, "exec /bin/true: argument list too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := r.launch("exit", "0")
			l.Argv, l.Dir, l.Env = tt.argv, tt.dir, tt.env
			run := r.start(l)
			e := r.wait("an answer", func(e tree.Event) bool {
				f, ok := e.(tree.StartFailed)
				return ok && f.Run == run
			}).(tree.StartFailed)
			if e.Why != tt.want || e.Busy {
				t.Errorf("got %q (busy %v), want %q", e.Why, e.Busy, tt.want)
			}
		})
	}
}

// TestForksWhoIsRestartedLessFirst: what ends again and again does not hold up
// others, and each has its turn.
func TestForksWhoIsRestartedLessFirst(t *testing.T) {
	t.Parallel()
	h := hand{held: map[runKey]*startOrder{}}
	for node, restarts := range []int{7, 0, 7, 3, 0, 100, 3} {
		h.read(message{start: &startOrder{launch: launch{Node: tree.NodeID(node), Run: 1, Restarts: restarts}}})
	}
	var got []tree.NodeID
	for _, o := range h.queue {
		got = append(got, o.Node)
	}
	if want := []tree.NodeID{1, 4, 3, 6, 0, 2, 5}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(h.held) != 7 {
		t.Errorf("%d are held, want 7", len(h.held))
	}
}

// TestStartsOvertake: a start waits neither for those of who is restarted more
// often nor for what has happened to others, but for everything else, and for its
// own process.
func TestStartsOvertake(t *testing.T) {
	t.Parallel()
	start := func(node tree.NodeID, restarts int) tree.Start {
		return tree.Start{Node: node, Run: 9, Restarts: restarts}
	}
	tests := []struct {
		name   string
		queued []any
		at     int // where a start of node 1 that was restarted 3 times comes
	}{
		{"nothing", nil, 0},
		{"crashes", []any{tree.Exited{Node: 2}, start(2, 50), tree.Started{Node: 3}, tree.Crashed{Node: 4}}, 0},
		{"who is restarted as often", []any{start(2, 3), start(3, 4)}, 1},
		{"its own end", []any{tree.Exited{Node: 2}, tree.Exited{Node: 1}, tree.Exited{Node: 3}}, 2},
		{"a change", []any{tree.Changed{Node: 2}, tree.Exited{Node: 3}}, 1},
		{"a name that is freed", []any{tree.Exited{Node: 3}, tree.Forget{Node: 2}}, 2},
	}
	for _, tt := range tests {
		q := jobs{items: slices.Clone(tt.queued), wake: make(chan struct{}, 1)}
		q.put(start(1, 3))
		if got := slices.Index(q.items, any(start(1, 3))); got != tt.at {
			t.Errorf("%s: it comes at %d, want %d", tt.name, got, tt.at)
		}
	}
}

// TestJobsComeOnce: whatever is put while others are taken comes once, in order.
func TestJobsComeOnce(t *testing.T) {
	t.Parallel()
	q := jobs{wake: make(chan struct{}, 1)}
	const n = 5000
	put, got := 0, 0
	for got < n {
		for range 3 {
			if put < n {
				q.put(put)
				put++
			}
		}
		job, ended := q.take()
		if job != got || ended {
			t.Fatalf("got %v, %v, want %d", job, ended, got)
		}
		got++
		if len(q.items) > n-got+2*maxTaken {
			t.Fatalf("%d are kept, of which %d are to come", len(q.items), put-got)
		}
	}
	q.end()
	if job, ended := q.take(); job != nil || !ended {
		t.Errorf("at the end: %v, %v", job, ended)
	}
}

// TestEquipsWhoIsRestartedLessFirst: the same holds before that, while more
// start than are equipped ahead.
func TestEquipsWhoIsRestartedLessFirst(t *testing.T) {
	t.Parallel()
	o := outfitter{lent: map[runKey][]*os.File{}}
	for i := range maxLent {
		o.lent[runKey{tree.NodeID(1000 + i), 1}] = nil
	}
	for node, restarts := range []int{7, 0, 7, 3, 0, 100, 3} {
		o.equip(tree.Start{Node: tree.NodeID(node), Run: 1, Restarts: restarts})
	}
	var got []tree.NodeID
	for _, e := range o.waiting {
		got = append(got, e.Node)
	}
	if want := []tree.NodeID{1, 4, 3, 6, 0, 2, 5}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
