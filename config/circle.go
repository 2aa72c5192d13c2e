package config

import (
	"slices"
	"strings"

	"gosup/spec"
)

// circles looks for processes that wait for themselves. They wait for what
// they depend on, and in an ordered group for the members before them:
//
//	process          -> what it depends on, the beginning of its group
//	beginning of one -> the beginning of the group around it, the member before it
//	group            -> all of its members
//
// A way back to where it began is a circle.
type circles struct {
	r      *reader
	l      *linker
	next   [][]hop // by vertex: the processes first, then two for each group
	state  []uint8 // by vertex
	stack  []int   // the vertices on the way
	taken  []hop   // taken[i] leads from stack[i] to the next
	warned map[*need]bool
}

// hop leads from one vertex to another.
type hop struct {
	to    int
	need  *need       // of depends_on; nil if there is none
	group *spec.Group // whose order it is; nil if it is none
}

// The states of a vertex.
const (
	unseen = iota
	underway
	done
)

// checkCircles refuses processes that wait for themselves.
func (r *reader) checkCircles(root *spec.Group, l *linker) {
	c := &circles{r: r, l: l, next: make([][]hop, len(l.names)), warned: map[*need]bool{}}
	for i, arcs := range l.arcs {
		for _, a := range arcs {
			c.next[i] = append(c.next[i], hop{to: a.to, need: a.need})
		}
	}
	process := 0
	c.lay(root, nil, &process)
	c.state = make([]uint8, len(c.next))
	for v := range c.next {
		if c.state[v] == unseen {
			c.visit(v)
		}
	}
}

// lay adds the hops of a group and all below it. before are those that its
// beginning has. It returns the vertex of the whole group.
func (c *circles) lay(g *spec.Group, before []hop, process *int) int {
	begin, whole := len(c.next), len(c.next)+1
	c.next = append(c.next, before, nil)
	last := -1 // the member before
	for _, m := range g.Members {
		first := []hop{{to: begin}}
		if last >= 0 && g.Strategy.Ordered() {
			first = append(first, hop{to: last, group: g})
		}
		if m.Group != nil {
			last = c.lay(m.Group, first, process)
		} else {
			last = *process
			*process++
			c.next[last] = append(c.next[last], first...)
		}
		c.next[whole] = append(c.next[whole], hop{to: last})
	}
	return whole
}

func (c *circles) visit(v int) {
	c.state[v] = underway
	c.stack = append(c.stack, v)
	for _, h := range c.next[v] {
		c.taken = append(c.taken, h)
		switch c.state[h.to] {
		case unseen:
			c.visit(h.to)
		case underway:
			c.closed(slices.Index(c.stack, h.to))
		}
		c.taken = c.taken[:len(c.taken)-1]
	}
	c.stack = c.stack[:len(c.stack)-1]
	c.state[v] = done
}

// closed reports the circle that the hops from stack[i] on make.
func (c *circles) closed(i int) {
	stack, taken := c.stack[i:], c.taken[i:]
	// It begins at the process that the tree has first.
	first := -1
	for k, v := range stack {
		if v < len(c.l.names) && (first < 0 || v < stack[first]) {
			first = k
		}
	}
	var names []string
	var why *need
	order := ""
	for k := range stack {
		v, h := stack[(first+k)%len(stack)], taken[(first+k)%len(stack)]
		if v < len(c.l.names) {
			names = append(names, c.l.names[v])
		}
		if h.need != nil && why == nil {
			why = h.need
		}
		if h.group != nil && order == "" {
			order = h.group.Strategy.String() + " group " + h.group.Name
		}
	}
	if c.warned[why] {
		return
	}
	c.warned[why] = true
	names = append(names, names[0])
	if len(names) > 12 {
		names = append(append(names[:8:8], "…"), names[len(names)-3:]...)
	}
	hint := "remove one of them"
	if order != "" {
		hint = "members of the " + order + " start one after the other: change their order, or remove one of these"
	}
	c.r.problem(why.at, "closes a circle: "+strings.Join(names, " -> "), hint)
}
