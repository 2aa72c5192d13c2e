package tree

import (
	"fmt"

	"gosup/spec"
)

// reload replaces the definition. Nodes keep what they are by their full name;
// what is no longer defined goes to the end of the tree, below the root, until
// it is down.
func (t *Tree) reload(e Reloaded) {
	if t.shutdown {
		return
	}
	r := reloader{t: t, old: t.nodes, byName: map[string]int32{}, kept: make([]bool, len(t.nodes)),
		cause: &Cause{Kind: CauseReload, By: e.By, Text: e.Why}}
	for i := 1; i < len(r.old); i++ {
		r.byName[key(r.old[i].isGroup(), r.old[i].name)] = int32(i)
	}
	t.settings = e.Tree.Supervisor
	r.lay(&e.Tree.Root, -1)
	r.keepRemoved()
	t.nodes = r.nodes
	t.reindex()
	t.provide(e.Tree.Dependencies)
	t.link()
	for _, c := range r.rechecked {
		t.rewatch(&t.nodes[t.index[c.node]], c.old)
	}
	for _, id := range r.afresh {
		// One that was to start again may itself have been removed.
		if i, ok := t.index[id]; ok && !t.nodes[i].removed {
			t.askedToStart(&t.nodes[i], r.cause)
		}
	}
	t.stirred = true
	t.note(Note{Type: NoteReload, Cause: r.cause, By: e.By,
		Detail: fmt.Sprintf("%d new, %d changed, %d removed", r.added, r.changed, r.removed)})
}

func key(group bool, name string) string {
	if group {
		return name + "/"
	}
	return name
}

// reloader is the state of one reload.
type reloader struct {
	t      *Tree
	old    []node
	byName map[string]int32 // index in old
	kept   []bool           // by index in old
	nodes  []node
	cause  *Cause
	afresh []NodeID // failed or over, and to run again since they changed

	rechecked []recheck

	added, changed, removed int
}

// lay appends group g and all below it, like Tree.lay.
func (r *reloader) lay(g *spec.Group, parent int32) {
	i := int32(len(r.nodes))
	r.nodes = append(r.nodes, r.groupNode(g, parent))
	for _, m := range g.Members {
		if m.Group != nil {
			r.lay(m.Group, i)
			continue
		}
		r.nodes = append(r.nodes, r.processNode(m.Process, i))
		r.nodes[len(r.nodes)-1].end = int32(len(r.nodes))
	}
	r.nodes[i].end = int32(len(r.nodes))
}

// recheck is a process that may have other checks than before.
type recheck struct {
	node NodeID
	old  []spec.Check
}

func (r *reloader) groupNode(g *spec.Group, parent int32) node {
	j, ok := int32(0), parent < 0
	if !ok {
		j, ok = r.byName[key(true, g.Name)]
	}
	if !ok {
		r.t.lastID++
		return node{id: r.t.lastID, parent: parent, name: g.Name, group: g, touched: true}
	}
	r.kept[j] = true
	n := r.old[j]
	if !n.group.Same(g) {
		for k := j + 1; k < r.old[j].end; k++ {
			if m := &r.old[k]; m.rest == failed && m.cause.Kind == CauseGroup {
				r.afresh = append(r.afresh, m.id)
			}
		}
	}
	n.parent, n.group, n.removed, n.touched = parent, g, false, true
	return n
}

func (r *reloader) processNode(p *spec.Process, parent int32) node {
	j, ok := r.byName[key(false, p.Name)]
	if !ok {
		r.added++
		n := r.t.process(p, parent)
		if p.Autostart {
			n.cause = r.cause
		}
		r.revive(&n, parent)
		return n
	}
	r.kept[j] = true
	n := r.old[j]
	n.parent, n.waitFor = parent, 0
	back := n.removed
	n.removed = false
	if back || n.cause.Kind == CauseNoAutostart && p.Autostart {
		r.returned(&n, p)
	}
	if !n.proc.Equal(p) {
		r.changed++
		r.redefine(&n, p)
	}
	return n
}

// returned treats a process that is wanted after all as a new one.
func (r *reloader) returned(n *node, p *spec.Process) {
	n.touched = true
	n.budget.Clear()
	n.rest, n.cause = stopped, &Cause{Kind: CauseNoAutostart}
	if p.Autostart {
		n.rest, n.cause = wanted, r.cause
		r.revive(n, n.parent)
	}
}

