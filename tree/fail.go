package tree

import (
	"time"

	"gosup/policy"
	"gosup/spec"
)

// production is what a group goes by that sets no restart of its own.
var production = spec.Restart{
	Backoff: policy.Backoff{Curve: policy.Exponential, Initial: time.Second, Max: 30 * time.Second, Multiplier: 2},
	Limit:   policy.Limit{Max: 5, Within: time.Minute},
}

// GroupRestart returns a group's own budget and delays, or the default ones.
func GroupRestart(g *spec.Group) *spec.Restart {
	if g.Restart != nil {
		return g.Restart
	}
	return &production
}

func (n *node) restart() *spec.Restart { return GroupRestart(n.group) }

// fail decides what follows from a failure of n, a process or a group, that
// calls for a restart. The failure happened at; the restart waits for least at
// the least. Whose budget pays, and who else restarts, is the parent's matter.
func (t *Tree) fail(n *node, at Time, cause *Cause, least time.Duration) {
	p := &t.nodes[n.parent]
	if !n.isGroup() && t.cutOff(n) != 0 {
		// It cannot do without what is cut off: that is no failure of its own.
		n.auto, n.touched, n.cause = true, true, cause
		return
	}
	switch {
	case p.restarting, p.group.Strategy.Ordered() && t.now < p.notBefore:
		// A second failure under one restart of the group: it joins in, and
		// costs nothing more.
		n.cause = cause
		lo, hi := t.affected(p, n)
		t.mark(p, n, lo, hi, cause)
		p.notBefore = max(p.notBefore, at.Add(least))
	case p.group.Strategy.Ordered():
		n.cause = cause
		t.restartGroup(p, n, p.restart().Backoff, at, cause, least)
	case n.isGroup():
		t.restartMember(p, n, at, cause)
	default:
		t.restartProcess(p, n, at, cause, least)
	}
}

// restartProcess restarts one process on its own budget.
func (t *Tree) restartProcess(p, n *node, at Time, cause *Cause, least time.Duration) {
	r := &n.proc.Restart
	count := n.budget.Next(t.now, r.Limit)
	if !n.budget.Grant(t.now, r.Limit) {
		n.cause = &Cause{Kind: CauseBudget, Limit: r.Limit, Before: cause}
		if r.OnExhausted == policy.Escalate && n.parent > 0 {
			t.escalate(p, n, at)
			return
		}
		n.rest = failed
		if r.OnExhausted == policy.Escalate {
			t.end(1, Cause{Kind: CauseGroup, Node: n.name, Text: "escalated past the root:", Before: n.cause})
		}
		return
	}
	n.touched = true
	t.paid(n, n)
	if p.group.Restart != nil {
		if !t.charge(p, cause, at) {
			return
		}
		t.paid(n, p)
	}
	delay := t.delay(r.Backoff, count, least)
	n.notBefore, n.auto = at.Add(delay), true
	n.cause = &Cause{Kind: CauseRestart, Count: count, Limit: r.Limit, Delay: delay, Before: cause}
}

// restartMember restarts a whole group that has failed, below a parent that
// restarts its members one for one.
func (t *Tree) restartMember(p, n *node, at Time, cause *Cause) {
	count := t.nextOf(p)
	if !t.charge(p, cause, at) {
		return
	}
	n.cycle, p.cycling = true, true
	t.eachMember(n, func(m *node) { m.held = true })
	t.explain(n, nil, &Cause{Kind: CauseGroup, Node: n.name, Text: "restarts with group", Before: cause})
	t.postpone(n, at, t.delay(n.restart().Backoff, count, 0), count, p.restart().Limit, cause)
}

// restartGroup restarts the members of p that its strategy names for a failure
// of n, on the budget of p.
func (t *Tree) restartGroup(p, n *node, b policy.Backoff, at Time, cause *Cause, least time.Duration) {
	count := t.nextOf(p)
	if !t.charge(p, cause, at) {
		return
	}
	t.paid(n, p)
	lo, hi := t.affected(p, n)
	t.mark(p, n, lo, hi, cause)
	t.postpone(p, at, t.delay(b, count, least), count, p.restart().Limit, cause)
}

// escalate reports the spent budget of process n to its group, which restarts
// all its members afresh.
func (t *Tree) escalate(p, n *node, at Time) {
	cause := n.cause
	count := t.nextOf(p)
	if !t.charge(p, cause, at) {
		return
	}
	t.paid(n, p)
	t.mark(p, n, 0, int(p.end), cause)
	t.postpone(p, at, t.delay(n.proc.Restart.Backoff, count, 0), count, p.restart().Limit, cause)
}

// nextOf returns n of the delay formula for the next restart that group p pays
// for. A run of a group is the time in which all of it is well.
func (t *Tree) nextOf(p *node) int {
	limit := p.restart().Limit
	p.budget.Ran(p.budget.Stretch(t.now), limit)
	return p.budget.Next(t.now, limit)
}

