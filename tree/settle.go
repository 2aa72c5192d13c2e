package tree

import (
	"gosup/policy"
)

// settle brings the tree from what was decided to what is to be done. Each
// pass visits every node once, but for the parts of the tree in which nothing
// can have changed.
func (t *Tree) settle() {
	if t.exited {
		return
	}
	t.expire()
	t.depsNext = t.tend()
	t.fire()
	t.outlive()
	t.wake()
	t.decide()
	t.descend()
	t.ascend()
	t.sumUp()
	t.finish()
}

// fire does what is due of readiness and health. It comes before the passes,
// which act on what it decides.
func (t *Tree) fire() {
	due := t.now >= t.checksNext
	t.checksNext = policy.Never
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.undoAt != 0 {
			t.checksNext = min(t.checksNext, t.undone(n))
		}
		if n.body == alive {
			t.checksNext = min(t.checksNext, t.prepare(n), t.check(n, due))
		}
		if n.touched && i > 0 {
			t.parts[n.part].news = true
		}
	}
}

// decide hands down who must go: the passes after it read must.
func (t *Tree) decide() {
	t.starting = 0
	t.condemn(0)
	for _, p := range t.parts {
		for i := p.lo; p.awake && i < p.hi; i++ {
			t.condemn(i)
		}
	}
}

func (t *Tree) condemn(i int32) {
	n := &t.nodes[i]
	n.must = t.condemned(n)
	n.down, n.up, n.well, n.late = true, true, true, false
}

// condemned reports whether n must be down, given that of its parent.
func (t *Tree) condemned(n *node) bool {
	if n.parent < 0 {
		return t.shutdown
	}
	return n.cycle || t.nodes[n.parent].must || !n.isGroup() && (n.rest != wanted || t.suspended(n))
}

// descend goes from the last node to the first: members before their group,
// and the members of a group from the last to the first, which is the order in
// which they stop.
func (t *Tree) descend() {
	for k := len(t.parts) - 1; k >= 0; k-- {
		p := &t.parts[k]
		for i := p.hi - 1; p.awake && i > p.lo; i-- {
			n := &t.nodes[i]
			t.lower(n)
			t.nodes[n.parent].add(n)
		}
		top := &t.nodes[p.lo]
		if p.awake {
			t.lower(top)
		}
		t.nodes[0].add(top)
	}
	t.lower(&t.nodes[0])
}

// lower moves one node down, as far as it must go.
func (t *Tree) lower(n *node) {
	if n.isGroup() {
		t.finishCycle(n)
	} else {
		t.stop(n)
	}
	t.setClock(n)
}

// add sums member n up in its group p.
func (p *node) add(n *node) {
	p.down = p.down && n.down
	resting := !n.isGroup() && (n.rest != wanted || n.listens())
	p.up = p.up && (n.up || resting)
	p.well = p.well && (n.well || resting)
	p.late = p.late || n.late || (n.must || n.parting()) && !n.down
}

// setClock lets the budget's clock of n run while n is in good standing.
func (t *Tree) setClock(n *node) {
	if good := n.well && !n.failed; n.good != good {
		n.good, n.touched = good, true
		n.budget.Run(t.now, good)
	}
}

// finishCycle lets members start again that had to be down once and are. Of a
// group that restarts as one, none does before all are.
func (t *Tree) finishCycle(p *node) {
	if !p.cycling {
		return
	}
	left := false
	t.eachMember(p, func(m *node) { left = left || m.cycle && !m.down })
	if left && p.restarting {
		return
	}
	t.eachMember(p, func(m *node) {
		if !m.cycle || !m.down {
			return
		}
		m.cycle, m.touched = false, true
		switch {
		case m.isGroup():
			by := m
			if p.restarting {
				by = p
			}
			t.refresh(m, by)
		case p.restarting:
			t.renew(m, p)
		}
	})
	p.cycling = left
	if !left {
		p.restarting = false
	}
}

// renew gives a process that restarts with its group a new life.
func (t *Tree) renew(m, p *node) {
	if m.rest == failed || !p.group.Strategy.Ordered() {
		m.budget.Clear()
	}
	t.revive(m, p)
}

