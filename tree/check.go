package tree

import (
	"fmt"
)

// Check panics if the tree, between two Steps, contradicts itself. Tests and
// the simulator call it after every Step.
func (t *Tree) Check() {
	if t.exited {
		return
	}
	t.checkShape()
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.touched {
			t.broken(n, "has news that were not shown")
		}
		if n.isGroup() {
			t.checkGroup(n)
		} else {
			t.checkBody(n)
			t.checkProgress(n)
		}
	}
	if t.next < t.now {
		t.broken(&t.nodes[0], "Step was due in the past")
	}
	t.checkRest()
}

// checkRest checks that the tree is at rest: without news, at the same time, the
// passes over all of it have nothing to add.
func (t *Tree) checkRest() {
	if t.next <= t.now {
		return
	}
	version, next := t.version, t.next
	t.stir = true
	t.settle()
	// Who hurries a check may have changed in the passes, which is for the next
	// Step to see: checks may be due earlier.
	if len(t.out) > 0 || t.version != version || t.next < min(next, t.checksNext) {
		t.broken(&t.nodes[0], "it was not at rest: %#v, version %d and %d, due at %d and %d", t.out, version, t.version, next, t.next)
	}
}

func (t *Tree) broken(n *node, format string, args ...any) {
	panic(fmt.Sprintf("tree: %s: %s (at %d: %+v)", n.name, fmt.Sprintf(format, args...), t.now, *n))
}

// checkShape checks the preorder: a node's members lie behind it, one after
// the other, up to its end.
func (t *Tree) checkShape() {
	if len(t.index) != len(t.nodes) || t.nodes[0].parent != -1 || int(t.nodes[0].end) != len(t.nodes) {
		t.broken(&t.nodes[0], "%d nodes, %d in the index", len(t.nodes), len(t.index))
	}
	for i := range t.nodes {
		n := &t.nodes[i]
		if t.index[n.id] != int32(i) {
			t.broken(n, "stands at %d, the index says %d", i, t.index[n.id])
		}
		if (n.proc == nil) == (n.group == nil) || n.proc != nil && n.end != int32(i)+1 {
			t.broken(n, "is neither a process nor a group")
		}
		at := int32(i) + 1
		for ; n.isGroup() && at < n.end; at = t.nodes[at].end {
			if t.nodes[at].parent != int32(i) {
				t.broken(n, "%s lies in it and has another parent", t.nodes[at].name)
			}
		}
		if n.isGroup() && at != n.end {
			t.broken(n, "its members end at %d, it ends at %d", at, n.end)
		}
	}
}

// checkGroup checks that the marks of a group and its members agree.
func (t *Tree) checkGroup(p *node) {
	marked := false
	t.eachMember(p, func(m *node) { marked = marked || m.cycle })
	if marked != p.cycling || p.restarting && !p.cycling {
		t.broken(p, "some member marked: %v, cycling: %v, restarting: %v", marked, p.cycling, p.restarting)
	}
	if !p.failed {
		return
	}
	for j := t.indexOf(p); j < p.end; j++ {
		if n := &t.nodes[j]; !n.isGroup() && n.rest == wanted {
			t.broken(p, "has failed, and %s should run", n.name)
		}
	}
}

// checkBody checks that what is known of a run fits what exists of it.
func (t *Tree) checkBody(n *node) {
	if n.ready && n.body != alive {
		t.broken(n, "is ready and does not run")
	}
	if (n.pid != 0 || n.startedAt != 0) && n.body != alive {
		t.broken(n, "has a pid and does not run")
	}
	if len(n.early) > 0 && n.body != spawning {
		t.broken(n, "has signals for a start that is answered")
	}
	if n.step > 0 && (n.body == absent || n.body == preparing || n.body == spawning || n.body == closing) || n.body == leaving && n.step == 0 {
		t.broken(n, "rung %d of the stop ladder with body %d", n.step, n.body)
	}
	if n.shown != t.state(n) {
		t.broken(n, "is shown as %s and is %s", n.shown, t.state(n))
	}
	if n.cause == nil {
		t.broken(n, "has no cause")
	}
}

// checkProgress checks that whoever does not get where it should be waits for
// something that will come.
func (t *Tree) checkProgress(n *node) {
	if n.step > 0 && t.next > n.deadline {
		t.broken(n, "the next rung of its stop ladder is due at %d, Step only at %d", n.deadline, t.next)
	}
	must := t.doomed(n)
	if must && n.body == alive && n.step == 0 && !n.bowing && t.mayStop(n) {
		t.broken(n, "must stop, may, and is not stopped")
	}
	if n.rest != wanted || n.body != absent || must {
		return
	}
	switch {
	case n.nextFrom > t.now:
		if t.next > n.nextFrom {
			t.broken(n, "starts at %d, Step is due only at %d", n.nextFrom, t.next)
		}
	case n.turnAt > t.now:
		if t.next > n.turnAt {
			t.broken(n, "starts in turn at %d, Step is due only at %d", n.turnAt, t.next)
		}
	case t.cutOff(n) != 0:
	case n.waitFor == t.missing(n) && n.waitFor != 0:
	case n.unheard:
		if k := t.unheardOf(n); k == 0 || !t.deps[k-1].probing && t.next > t.deps[k-1].due {
			t.broken(n, "waits for a first answer that nobody is asked for")
		}
	case t.expectant(n):
		if !n.mute() {
			t.broken(n, "waits for a connection that is not needed")
		}
	case n.queued:
		if t.starting < t.settings.ParallelStarts {
			t.broken(n, "waits for its turn, and it is its turn")
		}
	case n.waitFor == 0:
		t.broken(n, "should run and waits for nothing")
	default:
		b := &t.nodes[n.waitFor]
		if b.up || n.waitFor >= t.indexOf(n) {
			t.broken(n, "waits for %s, which is up", b.name)
		}
	}
}