// charge takes one restart from the budget of group p and reports whether it
// had one to give; otherwise the group has failed.
func (t *Tree) charge(p *node, cause *Cause, at Time) bool {
	p.touched = true
	limit := p.restart().Limit
	p.budget.Ran(p.budget.Stretch(t.now), limit)
	if p.budget.Grant(t.now, limit) {
		return true
	}
	spent := &Cause{Kind: CauseBudget, Limit: limit, Before: cause}
	switch {
	case p.group.OnExhausted == policy.Escalate && p.parent > 0:
		t.note(Note{Type: NoteGroup, Process: p.name, To: "escalated", Cause: spent})
		p.cause = spent
		t.fail(p, at, spent, 0)
	case p.group.OnExhausted == policy.Stop:
		t.failGroup(p, spent)
	default:
		t.failGroup(p, spent)
		words := "shutdown asked by group"
		if p.group.OnExhausted == policy.Escalate {
			words = "escalated past the root: group"
		}
		t.end(1, Cause{Kind: CauseGroup, Node: p.name, Text: words, Before: spent})
	}
	return false
}

// failGroup gives up group p and all in it. Members that rest by a person's
// wish, or are over, stay so.
func (t *Tree) failGroup(p *node, cause *Cause) {
	t.note(Note{Type: NoteGroup, Process: p.name, To: StateFailed.String(), Cause: cause})
	i := t.indexOf(p)
	for j := i; j < p.end; j++ {
		n := &t.nodes[j]
		n.touched = true
		if n.isGroup() {
			n.failed, n.restarting, n.cycle, n.cycling = true, false, false, false
			n.notBefore = 0
			n.cause = cause
			continue
		}
		n.cycle, n.auto, n.notBefore = false, false, 0
		if n.rest == wanted {
			n.rest = failed
			n.cause = &Cause{Kind: CauseGroup, Node: p.name, Text: "failed with group", Before: cause}
			code := 1
			if n.body != alive && n.lastExit != nil {
				code = n.lastExit.ShellCode()
			}
			t.mourn(n, code)
		}
	}
}

// affected returns the range of the members of p that its strategy restarts
// for a failure of n.
func (t *Tree) affected(p, n *node) (lo, hi int) {
	var place, count int
	t.eachMember(p, func(m *node) {
		if m == n {
			place = count
		}
		count++
	})
	return p.group.Strategy.Affected(place, count)
}

// mark makes the members lo to hi of p go down after a failure of n, all of
// them before any starts again.
func (t *Tree) mark(p, n *node, lo, hi int, cause *Cause) {
	p.restarting, p.cycling = true, true
	why := &Cause{Kind: CauseGroup, Node: p.name, Text: "restarts with group", Before: cause}
	count := 0
	t.eachMember(p, func(m *node) {
		if lo <= count && count < hi {
			// A delay of its own is void.
			m.cycle, m.notBefore, m.held = true, 0, true
			t.explain(m, n, why)
		} else if t.now >= p.notBefore {
			m.held = false // by a restart that is over
		}
		count++
	})
}

// turnOver makes one process that is up go down once, by itself. A delay of its
// own is void until it is down.
func (t *Tree) turnOver(n *node) {
	n.cycle, n.notBefore, n.touched = true, 0, true
	t.nodes[n.parent].cycling = true
}

// explain tells the processes of m that should run why they go down; all but
// n, which knows.
func (t *Tree) explain(m, n *node, why *Cause) {
	for j := t.indexOf(m); j < m.end; j++ {
		o := &t.nodes[j]
		o.touched = true
		if o.isGroup() || o.rest != wanted {
			continue
		}
		o.auto = true
		if o != n {
			o.cause = why
		}
	}
}

// postpone puts off the next start in group p and says why.
func (t *Tree) postpone(p *node, at Time, delay time.Duration, count int, limit policy.Limit, cause *Cause) {
	p.notBefore = at.Add(delay)
	p.touched = true
	p.cause = &Cause{Kind: CauseRestart, Count: count, Limit: limit, Delay: delay, Before: cause}
	t.note(Note{Type: NoteGroup, Process: p.name, To: "restarting", Cause: p.cause})
}

// delay returns how long restart n waits, jitter and all.
func (t *Tree) delay(b policy.Backoff, n int, least time.Duration) time.Duration {
	d := b.Delay(n)
	if b.Jitter > 0 {
		d = b.Spread(d, t.draw())
	}
	return max(d, least)
}

// refresh gives a group that is to start again, and all in it, a fresh life:
// budgets are whole, what had failed is wanted again. by is the group that restarts.
func (t *Tree) refresh(p, by *node) {
	for j := t.indexOf(p); j < p.end; j++ {
		n := &t.nodes[j]
		n.budget.Clear()
		n.touched = true
		if j != t.indexOf(p) {
			n.notBefore = 0
		}
		n.cycle = false
		if n.isGroup() {
			n.failed, n.restarting, n.cycling = false, false, false
			t.setClock(n)
			if n != by {
				n.cause = &Cause{Kind: CauseGroup, Node: by.name, Text: "restarted with group", Before: by.cause}
			}
			continue
		}
		t.revive(n, by)
	}
}

// revive makes a process that goes down with group p start with it again.
func (t *Tree) revive(n, p *node) {
	if n.rest == failed {
		n.rest = wanted
		// The groups around it may have counted as up without it.
		for p := t.above(n); p != nil; p = t.above(p) {
			p.up, p.well = false, false
			t.setClock(p)
		}
	}
	if n.rest == wanted {
		n.auto, n.touched = true, true
		n.notBefore = 0
		n.cause = &Cause{Kind: CauseGroup, Node: p.name, Text: "restarted with group", Before: p.cause}
	}
}

// eachMember calls f for each direct member of group p, in order.
func (t *Tree) eachMember(p *node, f func(*node)) {
	for j := t.indexOf(p) + 1; j < p.end; j = t.nodes[j].end {
		f(&t.nodes[j])
	}
}
