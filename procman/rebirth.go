package procman

import (
	"fmt"

	"gosup/spec"
	"gosup/tree"
)

// rebirth brings together what the last daemon knew and what lives, and says
// what a new daemon does about it.
type rebirth struct {
	past     *Past
	clock    clock
	id       string // of the supervisor
	expected map[tree.NodeID]tree.Expected
	told     map[runKey]bool // ends that the last daemon has seen and not acted on
	carried  map[runTag]bool // hooks of its that go on

	tree    *tree.Tree
	events  []tree.Event  // for the first Step
	resumed []resumption  // output and ears for runs
	ended   []tree.Event  // of runs that are over, told once their output is drained
	adopt   []adoption    // for the hand
	strays  []relative    // to be killed
	hooks   []tree.NodeID // whose hooks still run
}

// resumption gives a run of the daemon before this one what a run has beside
// its process.
type resumption struct {
	start tree.Start
	pid   int
	ready bool
	found *found // nil for a run that is over
}

// reborn decides what becomes of lives, under the definition s. seq is the number
// of the last note that is kept.
func (p *Past) reborn(s *spec.Tree, seed uint64, c clock, id string, lives []*found, seq uint64) *rebirth {
	past := p.image(s, c)
	past.Seq = seq
	newest := newestRuns(lives)
	past.Orphaned = p.orphaned(s, lives)
	r := &rebirth{past: p, clock: c, id: id, tree: tree.Restore(s, seed, c.now(), past),
		expected: map[tree.NodeID]tree.Expected{}, told: map[runKey]bool{}, carried: map[runTag]bool{}}
	nodes := map[string]*tree.Node{}
	for _, n := range r.tree.View(nil) {
		if !n.IsGroup {
			nodes[n.Name] = n
		}
	}
	r.noteHandoff(nodes)
	expected := r.tree.Expected()
	for _, e := range expected {
		r.expected[e.Node] = e
	}
	for _, f := range lives {
		n := nodes[f.name]
		switch {
		case r.carried[runTag{name: f.name, run: f.run, task: f.task}]:
		case f.task != "", n == nil, newest[f.name] != f, f.run < n.Run, !r.take(f, n):
			r.strays = append(r.strays, f.all()...)
		}
	}
	for _, e := range expected {
		if _, missing := r.expected[e.Node]; missing {
			r.miss(e)
		}
	}
	if how := r.how(); how != "" {
		r.events = append(r.events, tree.Reborn{How: how, Hooks: r.hooks})
	}
	if p.handoff != nil {
		r.events = append(r.events, p.handoff.Events...)
	}
	return r
}

// newestRuns returns the latest run of each process. lives is in the order of
// runs.
func newestRuns(lives []*found) map[string]*found {
	newest := map[string]*found{}
	for _, f := range lives {
		if f.task == "" {
			newest[f.name] = f
		}
	}
	return newest
}

// orphaned returns how to stop what lives and is no longer defined.
func (p *Past) orphaned(s *spec.Tree, lives []*found) (list []*spec.Process) {
	seen := map[string]bool{}
	for _, proc := range s.Processes() {
		seen[proc.Name] = true
	}
	for _, f := range lives {
		if f.task == "" && !seen[f.name] {
			seen[f.name] = true
			list = append(list, p.definition(f.name))
		}
	}
	return list
}

// noteHandoff takes note of what a daemon that was replaced has handed on.
func (r *rebirth) noteHandoff(nodes map[string]*tree.Node) {
	h := r.past.handoff
	if h == nil {
		return
	}
	for _, e := range h.Events {
		switch e := e.(type) {
		case tree.Exited:
			r.told[runKey{e.Node, e.Run}] = true
		case tree.Gone:
			r.told[runKey{e.Node, e.Run}] = true
		}
	}
	names := map[tree.NodeID]string{}
	for name, n := range nodes {
		names[n.ID] = name
	}
	for _, hook := range h.Hooks {
		r.hooks = append(r.hooks, hook.Node)
		if hook.Ended == nil {
			r.carried[runTag{name: names[hook.Node], run: hook.Run, task: hook.Moment.String()}] = true
		}
	}
}

// take has a run adopted. It reports whether there was anything to adopt.
func (r *rebirth) take(f *found, n *tree.Node) bool {
	k := runKey{n.ID, f.run}
	e, known := r.expected[n.ID]
	known = known && e.Run == f.run
	if f.pid == 0 && !known {
		return false
	}
	delete(r.expected, n.ID)
	if f.startedAt == 0 {
		f.startedAt = r.clock.now()
	}
	switch over := f.pid == 0; {
	case over && e.Leaving && len(f.others) == 0:
		r.ended = append(r.ended, tree.Gone{Node: e.Node, Run: e.Run})
	case over && !e.Leaving && f.ended:
		r.end(e, f)
	case !over && !(known && r.past.handoff != nil): // else the tree knows it as it is
		r.events = append(r.events, tree.Adopted{Node: n.ID, Run: f.run, PID: f.pid, StartedAt: f.startedAt})
	}
	if f.pid != 0 || len(f.others) > 0 {
		r.adopt = append(r.adopt, adoption{
			runKey: k, tag: runTag{supervisor: r.id, name: f.name, run: f.run}.String(),
			pid: f.pid, start: f.start, others: f.others, reach: n.Process.Stop.Kill, started: f.startedAt,
			over: f.pid == 0 && (e.Leaving || f.ended || r.told[k]),
		})
	}
	r.resumed = append(r.resumed, resumption{
		start: tree.Start{Node: n.ID, Run: f.run, Process: n.Process, Restarts: n.Restarts(r.clock.now())},
		pid:   f.pid, ready: known && e.Ready, found: f})
	return true
}

// miss tells of a run of which nothing is there any more.
func (r *rebirth) miss(e tree.Expected) {
	r.resumed = append(r.resumed, resumption{start: tree.Start{Node: e.Node, Run: e.Run, Process: e.Process}, ready: true})
	switch {
	case r.told[runKey{e.Node, e.Run}]:
	case e.Leaving:
		r.ended = append(r.ended, tree.Gone{Node: e.Node, Run: e.Run})
	default:
		r.end(e, &found{})
	}
}

// end tells of the end of the first process of a run, as far as it is known.
func (r *rebirth) end(e tree.Expected, f *found) {
	at := r.clock.now()
	exit := tree.Exit{Code: -1, At: at, Ran: at.Sub(e.StartedAt), Cause: tree.Ended, Unseen: f.status == nil}
	if f.status != nil {
		readStatus(&exit, *f.status)
	}
	r.ended = append(r.ended, tree.Exited{Node: e.Node, Run: e.Run, Exit: exit, Left: len(f.others) > 0})
}

// how says how the new daemon began, for the history; "" for an ordinary start.
func (r *rebirth) how() string {
	switch {
	case r.past.began != "":
		return r.past.began
	case !r.past.alive():
		return ""
	}
	return fmt.Sprintf("the gosup before this one died: runs adopted: %d, ended meanwhile: %d", len(r.adopt), len(r.ended))
}

// records returns the records of the runs that are adopted.
func (r *rebirth) records() (list []runRecord) {
	for _, s := range r.resumed {
		if f := s.found; f != nil {
			list = append(list, runRecord{Name: f.name, Node: s.start.Node, Run: f.run, PID: f.pid, Start: f.start, Inode: f.inode,
				Boot: r.past.boot, StartedAt: f.startedAt})
		}
	}
	return list
}