// revive makes a failed group start again if a process that is new in it wants
// to run.
func (r *reloader) revive(n *node, parent int32) {
	for i := parent; n.rest == wanted && i > 0; i = r.nodes[i].parent {
		if r.nodes[i].failed {
			r.afresh = append(r.afresh, n.id)
			return
		}
	}
}

// redefine gives a process its new definition, and a new run where it needs
// one. That is no automatic restart.
func (r *reloader) redefine(n *node, p *spec.Process) {
	same, checks := n.proc.SameRun(p), n.proc.Checks
	n.proc, n.touched = p, true
	n.budget.Clear()
	switch {
	case n.rest == failed, n.rest == over && !same:
		r.afresh = append(r.afresh, n.id)
	case n.rest == wanted && n.body != absent && !n.parting() && !same:
		n.cycle, n.auto, n.cause = true, false, r.cause
		r.nodes[n.parent].cycling = true
	case n.rest == wanted && n.body == absent && !same:
		n.notBefore, n.auto, n.cause, n.ear = 0, false, r.cause, deaf
	}
	if n.ready {
		r.rechecked = append(r.rechecked, recheck{n.id, checks})
	}
	r.t.do(Changed{Node: n.id, Process: p})
}

// keepRemoved appends what is no longer defined and not down yet, each subtree
// whole, so that it stops in its own order.
func (r *reloader) keepRemoved() {
	for i := int32(1); i < int32(len(r.old)); i++ {
		if r.kept[i] {
			continue
		}
		// A removed group takes all its members with it: none has a new place.
		end := r.old[i].end
		r.removed += r.retire(i, end)
		if r.quiet(i, end) {
			r.forget(i, end)
		} else {
			r.moveBelowRoot(i, end)
		}
		i = end - 1
	}
	r.nodes[0].end = int32(len(r.nodes))
}

// retire orders the processes of old[i:end] to stop and counts those that were
// still defined.
func (r *reloader) retire(i, end int32) (count int) {
	for j := i; j < end; j++ {
		n := &r.old[j]
		// A restart that was under way must not bind what may come back.
		n.cycle, n.cycling, n.restarting, n.failed, n.notBefore, n.held = false, false, false, false, 0, false
		if n.isGroup() || n.removed {
			continue
		}
		count++
		n.rest, n.cause, n.touched = stopped, r.cause, true
		n.auto, n.busySince = false, 0
	}
	return count
}

func (r *reloader) quiet(i, end int32) bool {
	for j := i; j < end; j++ {
		if r.old[j].body != absent {
			return false
		}
	}
	return true
}

func (r *reloader) forget(i, end int32) {
	for j := i; j < end; j++ {
		if n := &r.old[j]; !n.isGroup() {
			r.t.do(Forget{Node: n.id, Name: n.name})
		}
	}
}

func (r *reloader) moveBelowRoot(i, end int32) {
	shift := int32(len(r.nodes)) - i
	for j := i; j < end; j++ {
		n := r.old[j]
		n.touched = n.touched || !n.removed || j == i && n.parent != 0
		n.removed, n.waitFor = true, 0
		n.end += shift
		n.parent += shift
		if j == i {
			n.parent = 0
		}
		r.nodes = append(r.nodes, n)
	}
	r.t.removed = true
}

// drop forgets what is no longer defined once it is down.
func (t *Tree) drop() {
	if !t.removed {
		return
	}
	first := t.firstRemoved()
	r := reloader{t: t, old: t.nodes, nodes: append([]node(nil), t.nodes[:first]...)}
	t.removed = false
	for i := first; i < int32(len(r.old)); i = r.old[i].end {
		if r.quiet(i, r.old[i].end) {
			r.forget(i, r.old[i].end)
		} else {
			r.moveBelowRoot(i, r.old[i].end)
		}
	}
	if len(r.nodes) == len(t.nodes) {
		return
	}
	r.nodes[0].end = int32(len(r.nodes))
	t.nodes = r.nodes
	t.reindex()
	t.link()
	t.version++
}

// firstRemoved returns the index of the first node that is no longer defined.
// Such nodes are the last members of the root.
func (t *Tree) firstRemoved() int32 {
	i := int32(1)
	for i < int32(len(t.nodes)) && !t.nodes[i].removed {
		i = t.nodes[i].end
	}
	return i
}
