package tree

import "gosup/spec"

// state derives the state of a process from what was decided and what exists.
func (t *Tree) state(n *node) State {
	switch {
	case (n.body == spawning || n.body == preparing || n.body == alive && !n.ready) && n.must, n.body == alive && n.parting():
		return StateStopping
	case (n.body == leaving || n.body == closing) && (n.planned || n.rest == stopped || t.shutdown && n.rest == wanted):
		return StateStopping // no stop is done before all of it is gone
	case n.body == spawning, n.body == preparing, n.body == alive && !n.ready:
		return StateStarting
	case n.body == alive:
		return StateRunning
	}
	switch n.rest {
	case stopped:
		return StateStopped
	case over:
		return StateExited
	case failed:
		return StateFailed
	}
	switch {
	case t.shutdown:
		return StateStopped
	case n.waitFor != 0, t.cutOff(n) != 0, n.turnAt != 0, n.queued, n.unheard, n.body != absent && t.now >= max(n.notBefore, n.nextFrom):
		return StateWaiting
	case n.busySince != 0:
		return StateStarting
	case t.expectant(n):
		return StateWaiting
	case n.auto, n.nextFrom > t.now:
		return StateBackoff
	}
	return StateWaiting
}

// groupState sums up the states of a group's members.
func (t *Tree) groupState(p *node) State {
	if p.failed {
		return StateFailed
	}
	var seen [len(stateNames)]bool
	t.eachMember(p, func(m *node) {
		if !m.isGroup() && m.listens() && m.shown == StateWaiting {
			seen[StateRunning] = true // it is as up as it is to be
			return
		}
		seen[m.shown] = true
	})
	for _, s := range [...]State{StateStopping, StateBackoff, StateStarting, StateWaiting, StateRunning, StateFailed, StateExited} {
		if seen[s] {
			if s == StateWaiting {
				return StateStarting
			}
			return s
		}
	}
	return StateStopped
}

// why returns what to tell people of the state of n.
func (t *Tree) why(n *node) *Cause {
	switch {
	case n.shown == StateWaiting && t.cutOff(n) != 0:
		return t.breakerCause(t.cutOff(n) - 1)
	case n.shown == StateWaiting && n.turnAt != 0:
		return &Cause{Kind: CauseTurn, Node: n.turnOf}
	case n.shown == StateStopping && n.rest == wanted && !t.shutdown && t.suspended(n):
		return t.breakerCause(t.cutOff(n) - 1)
	case n.shown == StateWaiting && n.queued:
		return &Cause{Kind: CauseQueue, Count: t.settings.ParallelStarts}
	case n.shown == StateWaiting && n.unheard:
		return &Cause{Kind: CauseUnheard, Node: t.deps[t.unheardOf(n)-1].spec.Name}
	case n.shown == StateWaiting && n.waitFor != 0:
		return t.waitCause(n)
	case n.shown == StateWaiting && t.expectant(n):
		return connectionCause(n)
	case n.shown == StateWaiting && n.body == closing:
		return &Cause{Kind: CauseHook, Text: spec.PostStop.String()}
	case n.shown == StateWaiting && n.body == leaving:
		return &Cause{Kind: CauseLeft}
	case t.shutdown && n.rest == wanted:
		return &t.ending
	}
	return n.cause
}

// show takes note of a new state of n, and of anything else that readers see.
func (t *Tree) show(n *node) {
	var s State
	if n.isGroup() {
		s = t.groupState(n)
	} else {
		s = t.state(n)
		if p := &t.nodes[n.parent]; p.touched && p.group.Strategy.Ordered() {
			n.touched = true // it shows the budget of its group
		}
	}
	if s == n.shown && !n.touched {
		return
	}
	if s != n.shown {
		t.noteState(n, s, nil, n.pid)
	}
	n.touched, n.view, n.image = false, nil, nil
	t.version++
}

// noteState records that n enters state s.
func (t *Tree) noteState(n *node, s State, exit *Exit, pid int) {
	from := n.shown
	n.shown = s
	t.stirred = true
	if n.isGroup() {
		return // what befell it was noted when it was decided
	}
	cause, detail := t.why(n), ""
	if s == from && exit != nil {
		detail = exit.String() // the state does not say it: more has to end
	}
	t.note(Note{Type: NoteState, Process: n.name, From: from.String(), To: s.String(), Cause: cause, PID: pid, Exit: exit,
		By: cause.by(), Detail: detail})
}

// noteExit records the end of a run, whatever the next state: each is told
// once.
func (t *Tree) noteExit(n *node, pid int) {
	t.noteState(n, t.state(n), n.lastExit, pid)
}

func (t *Tree) note(n Note) {
	t.seq++
	n.Seq, n.At = t.seq, t.now
	t.do(n)
}

// Version grows whenever View would return something else.
func (t *Tree) Version() uint64 { return t.version }

// View appends what can be known of each node, but for the root, in preorder.
// Nodes that did not change since the last call are the same values.
func (t *Tree) View(dst []*Node) []*Node {
	for i := 1; i < len(t.nodes); i++ {
		n := &t.nodes[i]
		if n.view == nil || n.shown == StateWaiting { // what it waits for moves
			n.view = t.viewOf(n)
		}
		dst = append(dst, n.view)
	}
	return dst
}

func (t *Tree) viewOf(n *node) *Node {
	v := &Node{
		ID: n.id, Name: n.name, Group: t.nodes[n.parent].name, IsGroup: n.isGroup(),
		State: n.shown, Cause: t.why(n), PID: n.pid, Run: n.run, Ready: n.ready, StartedAt: n.startedAt,
		LastExit: n.lastExit, TotalRestarts: n.total, Failures: n.failures, Ends: n.ends, Orders: n.orders,
	}
	v.Reason = v.Cause.String()
	payer := t.paying(n)
	if n.isGroup() {
		v.Strategy = n.group.Strategy
		v.HasBudget = v.Strategy.Ordered() || n.group.Restart != nil
		payer = n
	} else {
		v.HasBudget = true
		v.Process = n.proc
		v.Health, v.HealthReason = n.healthNow()
		v.Status = n.status
		v.Frozen = n.frozen
		v.Checks = n.checkups()
	}
	v.Budget, v.Limit = payer.budget.Clone(), payer.limit()
	if n.shown == StateWaiting {
		v.WaitingOn = t.waitingOn(n)
	}
	if n.shown == StateBackoff && n.nextFrom > 0 {
		v.NextStartAt = n.nextFrom
	}
	return v
}