// ascend goes from the first node to the last: groups before their members,
// and the members of a group in the order in which they start.
func (t *Tree) ascend() {
	t.next = policy.Never
	if t.shutdown && t.urgency < AtOnce {
		t.next = t.deadline
	}
	t.next = min(t.next, t.depsNext, t.checksNext)
	t.raise(0)
	for k := range t.parts {
		p := &t.parts[k]
		if p.awake {
			next := t.next
			t.next = policy.Never
			for i := p.lo; i < p.hi; i++ {
				t.raise(i)
			}
			p.next, t.next = t.next, next
		}
		t.next = min(t.next, p.next)
	}
}

// raise moves one node up, as far as it may go.
func (t *Tree) raise(i int32) {
	n := &t.nodes[i]
	n.must = t.condemned(n)
	open, hold, block := t.permission(n)
	if n.isGroup() {
		n.open, n.block, n.hold = open, block, hold
	} else {
		t.start(n, open, max(hold, n.notBefore), block)
		t.show(n)
	}
	t.yield(n, i)
}

// sumUp shows the groups, whose states depend on their members'. Where no
// process shows anything new, no group does, unless it was touched itself.
func (t *Tree) sumUp() {
	for k := len(t.parts) - 1; k >= 0; k-- {
		p := &t.parts[k]
		for i := p.hi - 1; p.awake && i >= p.lo; i-- {
			if n := &t.nodes[i]; n.isGroup() && (t.stirred || n.touched) {
				t.show(n)
			}
		}
	}
	if root := &t.nodes[0]; t.stirred || root.touched {
		t.show(root)
	}
	t.stirred = false
	if t.breakersTouched {
		t.breakersTouched = false
		t.version++
	}
}

// permission returns whether members of n's parent may start as far as those
// above are concerned, how long they are held, and who comes before n.
func (t *Tree) permission(n *node) (open bool, hold Time, block int32) {
	if n.parent < 0 {
		return !t.shutdown, 0, 0
	}
	p := &t.nodes[n.parent]
	hold = p.hold
	if n.held {
		hold = max(hold, p.notBefore)
	}
	return p.open && p.block == 0, hold, p.block
}

// yield makes the later members of an ordered group wait for n if it should be
// up and is not. A process at rest holds up nobody.
func (t *Tree) yield(n *node, i int32) {
	if n.parent < 0 {
		return
	}
	p := &t.nodes[n.parent]
	if p.block != 0 || !p.group.Strategy.Ordered() {
		return
	}
	if n.isGroup() && !n.up || !n.isGroup() && n.rest == wanted && !n.listens() && (n.must || !n.ready || n.parting()) {
		p.block = i
	}
}

// start starts a process that should run, may and can.
func (t *Tree) start(n *node, open bool, due Time, block int32) {
	nextFrom := Time(0)
	if n.step > 0 {
		t.next = min(t.next, n.deadline)
	}
	waitFor, queued, unheard := int32(0), false, false
	if n.turnAt != 0 && (t.now >= n.turnAt || n.rest != wanted) {
		n.turnAt, n.touched = 0, true
	}
	switch {
	case n.rest != wanted, n.body == alive, n.body == spawning, n.body == preparing:
	case t.cutOff(n) != 0:
		n.turnAt = 0
	case n.turnAt != 0:
		if !n.must {
			t.next = min(t.next, n.turnAt)
		}
	case t.now < due:
		nextFrom = due
		t.next = min(t.next, due)
	case n.must:
	case !open:
		waitFor = block
	case t.missing(n) != 0:
		waitFor = t.missing(n)
	case t.unheardOf(n) != 0:
		unheard = true
	case n.body == absent && n.mute():
		t.listen(n)
	case t.settings.ParallelStarts > 0 && t.starting >= t.settings.ParallelStarts:
		queued = true
	case n.body == absent:
		t.starting++
		t.begin(n)
	}
	if n.nextFrom != nextFrom {
		n.nextFrom, n.touched = nextFrom, true
	}
	t.wait(n, waitFor, queued, unheard)
}

// wait notes whose turn comes before that of n, whether it stands in the queue
// of starts, and whether it has yet to hear of what it requires; 0 and false
// for none.
func (t *Tree) wait(n *node, block int32, queued, unheard bool) {
	if n.busySince != 0 && (block != 0 || queued || unheard || t.cutOff(n) != 0) {
		// What it waits for now is not that its file is written to the end.
		n.busySince, n.touched = 0, true
		if n.cause.Kind == CauseBusy {
			n.cause = n.cause.Before
		}
	}
	if n.waitFor != block || n.queued != queued || n.unheard != unheard {
		n.waitFor, n.queued, n.unheard, n.touched = block, queued, unheard, true
	}
}
