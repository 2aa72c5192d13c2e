package tree

import (
	"time"

	"gosup/policy"
	"gosup/spec"
)

// Past is what a new daemon knows of the one before it.
type Past struct {
	Image *Image // what that one knew; nil for nothing
	Seq   uint64 // of the last note in the history, which may be newer than the image

	// Changed are the processes whose definition is another than that of the runs
	// that the image knows of, and asks for a new one.
	Changed map[string]bool

	// Orphaned says how to stop what may still be running and is no longer
	// defined: processes of other names than those of the tree.
	Orphaned []*spec.Process
}

// Adopted reports a run of the daemon before this one that is still there. It
// is for the first Step after Restore. For each run that the image knows of and
// that is over the shell sends an Exited instead, or a Gone where descendants
// were all that was left. A run that is newer than the image is known by this
// alone.
type Adopted struct {
	Node      NodeID
	Run       uint64
	PID       int
	StartedAt Time
}

// Reborn ends what the first Step after Restore is told of the past. Hooks are
// the nodes whose hooks still run: for each a HookDone is to come.
type Reborn struct {
	How   string // "adopted after the death of the last gosup"
	Hooks []NodeID
}

func (Adopted) event() {}
func (Reborn) event()  {}

// Restore returns the tree of a definition as the daemon before this one has
// left it at now. Nodes are known again by their full names; their IDs and
// runs go on. What is no longer defined is stopped, what is defined otherwise
// restarted, as by a reload; the rest is not touched.
func Restore(s *spec.Tree, seed uint64, now Time, past Past) *Tree {
	t := New(s, seed)
	t.now = now
	if past.Image == nil {
		past.Image = &Image{}
	}
	r := restorer{t: t, past: past, images: make(map[string]*NodeImage, len(past.Image.Nodes)), checks: map[NodeID]*NodeImage{}}
	for _, m := range past.Image.Nodes {
		r.images[key(m.Group, m.Name)] = m
	}
	m := past.Image
	t.seq = max(m.Seq, past.Seq)
	if m.Random != 0 {
		t.random = m.Random
	}
	r.number()
	for i := range t.nodes {
		r.restore(&t.nodes[i])
	}
	r.keepOrphaned()
	t.reindex()
	r.breakers()
	t.link()
	for i := range t.nodes {
		r.finish(&t.nodes[i])
	}
	for i := len(t.nodes) - 1; i >= 0; i-- {
		switch n := &t.nodes[i]; {
		case n.isGroup():
			n.shown = t.groupState(n)
		case n.run > 0 && m.At != 0: // else it has its life before it
			n.shown = t.state(n)
		}
	}
	return t
}

// restorer is the state of one Restore.
type restorer struct {
	t      *Tree
	past   Past
	images map[string]*NodeImage // by key; those that no node has taken
	checks map[NodeID]*NodeImage // of runs that were ready
}

// number gives each node the ID that it had. The others get new ones.
func (r *restorer) number() {
	t := r.t
	t.lastID = max(t.lastID, r.past.Image.LastID)
	taken := make(map[NodeID]bool, len(t.nodes))
	for i := range t.nodes {
		n := &t.nodes[i]
		m := r.images[key(n.isGroup(), n.name)]
		if m == nil || m.ID == 0 || taken[m.ID] {
			t.lastID++
			n.id = t.lastID
		} else {
			n.id = m.ID
		}
		taken[n.id] = true
		t.lastID = max(t.lastID, n.id)
	}
}

// restore makes a node what its image was.
func (r *restorer) restore(n *node) {
	k := key(n.isGroup(), n.name)
	m := r.images[k]
	if m == nil {
		return
	}
	delete(r.images, k)
	n.total, n.failures, n.ends, n.orders, n.run, n.lastExit = m.Total, m.Failures, m.Ends, m.Orders, m.Run, m.LastExit
	if r.past.Image.At == 0 {
		r.decided(n, m)
		return
	}
	n.budget = m.Budget.Budget()
	n.good = m.Budget.Running
	n.cycle, n.auto, n.held, n.notBefore = m.Cycle, m.Auto, m.Held, m.NotBefore
	n.failed, n.restarting = m.Failed, m.Restarting
	if m.Cause != nil {
		n.cause = m.Cause
	}
	if n.isGroup() {
		return
	}
	n.rest = m.Rest
	r.body(n, m)
	r.checks[n.id] = m
	if m.UndoBy != nil {
		n.undoAt, n.undoBy = m.UndoAt, m.UndoBy
	}
	if r.past.Changed[n.name] {
		r.changed(n)
	}
}

