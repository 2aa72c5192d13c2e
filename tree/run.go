package tree

import (
	"strconv"
	"time"

	"gosup/policy"
	"gosup/spec"
)

// busyRetry and busyLimit pace the retries of a program whose file is being
// written: such a start is tried again, within a second.
const (
	busyRetry = 20 * time.Millisecond
	busyLimit = time.Second
)

// begin begins a run.
func (t *Tree) begin(n *node) {
	t.enter(n)
	if t.hooked(n, spec.PreStart) {
		n.body = preparing
		return
	}
	t.spawn(n)
}

// enter counts a new run, which has nothing yet.
func (t *Tree) enter(n *node) {
	n.run++
	n.notBefore, n.planned, n.spoken, n.touched = 0, false, false, true
	n.ear, n.invited = deaf, false
	n.adopted = false
	t.recount(n)
}

// recount counts a start that is an automatic restart.
func (t *Tree) recount(n *node) {
	n.counted = n.auto
	if n.auto {
		n.auto = false
		n.total++
	}
}

// spawn orders the fork of a run.
func (t *Tree) spawn(n *node) {
	n.body = spawning
	t.do(Start{Node: n.id, Run: n.run, Process: n.proc, Restarts: t.paying(n).count(t.now)})
}

func (t *Tree) started(n *node, pid int) {
	n.body, n.pid, n.startedAt = alive, pid, t.now
	n.busySince = 0
	if n.cause.Kind == CauseBusy {
		n.cause = n.cause.Before
	}
	n.touched = true
	for _, s := range n.early {
		t.do(Signal{Node: n.id, Run: n.run, Signal: s, Reach: spec.KillProcess})
	}
	n.early = nil
	t.awaitReady(n)
}

func (t *Tree) startFailed(n *node, e StartFailed) {
	n.body, n.early = absent, nil
	n.touched = true
	doomed := t.doomed(n)
	if e.Busy && !doomed {
		if n.busySince == 0 {
			n.busySince = t.now
		}
		if t.now.Sub(n.busySince) < busyLimit {
			n.notBefore, n.invited = t.now.Add(busyRetry), true
			if n.cause.Kind != CauseBusy {
				n.cause = &Cause{Kind: CauseBusy, Text: e.Why, Before: n.cause}
			}
			return
		}
	}
	n.busySince = 0
	n.tally(&Exit{Code: -1, At: t.now, Cause: NotStarted})
	if !doomed {
		n.failures++
		cause := &Cause{Kind: CauseStart, Text: e.Why}
		n.rest, n.cause = failed, cause
		if n.proc.Restart.Policy.Wants(false) {
			n.rest = wanted
			t.fail(n, t.now, cause, 0)
		}
		t.mourn(n, e.Code)
	}
	t.conclude(n)
	t.noteExit(n, 0)
}

func (t *Tree) ended(n *node, e Exited) {
	exit := e.Exit
	doomed := t.doomed(n) || n.parting()
	if doomed {
		exit.Cause = Stopped
	}
	if n.ailing != 0 {
		exit.Cause = n.ailing
	}
	n.tally(&exit)
	n.ready, n.startedAt, n.touched = false, 0, true
	n.planned = n.parting()
	pid := n.pid
	n.pid = 0
	n.body = absent
	n.bowing, n.bowed = false, false
	if e.Left && n.proc.Stop.Kill != spec.KillProcess {
		n.body = leaving
		t.chase(n)
	} else {
		n.step = 0
	}
	cause := &Cause{Kind: CauseExit, Node: n.name, Exit: exit}
	if !doomed {
		t.judge(n, &exit, cause)
		t.mourn(n, exit.ShellCode())
	}
	well := exit.Signal == 0 && n.proc.Restart.Success(exit.Code) && (n.rest == over || n.rest == wanted && !n.auto && n.idles(&exit))
	if n.ailing != 0 || !doomed && !well {
		t.crashed(n, pid)
	}
	t.ceaseHealth(n, exit.At)
	if n.rest == wanted && !t.shutdown {
		t.drag(n)
	}
	t.conclude(n)
	t.noteExit(n, pid)
}

