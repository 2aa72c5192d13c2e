//go:build linux

package procman

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gosup/spec"
	"gosup/tree"
)

// inCgroups returns the options of a hand whose runs get cgroups, and checks
// that none is left at the end.
func inCgroups(t *testing.T) handOptions {
	t.Helper()
	root, err := makeCgroups("test-" + strings.ReplaceAll(t.Name(), "/", "-"))
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { // after the hand's own
		if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("cgroup %s is left: %v", root, err)
			clearCgroups(root)
			os.Remove(root)
		}
	})
	return handOptions{cgroups: root, warn: func(err error) { t.Error(err) }}
}

// TestCgroupHoldsAll kills what nothing but its cgroup links to the run.
func TestCgroupHoldsAll(t *testing.T) {
	tests := []struct {
		name, args string
		ready      int
	}{
		{"child", "stay sleep", 2},
		{"daemon without environment", "stay setsid bare spawn end setsid bare sleep", 2},
		{"deaf", "stay setsid bare spawn end setsid bare ignore-term", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, inCgroups(t))
			run := r.start(r.launch("spawn", strings.Fields(tt.args)...))
			pids := r.ready(run, tt.ready)
			far := pids[0]
			if far == r.started(run).PID {
				far = pids[1]
			}
			if strings.Contains(tt.args, "end") {
				until(t, "it to be an orphan", func() bool {
					st, ok := openProc("/proc", &reserve{}).stat(far)
					return ok && st.parent == os.Getpid()
				})
			}
			r.kill(run, syscall.SIGTERM, spec.KillTree)
			r.exited(run)
			r.kill(run, syscall.SIGKILL, spec.KillTree)
			r.over(run)
			for _, pid := range pids {
				r.dies(pid)
			}
			if n := r.hand.strangers(); strings.HasPrefix(tt.name, "deaf") && n != 0 {
				t.Errorf("got %d strangers", n)
			}
		})
	}
}

// TestCgroupEndsStorms kills at once what forks fast, with no round after.
func TestCgroupEndsStorms(t *testing.T) {
	for _, role := range []string{"storm", "comet"} {
		t.Run(role, func(t *testing.T) {
			r := newRig(t, inCgroups(t))
			for range 5 {
				run := r.start(r.launch(role))
				r.ready(run, 1)
				r.kill(run, syscall.SIGKILL, spec.KillTree)
				r.over(run)
			}
		})
	}
}

// TestCgroupThaws kills a frozen run.
func TestCgroupThaws(t *testing.T) {
	opt := inCgroups(t)
	r := newRig(t, opt)
	run := r.start(r.launch("spawn", "stay", "setsid", "sleep"))
	pids := r.ready(run, 2)
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pids[0]))
	if err != nil {
		t.Fatal(err)
	}
	freeze := filepath.Join(opt.cgroups, filepath.Base(cgroupPath(string(own))), "cgroup.freeze")
	if err := os.WriteFile(freeze, []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	r.kill(run, syscall.SIGKILL, spec.KillTree)
	r.over(run)
	for _, pid := range pids {
		r.dies(pid)
	}
}

// TestCgroupAndShim has the shim start in the cgroup.
func TestCgroupAndShim(t *testing.T) {
	r := newRig(t, inCgroups(t))
	l := r.shell("cat /proc/self/cgroup; exit 3")
	l.Rights.Umask = set(uint32(0o22))
	run := r.start(l)
	if got := r.line(run, "0::"); !strings.Contains(got, "/gosup.test-TestCgroupAndShim/run.") {
		t.Errorf("got %q", got)
	}
	if e := r.exited(run); e.Exit.Code != 3 || e.Left {
		t.Errorf("got %+v", e)
	}
	l = r.shell("exit 0")
	l.Argv[0] = "/no/such/program"
	r.hand.start(l)
	r.over(l.Run)
}

// TestCgroupRefused starts without a cgroup where none can be made, and says
// so once.
func TestCgroupRefused(t *testing.T) {
	var warnings []string
	r := newRig(t, handOptions{cgroups: t.TempDir() + "/missing", warn: func(err error) { warnings = append(warnings, err.Error()) }})
	for range 3 {
		l := r.shell("exit 0")
		r.hand.start(l)
		r.exited(l.Run)
	}
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0], "runs get no cgroup of their own: make cgroup ") {
		t.Errorf("got %q", warnings)
	}
}

// TestCgroupIsNone has a folder that is no cgroup: the fork itself fails, and
// is done without.
func TestCgroupIsNone(t *testing.T) {
	var warnings []string
	r := newRig(t, handOptions{cgroups: t.TempDir(), warn: func(err error) { warnings = append(warnings, err.Error()) }})
	for range 3 {
		l := r.shell("exit 0")
		r.hand.start(l)
		if e := r.exited(l.Run); e.Exit.Code != 0 {
			t.Errorf("got %+v", e)
		}
	}
	l := r.shell("exit 0")
	l.Argv[0] = "/no/such/program"
	r.hand.start(l)
	r.wait("no start", func(e tree.Event) bool { f, ok := e.(tree.StartFailed); return ok && f.Run == l.Run })
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0], "runs get no cgroup of their own: ") {
		t.Errorf("got %q", warnings)
	}
}
