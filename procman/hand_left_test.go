//go:build linux

package procman

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"gosup/spec"
	"gosup/tree"
)

// TestHandFindsWhatARunLeaves has a first process that ends and leaves another
// one behind, hidden in different ways. It must be found, and be gone after a
// SIGKILL to the tree.
func TestHandFindsWhatARunLeaves(t *testing.T) {
	tests := []struct {
		name string
		args string
	}{
		{"in the group", "end sleep"},
		{"in the group, after a kill", "die sleep"},
		{"in a session of its own", "end setsid sleep"},
		{"in the group, no environment", "end bare sleep"},
		{"twice forked", "end setsid spawn end sleep"},
		{"deaf", "end setsid ignore-term"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, handOptions{})
			run := r.start(r.launch("spawn", strings.Fields(tt.args)...))
			pid := r.ready(run, 1)[0]
			if e := r.exited(run); !e.Left {
				t.Errorf("nothing left: %+v", e)
			}
			r.kill(run, syscall.SIGKILL, spec.KillTree)
			r.gone(run)
			r.dies(pid)
		})
	}
}

// TestHandKillsTheTree kills while the first process lives: nothing below it
// may survive, however it is hidden.
func TestHandKillsTheTree(t *testing.T) {
	tests := []struct {
		name  string
		args  string
		ready int
	}{
		{"child", "stay sleep", 2},
		{"session", "stay setsid sleep", 2},
		{"session without environment", "stay setsid bare sleep", 2},
		{"deep", "stay setsid bare spawn stay setsid bare spawn stay setsid bare sleep", 4},
		{"daemon", "stay spawn end setsid sleep", 2},
	}
	for _, tt := range tests {
		for _, opt := range []handOptions{{}, {noLists: true}} {
			t.Run(fmt.Sprintf("%s/noLists=%v", tt.name, opt.noLists), func(t *testing.T) {
				r := newRig(t, opt)
				run := r.start(r.launch("spawn", strings.Fields(tt.args)...))
				pids := r.ready(run, tt.ready)
				r.kill(run, syscall.SIGKILL, spec.KillTree)
				e := r.exited(run)
				r.over(run)
				for _, pid := range pids {
					r.dies(pid)
				}
				if e.Exit.OOM {
					t.Error("an ordered SIGKILL was taken for the kernel's")
				}
			})
		}
	}
}

// TestHandStopsInOrder sends TERM to the tree: whoever handles it goes, a deaf
// member of the group is left, is said to be left, and goes with SIGKILL.
func TestHandStopsInOrder(t *testing.T) {
	r := newRig(t, handOptions{})
	run := r.start(r.launch("spawn", "stay", "ignore-term"))
	r.ready(run, 2)
	r.kill(run, syscall.SIGTERM, spec.KillTree)
	if e := r.exited(run); !e.Left || e.Exit.Signal != int(syscall.SIGTERM) {
		t.Errorf("got %+v, want the end by TERM with something left", e)
	}
	r.line(run, "got 15")
	r.kill(run, syscall.SIGTERM, spec.KillTree)
	r.line(run, "got 15")
	r.kill(run, syscall.SIGKILL, spec.KillTree)
	r.gone(run)
}

// TestHandTellsTermToAll checks that TERM reaches who has left the group.
func TestHandTellsTermToAll(t *testing.T) {
	r := newRig(t, handOptions{})
	run := r.start(r.launch("spawn", "stay", "setsid", "bare", "ignore-term"))
	r.ready(run, 2)
	r.kill(run, syscall.SIGTERM, spec.KillTree)
	r.line(run, "got 15")
	if e := r.exited(run); !e.Left {
		t.Errorf("nothing left: %+v", e)
	}
	r.kill(run, syscall.SIGKILL, spec.KillTree)
	r.gone(run)
}

// TestHandReach has one descendant in the group and one in a session of its
// own; what a signal reaches and what counts as left is what was asked for.
func TestHandReach(t *testing.T) {
	for _, reach := range []spec.Kill{spec.KillTree, spec.KillGroup, spec.KillProcess} {
		t.Run(reach.String(), func(t *testing.T) {
			r := newRig(t, handOptions{})
			l := r.launch("spawn", "stay", "spawn", "stay", "setsid", "sleep")
			l.Reach = reach
			run := r.start(l)
			pids := r.ready(run, 3)
			var leader, member, far int
			leader = r.started(run).PID
			for _, pid := range pids {
				switch {
				case pid == leader:
				case groupOf(pid) == leader:
					member = pid
				default:
					far = pid
				}
			}
			r.kill(run, syscall.SIGKILL, reach)
			e := r.exited(run)
			r.over(run)
			if e.Left && reach == spec.KillProcess {
				t.Errorf("kill: process has left something: %+v", e)
			}
			alive := func(pid int) bool { return syscall.Kill(pid, 0) == nil }
			if alive(member) != (reach == spec.KillProcess) {
				t.Errorf("member of the group alive: %v", alive(member))
			}
			if alive(far) != (reach != spec.KillTree) {
				t.Errorf("member of another session alive: %v", alive(far))
			}
			// They are strangers now: the hand reaps them when they end.
			for _, pid := range []int{member, far} {
				syscall.Kill(pid, syscall.SIGKILL)
				r.dies(pid)
			}
		})
	}
}