// decided gives a process that has a new life the one thing that people had
// decided about it.
func (r *restorer) decided(n *node, m *NodeImage) {
	switch {
	case n.isGroup() || !m.Kept:
	case m.Rest == stopped && n.rest == wanted:
		n.rest, n.cause = stopped, m.Cause
	case m.Rest == wanted && n.rest == stopped:
		n.rest, n.cause = wanted, &Cause{Kind: CauseKept}
	}
}

// body takes over how far the run of a process was.
func (r *restorer) body(n *node, m *NodeImage) {
	n.body, n.planned, n.counted = m.Body, m.Planned, m.Counted
	n.bowing = m.Bowing
	switch m.Body {
	case leaving:
		n.step, n.deadline = max(1, m.Step), m.Deadline
	case alive:
		n.step, n.deadline = max(0, m.Step), m.Deadline
		n.ready, n.pid, n.startedAt = m.Ready, m.PID, m.StartedAt
		n.ailing, n.bowed, n.frozen, n.sickUntil, n.status = m.Ailing, m.Bowed, m.Frozen, m.SickUntil, m.Status
		n.readyAt, n.readyBy, n.probeAt = m.ReadyAt, m.ReadyBy, policy.Never
	}
}

// changed gives a process the new run that its new definition asks for. That is
// no automatic restart.
func (r *restorer) changed(n *node) {
	cause := &Cause{Kind: CauseReload, By: "a new daemon", Text: "its definition has changed"}
	n.budget.Clear()
	switch {
	case n.rest == failed || n.rest == over:
		n.rest, n.cause, n.notBefore, n.auto = wanted, cause, 0, false
	case n.rest == wanted && n.body == alive && !n.parting():
		n.cycle, n.auto, n.cause = true, false, cause
	case n.rest == wanted:
		n.notBefore, n.auto, n.cause = 0, false, cause
	}
}

// keepOrphaned appends what is no longer defined and may still run below the
// root, to be stopped.
func (r *restorer) keepOrphaned() {
	t := r.t
	for _, p := range r.past.Orphaned {
		n := node{name: p.Name, proc: p, rest: stopped, removed: true,
			cause: &Cause{Kind: CauseReload, By: "a new daemon", Text: "no longer in the file"}}
		if m := r.images[key(false, p.Name)]; m != nil {
			n.id = m.ID
			n.run, n.total, n.failures, n.ends, n.lastExit = m.Run, m.Total, m.Failures, m.Ends, m.LastExit
			r.body(&n, m)
		}
		if n.id == 0 {
			t.lastID++
			n.id = t.lastID
		}
		n.end = int32(len(t.nodes)) + 1
		t.nodes = append(t.nodes, n)
		t.removed = true
	}
	t.nodes[0].end = int32(len(t.nodes))
}

// breakers takes over the state of those that are still defined.
func (r *restorer) breakers() {
	for _, m := range r.past.Image.Breakers {
		for i := range r.t.deps {
			if s := &r.t.deps[i]; s.spec.Name == m.Name && r.past.Image.At != 0 {
				s.breaker, s.reason, s.wellAt = m.Breaker.Breaker(), m.Reason, m.WellAt
				s.shown = s.breaker.State(r.t.now)
			}
		}
	}
}

// finish makes what is derived fit what was restored.
func (r *restorer) finish(n *node) {
	t := r.t
	n.touched = true
	switch {
	case n.isGroup():
		n.cycling = false
		t.eachMember(n, func(m *node) { n.cycling = n.cycling || m.cycle })
		n.restarting = n.restarting && n.cycling
		for j := t.indexOf(n); j < n.end; j++ {
			m := &t.nodes[j]
			n.failed = n.failed && (m.isGroup() || m.rest != wanted) // or somebody is to run after all
		}
	case n.body == alive && n.ready:
		r.recall(n)
	}
}

