package tree

import (
	"slices"
	"strings"

	"gosup/policy"
	"gosup/spec"
)

// asked does what a person wishes and answers at once. How it ends, readers
// see in the snapshots.
func (t *Tree) asked(e Asked) {
	if e.Verb >= AskTrip {
		t.askedOfBreakers(e)
		return
	}
	var names []string
	var ids []NodeID
	for i := range t.nodes {
		if n := &t.nodes[i]; !n.isGroup() && !n.removed {
			names, ids = append(names, n.name), append(ids, n.id)
		}
	}
	chosen, err := spec.Select(names, e.Names)
	if err != nil {
		t.do(Answer{ID: e.ID, Err: err})
		return
	}
	results := make([]Result, 0, len(chosen))
	for _, c := range chosen {
		results = append(results, t.askedOf(&t.nodes[t.index[ids[c]]], e))
	}
	t.do(Answer{ID: e.ID, Results: results})
}

// askedOf does it for one process.
func (t *Tree) askedOf(n *node, e Asked) Result {
	r := Result{Node: n.id, Name: n.name, Run: n.run, Failures: n.failures}
	cause := &Cause{Kind: CauseAsked, By: e.By, Text: e.Why}
	switch {
	case t.shutdown && e.Verb != AskSignal && e.Verb != AskStop:
		r.Err = "gosup is shutting down"
	case e.Verb == AskSignal:
		r.Err = t.askedToSignal(n, e.Signal)
		r.Changed = r.Err == ""
	case e.Verb == AskReload:
		r.Err = t.askedToReload(n)
		r.Changed = r.Err == ""
	case e.Verb == AskExec:
		r.Changed = true
	case e.Verb >= AskFreeze && e.Verb <= AskFailHealth:
		r.Err = t.askedToFeign(n, e)
		r.Changed = r.Err == ""
	case e.Verb == AskStart:
		n.invited = true
		r.Changed = t.askedToStart(n, cause)
	case e.Verb == AskStop:
		r.Changed = t.askedToStop(n, cause)
		r.Without = t.without(n)
		t.undo(n, e, AskStart)
	case e.Verb == AskRestart:
		n.invited = true
		t.askedToStart(n, cause)
		n.cause = cause
		r.Changed = true
		if n.body != absent && !n.parting() {
			t.turnOver(n)
			t.drag(n)
		}
	}
	if r.Err == "" && e.Verb < AskSignal {
		n.orders++
		n.budget.Clear()
		n.payments, n.touched = nil, true
	}
	r.Order = n.orders
	if r.Err == "" {
		t.note(Note{Type: NoteRequest, Process: n.name, Cause: cause, By: e.By, Detail: e.detail()})
	}
	return r
}

// maxDetail bounds what the history keeps of a command, in characters.
const maxDetail = 500

// detail says what was asked for.
func (e *Asked) detail() string {
	if e.Verb == AskExec {
		return spec.Line(e.Verb.String()+" "+strings.Join(e.Argv, " "), maxDetail)
	}
	return e.Verb.String()
}

// askedToSignal sends a process a signal, and says why it cannot. One that is
// being started may be at work already, and known to whoever asks: it gets the
// signal once its pid is known.
func (t *Tree) askedToSignal(n *node, signal int) string {
	switch {
	case n.body == alive:
		t.do(Signal{Node: n.id, Run: n.run, Signal: signal, Reach: spec.KillProcess})
	case n.body != spawning:
		return "not running"
	case !slices.Contains(n.early, signal): // as the kernel does with those that wait
		n.early = append(n.early, signal)
	}
	return ""
}

// askedToReload makes a process reload itself, and says why it cannot.
func (t *Tree) askedToReload(n *node) string {
	switch {
	case n.body != alive:
		return "not running"
	case t.hooked(n, spec.OnReload):
	case n.proc.ReloadSignal != 0:
		t.do(Signal{Node: n.id, Run: n.run, Signal: n.proc.ReloadSignal, Reach: spec.KillProcess})
	default:
		return "its definition has no reload (add reload: {signal: SIGHUP})"
	}
	return ""
}

// askedToFeign makes a process stand still, go on, or look unhealthy, and says
// why it cannot.
func (t *Tree) askedToFeign(n *node, e Asked) string {
	if n.body != alive {
		return "not running"
	}
	n.touched = true
	switch e.Verb {
	case AskFreeze:
		n.frozen = true
		t.signal(n, int(sigstop))
		t.undo(n, e, AskThaw)
	case AskThaw:
		n.frozen = false
		t.signal(n, int(sigcont))
	case AskFailHealth:
		if len(n.proc.Checks) == 0 {
			return "it has no health check"
		}
		n.sickUntil = policy.Never
		if e.For > 0 {
			n.sickUntil = t.now.Add(e.For)
		}
	}
	return ""
}

// undo remembers to undo a wish that is only for a time.
func (t *Tree) undo(n *node, e Asked, v Verb) {
	n.undoAt = 0
	if e.For > 0 {
		n.undoAt, n.undoBy = t.now.Add(e.For), &Asked{Verb: v, By: e.By, Why: e.Why}
	}
}

// undone undoes what was only for a time, and returns when to look again.
func (t *Tree) undone(n *node) Time {
	if n.undoAt == 0 {
		return policy.Never
	}
	if t.now < n.undoAt {
		return n.undoAt
	}
	n.undoAt = 0
	t.askedOf(n, *n.undoBy)
	return policy.Never
}

// without returns who runs, depends on n, and is not asked to stop with it.
func (t *Tree) without(n *node) (names []string) {
	for _, d := range n.dependents {
		if m := &t.nodes[d.node]; m.rest == wanted && m.body == alive && d.condition != spec.Completed {
			names = append(names, m.name)
		}
	}
	return names
}

// askedToStart reports whether that changes anything.
func (t *Tree) askedToStart(n *node, cause *Cause) bool {
	for p := n; p.parent >= 0; {
		p = &t.nodes[p.parent]
		if p.failed {
			p.failed, p.cause, p.touched = false, cause, true
			p.budget.Clear()
		}
	}
	p := &t.nodes[n.parent]
	p.budget.Clear()
	p.touched = true
	if n.rest == wanted && n.body == alive && !n.parting() && !n.must {
		return false
	}
	n.rest, n.cause = wanted, cause
	n.notBefore, n.turnAt, n.auto, n.busySince, n.undoAt = 0, 0, false, 0, 0
	// A delay of its group ends as well, once all that must go down is down.
	for ; p != nil; p = t.above(p) {
		p.notBefore = 0
	}
	return true
}

func (t *Tree) above(n *node) *node {
	if n.parent < 0 {
		return nil
	}
	return &t.nodes[n.parent]
}

// askedToStop reports whether that changes anything. What is over stays over.
func (t *Tree) askedToStop(n *node, cause *Cause) bool {
	if n.rest == stopped || n.rest == over {
		return n.body != absent
	}
	changed := n.rest == wanted
	n.rest, n.cause, n.invited = stopped, cause, false
	n.notBefore, n.auto, n.busySince = 0, false, 0
	return changed
}