// TestHandWakesTheStopped checks that TERM ends a process that is stopped.
func TestHandWakesTheStopped(t *testing.T) {
	r := newRig(t, handOptions{})
	run := r.start(r.launch("sleep"))
	pid := r.ready(run, 1)[0]
	r.kill(run, syscall.SIGSTOP, spec.KillTree)
	until(t, "the process to stop", func() bool {
		st, ok := openProc("/proc", &reserve{}).stat(pid)
		return ok && st.state == 'T'
	})
	r.kill(run, syscall.SIGTERM, spec.KillTree)
	if e := r.exited(run); e.Exit.Signal != int(syscall.SIGTERM) {
		t.Errorf("got %+v, want an end by TERM", e.Exit)
	}
}

// TestHandOutrunsAForkStorm kills processes that do nothing but fork into new
// sessions and end.
func TestHandOutrunsAForkStorm(t *testing.T) {
	for _, role := range []string{"storm", "comet"} {
		t.Run(role, func(t *testing.T) {
			r := newRig(t, handOptions{})
			run := r.start(r.launch(role))
			r.ready(run, 1)
			other := r.start(r.launch("exit", "3"))
			if e := r.exited(other); e.Exit.Code != 3 {
				t.Errorf("got %+v beside the storm", e.Exit)
			}
			r.kill(run, syscall.SIGKILL, spec.KillTree)
			r.over(run)
			proc := openProc("/proc", &reserve{})
			for _, pid := range proc.list("/proc") {
				if proc.tag(pid) == r.tags[run] {
					t.Errorf("pid %d has survived", pid)
				}
			}
		})
	}
}

// TestHandLeavesStrangersAlone has an orphan that nothing links to its run. It
// is not signalled, it is reaped, and it is counted.
func TestHandLeavesStrangersAlone(t *testing.T) {
	r := newRig(t, handOptions{})
	run := r.start(r.launch("spawn", strings.Fields("stay setsid bare spawn end setsid bare sleep")...))
	var far int
	for _, pid := range r.ready(run, 2) {
		if pid != r.started(run).PID {
			far = pid
		}
	}
	until(t, "the stranger to be an orphan", func() bool {
		st, ok := openProc("/proc", &reserve{}).stat(far)
		return ok && st.parent == os.Getpid()
	})
	r.kill(run, syscall.SIGTERM, spec.KillTree)
	r.exited(run)
	if err := syscall.Kill(far, 0); err != nil {
		t.Errorf("the stranger: %v", err)
	}
	before := r.hand.strangers()
	syscall.Kill(far, syscall.SIGKILL)
	r.dies(far)
	if got := r.hand.strangers(); got != before+1 {
		t.Errorf("got %d strangers, want %d", got, before+1)
	}
}

// TestHandWithoutProc knows of no descendants but those in process groups.
func TestHandWithoutProc(t *testing.T) {
	r := newRig(t, handOptions{proc: "/nonexistent"})
	run := r.start(r.launch("spawn", "end", "ignore-term"))
	pid := r.ready(run, 1)[0]
	if e := r.exited(run); !e.Left {
		t.Errorf("nothing left: %+v", e)
	}
	r.kill(run, syscall.SIGTERM, spec.KillTree)
	r.line(run, "got 15")
	r.kill(run, syscall.SIGKILL, spec.KillTree)
	r.gone(run)
	r.dies(pid)

	run = r.start(r.launch("spawn", "stay", "sleep"))
	pids := r.ready(run, 2)
	r.kill(run, syscall.SIGKILL, spec.KillTree)
	r.over(run)
	for _, pid := range pids {
		r.dies(pid)
	}
}

// TestHandIgnoresLateSignals signals runs that are over or never were.
func TestHandIgnoresLateSignals(t *testing.T) {
	r := newRig(t, handOptions{})
	run := r.start(r.launch("exit", "0"))
	r.exited(run)
	r.kill(run, syscall.SIGKILL, spec.KillTree)
	r.hand.signal(tree.Signal{Node: 7, Run: 7, Signal: 9})
	run = r.start(r.launch("exit", "5"))
	if e := r.exited(run); e.Exit.Code != 5 {
		t.Errorf("got %+v", e.Exit)
	}
}
