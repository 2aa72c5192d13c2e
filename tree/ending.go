package tree

import (
	"time"

	"gosup/policy"
	"gosup/spec"
)

// killGrace is how long a shutdown waits for what it had to kill.
const killGrace = 2 * time.Second

// shutDown begins the end of the daemon, or hurries it.
func (t *Tree) shutDown(e Shutdown) {
	if !t.shutdown {
		t.farewell = e.Signal
		t.end(0, Cause{Kind: CauseShutdown, By: e.By, Text: e.Why})
	}
	t.hurry(e.Urgency)
}

// end begins an orderly shutdown after which the daemon ends with code.
func (t *Tree) end(code int, cause Cause) {
	if t.shutdown {
		return
	}
	t.shutdown, t.exitCode, t.ending = true, code, cause
	t.deadline = t.now.Add(t.settings.ShutdownTimeout)
	t.note(Note{Type: NoteDaemon, To: "stopping", Cause: &t.ending, By: cause.By})
	t.version++
}

// hurry raises the urgency of the shutdown under way. Stops that have begun
// are due for their next rung at once.
func (t *Tree) hurry(u Urgency) {
	if u <= t.urgency {
		return
	}
	t.urgency = u
	if u == AtOnce {
		t.deadline = min(t.deadline, t.now)
	}
	for i := range t.nodes {
		if n := &t.nodes[i]; n.step > 0 && n.step <= len(n.proc.Stop.Steps) {
			n.deadline = t.now
		}
	}
}

// expire notices that the whole shutdown has taken too long.
func (t *Tree) expire() {
	if t.shutdown && t.urgency < AtOnce && t.now >= t.deadline {
		t.note(Note{Type: NoteDaemon, To: "killing", Cause: &Cause{Kind: CauseShutdown, By: "its timeout"},
			Detail: t.remaining()})
		t.hurry(AtOnce)
	}
}

// outlive ends the daemon if it has outlived its processes, as exit_on says.
func (t *Tree) outlive() {
	if t.shutdown || t.settings.ExitOn == spec.ExitNever {
		return
	}
	var began, busy, lost bool
	var by *node
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.isGroup() || n.removed {
			continue
		}
		began = began || n.run > 0
		busy = busy || n.rest == wanted || n.body != absent || t.cycled(n)
		if n.rest == failed && !t.cycled(n) {
			lost, by = true, n
		}
	}
	switch {
	case t.settings.ExitOn == spec.ExitAnyFailed && lost:
		t.end(1, Cause{Kind: CauseExitOn, Node: by.name, Text: t.settings.ExitOn.String(), Before: by.cause})
	case t.settings.ExitOn == spec.ExitAllDone && began && !busy:
		code := 0
		if lost {
			code = 1
		}
		t.end(code, Cause{Kind: CauseExitOn, Text: t.settings.ExitOn.String()})
	}
}

// finish ends the daemon once nothing is left, or once what is left has
// outlived its own killing, and drops what is no longer defined.
func (t *Tree) finish() {
	root := &t.nodes[0]
	if !t.shutdown {
		t.drop()
		return
	}
	if !root.down && t.urgency == AtOnce {
		giveUp := t.deadline.Add(killGrace)
		if t.now < giveUp {
			t.next = min(t.next, giveUp)
			return
		}
		t.note(Note{Type: NoteDaemon, To: "giving up", Cause: &t.ending, Detail: t.remaining()})
		t.exitCode = max(t.exitCode, 1)
	} else if !root.down {
		return
	}
	t.exited = true
	t.next = policy.Never
	t.do(Exiting{Code: t.exitCode, Why: t.ending.String()})
}

// remaining names the processes that are still there.
func (t *Tree) remaining() string {
	names := ""
	for i := range t.nodes {
		if n := &t.nodes[i]; !n.isGroup() && n.body != absent {
			if names != "" {
				names += ", "
			}
			names += n.name
		}
	}
	return names
}
