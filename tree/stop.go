package tree

import (
	"time"

	"gosup/spec"
)

// killRepeat is how often a SIGKILL is sent again to what does not die of it,
// stuck in the kernel as it may be.
const killRepeat = 5 * time.Second

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

func (t *Tree) signal(n *node, signal int) {
	reach := n.proc.Stop.Kill
	if n.body == leaving && reach == spec.KillProcess {
		reach = spec.KillTree // a reload has changed it since: the process alone is no more
	}
	t.do(Signal{Node: n.id, Run: n.run, Signal: signal, Reach: reach})
}

// sigkill has the same number everywhere.
const sigkill = 9

// sigstop and sigcont are numbers of the platform: see spec.
const (
	sigstop = spec.SIGSTOP
	sigcont = spec.SIGCONT
)

// doomed reports whether n has to go down, for whatever reason: its end is
// then no failure.
func (t *Tree) doomed(n *node) bool {
	return n.rest != wanted || t.shutdown || t.cycled(n) || t.suspended(n)
}

// cycled reports whether n, or a group that it is in, must be down once before
// it may run again.
func (t *Tree) cycled(n *node) bool {
	for ; ; n = &t.nodes[n.parent] {
		if n.cycle {
			return true
		}
		if n.parent < 0 {
			return false
		}
	}
}
