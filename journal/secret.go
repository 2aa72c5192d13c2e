package journal

import (
	"fmt"
	"slices"
	"strings"

	"gosup/spec"
)

// hider puts a number in the place of each secret: equal ones get the same.
type hider map[string]int

func (h hider) number(secret string) string {
	n, ok := h[secret]
	if !ok {
		n = len(h) + 1
		h[secret] = n
	}
	return fmt.Sprintf("#%d", n)
}

// tree returns a copy of s with its secrets hidden. It shares with s what holds
// none.
func (h hider) tree(s *spec.Tree) *spec.Tree {
	if s == nil {
		return nil
	}
	c := *s
	c.Root = *h.group(&s.Root)
	c.Dependencies = slices.Clone(s.Dependencies)
	for i := range c.Dependencies {
		c.Dependencies[i].Probe = h.probe(c.Dependencies[i].Probe)
	}
	return &c
}

func (h hider) group(g *spec.Group) *spec.Group {
	c := *g
	c.Members = slices.Clone(g.Members)
	for i, m := range c.Members {
		if m.Group != nil {
			c.Members[i].Group = h.group(m.Group)
		} else {
			c.Members[i].Process = h.process(m.Process)
		}
	}
	return &c
}

func (h hider) process(p *spec.Process) *spec.Process {
	c := *p
	c.Env = slices.Clone(p.Env)
	for i, e := range c.Env {
		key, value, _ := strings.Cut(e, "=")
		c.Env[i] = key + "=" + h.number(value)
	}
	c.Checks = slices.Clone(p.Checks)
	for i := range c.Checks {
		c.Checks[i].Probe = h.probe(c.Checks[i].Probe)
	}
	if p.Readiness != nil {
		r := *p.Readiness
		r.Probe = h.probe(r.Probe)
		c.Readiness = &r
	}
	return &c
}

func (h hider) probe(p spec.Probe) spec.Probe {
	if p.HTTP == nil || len(p.HTTP.Headers) == 0 {
		return p
	}
	c := *p.HTTP
	c.Headers = slices.Clone(c.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = h.number(c.Headers[i].Value)
	}
	p.HTTP = &c
	return p
}
