package control

import (
	"net/http"
	"path"

	"gosup/policy"
	"gosup/tree"
)

// Description is everything that is known of one process or group.
type Description struct {
	Node
	Definition []Setting `json:"definition"` // in the order of the file's reference
	Checks     []Check   `json:"checks"`     // of the current run
	Doing      string    `json:"doing"`      // what the process says it is doing
	Members    []string  `json:"members"`    // of a group, direct ones
	Why        Why       `json:"why"`
	Events     []Event   `json:"events"` // the latest, oldest first

	Descriptors []Descriptor `json:"descriptors"` // that its next run is handed from 3 on, in that order
}

// Descriptor is one that a process is handed at its start: a socket that gosup
// has opened for it, or what it has given to gosup to keep.
type Descriptor struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`    // socket, pipe, file, folder, device, anonymous
	Address string `json:"address"` // of a socket that gosup has opened; "" otherwise
	Stored  bool   `json:"stored"`  // the process has given it to gosup
}

// Setting is one key of a definition. Values of env and of headers are never
// told.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// describedEvents is how many events a description has.
const describedEvents = 10

// describe answers with everything about one process or group.
func (s *Server) describe(w http.ResponseWriter, r *http.Request) error {
	snap := s.sup.Snapshot()
	n, err := one(snap, r.PathValue("name"))
	if err != nil {
		return err
	}
	c := s.withUsage()
	notes, _ := s.sup.Events(0)
	e := explainer{clock: c, snap: snap, notes: notes, seen: map[string]bool{}}
	d := Description{
		Node: c.node(n), Definition: []Setting{}, Checks: c.checks(n.Checks), Doing: n.Status,
		Members: []string{}, Events: []Event{}, Descriptors: []Descriptor{},
	}
	if n.IsGroup {
		d.Definition = groupSettings(n)
		d.Why = e.group(n)
		for _, m := range snap.Nodes {
			if m.Group == n.Name {
				d.Members = append(d.Members, m.Name)
			}
		}
	} else {
		for _, f := range n.Process.Fields() {
			d.Definition = append(d.Definition, Setting{f.Key, f.Value})
		}
		for _, f := range s.sup.Descriptors(n.Process) {
			d.Descriptors = append(d.Descriptors, Descriptor(f))
		}
		d.Why = e.process(n)
		d.Why.Output = s.lastLines(r.Context(), n)
	}
	q := eventQuery{names: []string{n.Name}, last: describedEvents}
	for _, note := range q.first(notes) {
		d.Events = append(d.Events, c.event(&note))
	}
	return s.answer(w, d)
}

// groupSettings returns what a snapshot tells of a group's definition.
func groupSettings(n *tree.Node) []Setting {
	list := []Setting{{"strategy", n.Strategy.String()}}
	if n.HasBudget {
		limit := "unlimited"
		if n.Limit.Max != policy.Unlimited {
			limit = plural(n.Limit.Max, "restart") + " within " + tree.Seconds(n.Limit.Within)
		}
		list = append(list, Setting{"restart", limit})
	}
	return list
}

// one returns the group of a name, or the one process that it means.
func one(snap *tree.Snapshot, name string) (*tree.Node, error) {
	for _, n := range snap.Nodes {
		if n.Name == name {
			return n, nil
		}
	}
	nodes, err := choose(snap, []string{name})
	if err != nil {
		return nil, err
	}
	for _, n := range snap.Nodes {
		if n.IsGroup && path.Base(n.Name) == name { // the only one: else choose would have complained
			return n, nil
		}
	}
	if len(nodes) == 1 {
		return nodes[0], nil
	}
	return nil, problemf(CodeBadRequest, "name one of them", "%s means %d processes", name, len(nodes))
}
