package tree

import (
	"gosup/spec"
)

// RunHook runs a hook of a process. Answered by exactly one HookDone, at the
// latest when the hook's timeout has passed and what it started is gone.
type RunHook struct {
	Node     NodeID
	Run      uint64
	Moment   spec.Moment
	Process  *spec.Process
	Restarts int
	PID      int   // of the run; 0 if there is none
	Exit     *Exit // of the run that has ended, for PostStop; else nil
}

// CancelHook kills the hook that is running for a run. Its HookDone follows as
// for any other.
type CancelHook struct {
	Node NodeID
	Run  uint64
}

// HookDone answers a RunHook.
type HookDone struct {
	Node   NodeID
	Run    uint64
	Moment spec.Moment
	Why    string // it failed: why; "" for success
}

func (RunHook) effect()    {}
func (CancelHook) effect() {}
func (HookDone) event()    {}

// hooked reports whether there is a hook for moment m, and runs it if so.
func (t *Tree) hooked(n *node, m spec.Moment) bool {
	if n.proc.Hooks[m] == nil {
		return false
	}
	t.do(RunHook{Node: n.id, Run: n.run, Moment: m, Process: n.proc,
		Restarts: t.paying(n).count(t.now), PID: n.pid, Exit: n.lastExit})
	return true
}

// cancel kills the hook of n, once.
func (t *Tree) cancel(n *node) {
	if !n.cancelled {
		n.cancelled = true
		t.do(CancelHook{Node: n.id, Run: n.run})
	}
}

// hookDone goes on with what a hook has held up.
func (t *Tree) hookDone(n *node, e HookDone) {
	h := n.proc.Hooks[e.Moment]
	forgiven := e.Why == "" || h == nil || h.MayFail
	if e.Why != "" {
		t.note(Note{Type: NoteLog, Process: n.name, To: e.Moment.String(),
			Cause: &Cause{Kind: CauseProbe, Text: "hook " + e.Moment.String() + ": " + e.Why}})
	}
	why := "hook " + e.Moment.String() + ": " + e.Why
	switch {
	case e.Moment == spec.PreStart && n.body == preparing:
		n.cancelled, n.touched = false, true
		switch {
		case t.doomed(n):
			n.body = absent
			n.tally(&Exit{Code: -1, At: t.now, Cause: NotStarted})
			t.conclude(n)
		case forgiven:
			t.spawn(n)
		default:
			n.body = spawning
			t.startFailed(n, StartFailed{Node: n.id, Run: n.run, Why: why, Code: 1})
		}
	case e.Moment == spec.PreStop && n.body == alive && n.step == 0 && n.bowing:
		n.bowed, n.touched = true, true
	case e.Moment == spec.PostStart && n.body == alive && !forgiven:
		t.replace(n, NotStarted, &Cause{Kind: CauseStart, Text: why})
	case e.Moment == spec.PostStop && n.body == closing:
		n.body, n.planned, n.cancelled, n.touched = absent, false, false, true
	}
}

// conclude runs the hook that follows every end. Until it is done, the end is
// not complete: nothing of the process starts, and no stop is reported.
func (t *Tree) conclude(n *node) {
	if n.body == absent && t.urgency < AtOnce && t.hooked(n, spec.PostStop) {
		n.body = closing
	}
}

// bow runs the hook that precedes a stop, once a run, and reports whether the
// stop has to wait for it.
func (t *Tree) bow(n *node) bool {
	if n.bowed || t.urgency == AtOnce {
		return false
	}
	if !n.bowing {
		n.bowing = t.hooked(n, spec.PreStop)
		n.touched = n.touched || n.bowing
	}
	return n.bowing
}
