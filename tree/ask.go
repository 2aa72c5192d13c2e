package tree

import (
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
	case e.Verb == AskSignal && n.body != alive:
		r.Err = "not running"
	case e.Verb == AskSignal:
		r.Changed = true
		t.do(Signal{Node: n.id, Run: n.run, Signal: e.Signal, Reach: spec.KillProcess})
	case e.Verb == AskStart:
		r.Changed = t.askedToStart(n, cause)
	case e.Verb == AskStop:
		r.Changed = t.askedToStop(n, cause)
	case e.Verb == AskRestart:
		t.askedToStart(n, cause)
		n.cause = cause
		r.Changed = true
		if n.body != absent && !n.parting() {
			t.turnOver(n)
			t.drag(n)
		}
	}
	if r.Err == "" && e.Verb != AskSignal {
		n.orders++
		n.budget.Clear()
		n.touched = true
	}
	r.Order = n.orders
	if r.Err == "" {
		t.note(Note{Type: NoteRequest, Process: n.name, Cause: cause, By: e.By, Detail: e.Verb.String()})
	}
	return r
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
	n.notBefore, n.auto, n.busySince = 0, false, 0
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
	n.rest, n.cause = stopped, cause
	n.notBefore, n.auto, n.busySince = 0, false, 0
	return changed
}
