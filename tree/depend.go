package tree

import (
	"gosup/policy"
	"gosup/spec"
)

// edge is one depends_on, seen from either end.
type edge struct {
	node      int32 // the other end
	condition spec.Condition
	restart   bool
}

// link resolves the names in depends_on and requires to places in the tree.
// What names nothing is left out: the configuration was checked.
func (t *Tree) link() {
	byName := make(map[string]int32, len(t.nodes))
	t.checks = 0
	for i := range t.nodes {
		n := &t.nodes[i]
		n.depends, n.dependents, n.requires = nil, nil, nil
		if !n.isGroup() && !n.removed {
			byName[n.name] = int32(i)
			t.checks += len(n.proc.Checks)
		}
	}
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.isGroup() {
			continue
		}
		for _, d := range n.proc.DependsOn {
			if j, ok := byName[d.Name]; ok {
				n.depends = append(n.depends, edge{j, d.Condition, d.Restart})
				t.nodes[j].dependents = append(t.nodes[j].dependents, edge{int32(i), d.Condition, d.Restart})
			}
		}
		for _, name := range n.proc.Requires {
			for k := range t.deps {
				if t.deps[k].spec.Name == name {
					n.requires = append(n.requires, int32(k))
				}
			}
		}
	}
	t.divide()
}

// satisfied reports whether a process has reached a condition.
func (n *node) satisfied(c spec.Condition) bool {
	done := n.rest == over && n.lastExit != nil && n.lastExit.Signal == 0 && n.proc.Restart.Success(n.lastExit.Code)
	up := n.body == alive && !n.parting()
	if n.listens() && (c == spec.Started || c == spec.Ready) {
		return true // who connects has it started: waiting for more would be waiting for oneself
	}
	switch c {
	case spec.Completed:
		return done
	case spec.Started:
		return up || done
	case spec.Healthy:
		h, _ := n.healthNow()
		return up && n.ready && (h == Healthy || h == Degraded)
	default:
		return up && n.ready || done && n.proc.Type == spec.Oneshot
	}
}

// missing returns the first process that n depends on and that is not as far
// as n needs it; 0 for none.
func (t *Tree) missing(n *node) int32 {
	for _, d := range n.depends {
		if !t.nodes[d.node].satisfied(d.condition) {
			return d.node
		}
	}
	return 0
}

// needed reports whether something that must stop before n has not: a
// dependent that has to go as well.
func (t *Tree) needed(n *node) bool {
	for _, d := range n.dependents {
		if m := &t.nodes[d.node]; m.must && m.body != absent {
			return true
		}
	}
	return false
}

// drag takes those along that are to be restarted with n, which is about to
// have a new run.
func (t *Tree) drag(n *node) {
	for _, d := range n.dependents {
		m := &t.nodes[d.node]
		if !d.restart || m.cycle || m.rest != wanted || m.body == absent || m.parting() {
			continue
		}
		t.turnOver(m)
		m.cause = &Cause{Kind: CauseDependency, Node: n.name, Before: n.cause}
		t.drag(m)
	}
}

// waitCause says which process comes before n, and how far that is.
func (t *Tree) waitCause(n *node) *Cause {
	m := &t.nodes[n.waitFor]
	for _, d := range n.depends {
		if d.node == n.waitFor {
			return &Cause{Kind: CauseDepends, Node: m.name, Text: t.distance(m, d.condition)}
		}
	}
	return &Cause{Kind: CauseOrder, Node: m.name}
}

// distance says what m is, where it should be c.
func (t *Tree) distance(m *node, c spec.Condition) string {
	words := map[spec.Condition]string{spec.Ready: " to be ready", spec.Started: " to start",
		spec.Healthy: " to be healthy", spec.Completed: " to complete"}[c]
	words += ": it is " + m.shown.String()
	if m.shown == StateRunning {
		h, _ := m.healthNow()
		return words + ", its health " + h.String()
	}
	usual := m.shown == StateStarting && m.cause.Kind == CauseAutostart
	if why := t.why(m).String(); why != "" && m.shown != StateWaiting && !usual {
		words += " (" + why + ")"
	}
	return words
}

// waitingOn returns the names of all that a waiting process waits for.
func (t *Tree) waitingOn(n *node) []string {
	var names []string
	for _, k := range n.requires {
		if t.deps[k].shown != policy.Closed || n.unheard && t.deps[k].unheard() {
			names = append(names, t.deps[k].spec.Name)
		}
	}
	for _, d := range n.depends {
		if m := &t.nodes[d.node]; !m.satisfied(d.condition) {
			names = append(names, m.name)
		}
	}
	if len(names) == 0 && n.waitFor != 0 {
		names = append(names, t.nodes[n.waitFor].name)
	}
	if t.expectant(n) {
		for _, s := range n.proc.Sockets {
			names = append(names, s.String())
		}
	}
	return names
}