// recall begins the checks of a run that was ready with what they had said.
// Where there are other checks now, nothing is known of them. The next probe of
// each is within its interval: a thousand do not fire together.
func (r *restorer) recall(n *node) {
	t := r.t
	t.watch(n)
	m := r.checks[n.id]
	if n.vigil == nil || m == nil || len(m.Checks) != len(n.vigil.checks) {
		return
	}
	n.vigil.since = m.UpSince
	for i := range n.vigil.checks {
		c, s, old := &n.vigil.checks[i], &n.proc.Checks[i], &m.Checks[i]
		if old.Name != s.Name || old.Health > HealthBad {
			continue
		}
		c.health, c.reason, c.lastOK, c.passed, c.acted, c.streak = old.Health, old.Reason, old.LastOK, old.Passed, old.Acted, old.Streak
		c.last = old.Reason
		if s.Heartbeat == nil && !t.hurried(n) {
			t.phase += golden
			c.grid = t.now.Add(time.Duration(float64(s.Interval) * (float64(t.phase>>11) / (1 << 53))))
			c.due = c.grid
		}
	}
	n.shownHealth, _ = n.healthNow()
}

// adopted takes over a run of the daemon before this one.
func (t *Tree) adopted(e Adopted) {
	i, ok := t.index[e.Node]
	if !ok || e.Run < t.nodes[i].run {
		return
	}
	n := &t.nodes[i]
	newer := e.Run > n.run
	known := n.body == alive && !newer
	if newer && n.rest == wanted {
		t.catchUp(n, e.Run)
	}
	n.run, n.pid, n.startedAt, n.adopted, n.touched = e.Run, e.PID, e.StartedAt, true, true
	if newer && n.rest != wanted && !n.removed {
		// It was started after the image was made, so somebody had wanted it.
		n.rest, n.cause = wanted, &Cause{Kind: CauseAdopted}
		for p := t.above(n); p != nil; p = t.above(p) {
			p.touched, p.failed = p.touched || p.failed, false
		}
	}
	if !known {
		n.body, n.step, n.ready, n.vigil, n.bowing, n.bowed = alive, 0, false, nil, false, false
		n.notBefore, n.auto, n.planned = 0, false, false
		t.awaitReady(n)
	} else if !n.ready && n.readyAt == 0 && n.proc.Readiness != nil {
		t.awaitReady(n)
	}
	t.note(Note{Type: NoteLog, Process: n.name, To: "adopted", Cause: &Cause{Kind: CauseAdopted}, PID: e.PID})
}

// catchUp counts the restarts up to a run that is newer than the image. They are
// taken for automatic ones: what people decide is saved before they are told.
func (t *Tree) catchUp(n *node, run uint64) {
	missed := run - max(n.run, 1)
	n.total += missed
	payer := t.paying(n)
	for range min(missed, maxMissed) {
		payer.budget.Grant(t.now, payer.limit())
	}
}

// maxMissed bounds how many restarts are charged that nobody has saved: a daemon
// saves many times a second.
const maxMissed = 1000

// reborn settles what nobody has reported on. A start that had been ordered is
// ordered anew, and a hook that ran is run again: it is not known to have done
// its work.
func (t *Tree) reborn(e Reborn) {
	runs := make(map[NodeID]bool, len(e.Hooks))
	for _, id := range e.Hooks {
		runs[id] = true
	}
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.isGroup() || runs[n.id] {
			continue
		}
		n.bowing = false
		switch n.body {
		case preparing, spawning:
			n.body, n.touched = absent, true
			if n.counted && n.rest == wanted {
				n.auto = true
				n.total-- // it is counted when it begins
			}
		case closing:
			n.body, n.touched = absent, true
			t.conclude(n)
		}
	}
	t.note(Note{Type: NoteDaemon, To: "reborn", Cause: &Cause{Kind: CauseProbe, Text: e.How}})
}

// Expected is a run that the image of the last daemon knows of.
type Expected struct {
	Node      NodeID
	Run       uint64
	Process   *spec.Process
	Ready     bool
	StartedAt Time
	Leaving   bool // its first process was over, and others were left
}

// Expected returns, right after Restore, the runs on which the shell has to
// report: with Adopted, or with Exited or Gone.
func (t *Tree) Expected() (list []Expected) {
	for i := range t.nodes {
		if n := &t.nodes[i]; n.body == alive || n.body == leaving {
			list = append(list, Expected{n.id, n.run, n.proc, n.ready, n.startedAt, n.body == leaving})
		}
	}
	return list
}
