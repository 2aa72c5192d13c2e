package tree

import (
	"strconv"

	"gosup/policy"
	"gosup/spec"
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

// fire does what is due of readiness and health. It comes before the passes,
// which act on what it decides.
func (t *Tree) fire() {
	by := t.now
	if t.now >= t.checksNext {
		by = t.now.Add(together) // one is due: a few others go with it
	}
	t.checksNext = policy.Never
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.undoAt != 0 {
			t.checksNext = min(t.checksNext, t.undone(n))
		}
		if n.body == alive {
			t.checksNext = min(t.checksNext, t.prepare(n), t.check(n, by))
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

// stop moves a process that must be down towards that, and sums it up.
func (t *Tree) stop(n *node) {
	t.cease(n)
	n.down = n.body == absent
	switch {
	case n.down || n.body == spawning:
	case n.body == preparing || n.body == closing:
		if n.must && (n.body == preparing || t.urgency == AtOnce) {
			t.cancel(n)
		}
	case n.step > 0:
		if t.now >= n.deadline {
			t.climb(n)
		}
	case n.body == alive && (n.bowed || n.must && t.mayStop(n)):
		t.climb(n)
	}
	n.up = n.ready && !n.parting() && !n.must
	n.well = n.up && n.fit()
	if n.body == preparing || n.body == spawning || n.body == alive && !n.ready && !n.parting() {
		t.starting++
	}
}

// parting reports whether the stop of a run has begun: it goes on to its end,
// even if it is not wanted any more.
func (n *node) parting() bool { return n.step > 0 || n.bowing }

// mayStop reports whether it is the turn of n to stop: in an ordered group,
// at every level, the members after it go first.
func (t *Tree) mayStop(n *node) bool {
	if t.urgency == AtOnce {
		return true
	}
	if t.needed(n) {
		return false
	}
	for n.parent >= 0 {
		p := &t.nodes[n.parent]
		if p.late && p.group.Strategy.Ordered() {
			return false
		}
		n = p
	}
	return true
}

// climb takes the next rung of the stop ladder.
func (t *Tree) climb(n *node) {
	if n.step == 0 && t.bow(n) && !n.bowed {
		return
	}
	n.touched = true
	steps := n.proc.Stop.Steps
	if t.urgency == AtOnce || n.step >= len(steps) {
		t.kill(n)
		return
	}
	s := steps[n.step]
	n.step++
	n.deadline = t.now.Add(s.Wait)
	if t.urgency == Quick {
		n.deadline = t.now
	}
	if n.step == 1 && t.farewell != 0 {
		t.do(Signal{Node: n.id, Run: n.run, Signal: t.farewell, Reach: spec.KillProcess})
		return
	}
	t.signal(n, s.Signal)
}

// kill takes the last rung, which is taken again until it has worked.
func (t *Tree) kill(n *node) {
	n.step = len(n.proc.Stop.Steps) + 1
	n.deadline = t.now.Add(killRepeat)
	t.signal(n, sigkill)
}

// sigkill has the same number everywhere.
const sigkill = 9

// sigstop and sigcont are numbers of the platform: see spec.
const (
	sigstop = spec.SIGSTOP
	sigcont = spec.SIGCONT
)

func (t *Tree) signal(n *node, signal int) {
	reach := n.proc.Stop.Kill
	if n.body == leaving && reach == spec.KillProcess {
		reach = spec.KillTree // a reload has changed it since: the process alone is no more
	}
	t.do(Signal{Node: n.id, Run: n.run, Signal: signal, Reach: reach})
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

func (t *Tree) do(e Effect) { t.out = append(t.out, e) }

// paying returns the node whose budget the restarts of process n are shown
// and counted by: its group's where that has the only one.
func (t *Tree) paying(n *node) *node {
	if n.parent >= 0 {
		if p := &t.nodes[n.parent]; p.group.Strategy.Ordered() {
			return p
		}
	}
	return n
}

func (n *node) limit() policy.Limit {
	if n.isGroup() {
		return n.restart().Limit
	}
	return n.proc.Restart.Limit
}

func (n *node) count(now Time) int { return n.budget.Count(now, n.limit()) }

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