// tally takes note of how a run has ended, or has not begun.
func (n *node) tally(exit *Exit) {
	n.lastExit = exit
	n.ends.By[exit.Cause]++
	if exit.OOM {
		n.ends.OOM++
	}
}

// crashed hands the end of a run to the flight recorder.
func (t *Tree) crashed(n *node, pid int) {
	health, _ := n.healthNow()
	t.do(Crashed{Node: n.id, Crash: Crash{Process: n.name, Run: n.run, PID: pid, Exit: *n.lastExit,
		Reason: n.cause.String(), Health: health, Checks: n.checkups()}})
}

// chase goes after what a run has left behind: with the signal of the stop
// under way, which its descendants may not have had, or with SIGKILL. Where a
// shutdown hands on a signal that was meant for one process, that was the only
// one to have time for it.
func (t *Tree) chase(n *node) {
	if steps := n.proc.Stop.Steps; n.step > 0 && n.step <= len(steps) && t.farewell == 0 {
		t.signal(n, steps[n.step-1].Signal)
		return
	}
	t.kill(n)
}

func (t *Tree) vanished(n *node) {
	n.body, n.step, n.touched = absent, 0, true
	t.conclude(n)
	n.planned = n.planned && n.body == closing
}

// judge decides what follows from an end that nobody ordered.
func (t *Tree) judge(n *node, exit *Exit, cause *Cause) {
	r := &n.proc.Restart
	success := exit.Signal == 0 && r.Success(exit.Code)
	n.budget.Ran(exit.Ran, r.Limit)
	if success && n.proc.Type == spec.Oneshot {
		n.rest, n.cause = over, cause
		return
	}
	if !success {
		n.failures++
	}
	rule := ruleFor(r.OnExit, exit)
	wants := r.Policy.Wants(success)
	switch {
	case n.idles(exit) && r.Policy != policy.Not && !rule.Never:
		n.cause = cause // it listens again
	case rule.Never && !success:
		n.rest, n.cause = failed, &Cause{Kind: CauseOnExit, Before: cause}
	case wants && !rule.Never:
		t.fail(n, exit.At, cause, rule.Delay)
	case n.proc.Type == spec.Oneshot:
		n.rest, n.cause = failed, &Cause{Kind: CausePolicy, Before: cause}
	default:
		n.rest, n.cause = over, cause
	}
}

// ruleFor returns what on_exit says of an end; the zero rule says nothing.
// Out of memory comes before the signal that it was done with.
func ruleFor(rules []spec.ExitRule, exit *Exit) (found spec.ExitRule) {
	for _, r := range rules {
		if exit.OOM && r.Class == "oom" {
			return r
		}
		if exit.Matches(r.Class) {
			found = r
		}
	}
	return found
}

// mourn ends the daemon with code if n is essential and has ended for good.
func (t *Tree) mourn(n *node, code int) {
	if n.proc.Essential && (n.rest == over || n.rest == failed) {
		t.end(code, Cause{Kind: CauseEssential, Node: n.name, Before: n.cause})
	}
}

// ShellCode returns the exit code that a shell would show: 128+N for signal N.
// An unknown code is 1: never a success.
func (e *Exit) ShellCode() int {
	switch {
	case e.Signal != 0:
		return 128 + e.Signal
	case e.Code < 0:
		return 1
	default:
		return e.Code
	}
}

// Matches reports whether an exit is of a class that on_exit can name: an exit
// code in decimal, a signal's name, or "oom".
func (e *Exit) Matches(class string) bool {
	switch {
	case class == "oom":
		return e.OOM
	case e.Signal != 0:
		return class == e.Name
	default:
		return class == strconv.Itoa(e.Code)
	}
}
