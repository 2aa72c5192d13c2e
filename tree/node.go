package tree

import (
	"time"

	"gosup/policy"
	"gosup/spec"
)

// rest is what was decided about a process that does not run, or should not.
type rest uint8

const (
	wanted  rest = iota // it should run
	stopped             // a person said so, or it was never asked to run
	over                // its policy asks for no more
	failed              // permanently stopped
)

// body is what exists of a process.
type body uint8

const (
	absent    body = iota
	preparing      // the hook before the start runs
	spawning       // a Start is out
	alive
	leaving // the first process has ended, descendants have not
	closing // nothing of it is left, the hook after the end runs
)

// node is a process or a group.
type node struct {
	// What every pass looks at lies together: with a thousand nodes, memory is
	// what a step costs.
	parent     int32 // index; -1 for the root
	end        int32 // one past the last descendant
	part       int32 // its place in Tree.parts; the root has none
	block      int32 // ordered group: the first member that is not up; 0 for none
	waitFor    int32 // process: the node whose turn comes first; 0 for none
	removed    bool  // no longer defined: it goes when it is down
	rest       rest
	cycle      bool // must be down once before it may run again
	auto       bool // its next start is an automatic restart
	held       bool // the delay of the group's last restart concerns it
	body       body
	bowing     bool // the hook before the stop was begun
	planned    bool // the end of this run was ordered
	ready      bool
	probing    bool
	failed     bool
	restarting bool // all marked members go down before any starts again
	cycling    bool // some member is marked
	must       bool // must be down
	down       bool // nothing of it exists
	up         bool // all in it that should run is ready
	well       bool // up, and its checks are content
	good       bool // its budget's clock runs
	late       bool // group: a later member must go down and is not
	open       bool // group: members may start, as far as those above say
	queued     bool // process: as many as may are starting
	unheard    bool // process: what it requires has not answered its first probe
	shown      State
	touched    bool          // something that View tells has changed
	ailing     Ending        // why the run is being replaced; 0 if it is not
	leaves     bool          // it says that it is ending
	group      *spec.Group   // of a group
	proc       *spec.Process // of a process
	vigil      *vigil        // nil until it is ready, and without checks
	requires   []int32       // places in Tree.deps
	notBefore  Time          // of the next start; for a group, of the members that are held
	deadline   Time          // of the rung
	hold       Time          // group: no start in it before, as far as those above say
	nextFrom   Time          // process: the start it is waiting for; 0 for none
	step       int           // rungs of the stop ladder climbed; past the last one is SIGKILL
	readyAt    Time          // by its delay; 0 for none
	readyBy    Time          // else it has failed to start
	undoAt     Time          // 0 for never
	turnAt     Time          // when it may start after a breaker has closed; 0 once it may
	busySince  Time          // since when starts find the program's file busy

	id   NodeID
	name string

	// What was decided.
	cause    *Cause
	budget   policy.Budget
	total    uint64
	failures uint64
	ends     Ends
	orders   uint64

	// The run.
	counted   bool // it began as an automatic restart
	adopted   bool // the daemon before this one has started it
	bowed     bool // it is done
	cancelled bool // the hook that runs was killed
	run       uint64
	early     []int // signals asked for while its Start is out
	pid       int
	startedAt Time
	lastExit  *Exit

	// Health and readiness of the run.
	shownHealth Health
	status      string // what it says it is doing
	reloads     bool   // it says that it does
	plannedAt   Time   // when it last said such a thing
	requests    uint64 // totals that came with heartbeats
	errors      uint64
	spoken      bool   // it has said that it is ready before it was known to have started
	notReady    string // what its last readiness probe said
	probeAt     Time   // of its next readiness probe
	probeGap    time.Duration

	// What a person has put on it for a time.
	frozen    bool
	sickUntil Time // its checks fail until then; 0 for no
	undoBy    *Asked

	// What may come before a start.
	ear     ear
	invited bool   // a person has asked for its next start: it waits for no connection
	call    uint64 // of the last Listen

	// What it depends on. Places in the tree: see link.
	depends    []edge
	dependents []edge
	payments   []payment // what its restarts have cost lately
	turnOf     string    // the dependency that it was

	view  *Node      // nil if it is to be made anew
	image *NodeImage // the same
}

func (n *node) isGroup() bool { return n.group != nil }

// lay appends group g and all below it in preorder.
func (t *Tree) lay(nodes []node, g *spec.Group, parent int32) []node {
	i := int32(len(nodes))
	t.lastID++
	nodes = append(nodes, node{id: t.lastID, parent: parent, name: g.Name, group: g, touched: true})
	for _, m := range g.Members {
		if m.Group != nil {
			nodes = t.lay(nodes, m.Group, i)
			continue
		}
		nodes = append(nodes, t.process(m.Process, i))
		nodes[len(nodes)-1].end = int32(len(nodes))
	}
	nodes[i].end = int32(len(nodes))
	return nodes
}

// process returns a new node for a process that has never run.
func (t *Tree) process(p *spec.Process, parent int32) node {
	t.lastID++
	n := node{id: t.lastID, parent: parent, name: p.Name, proc: p, touched: true}
	if p.Autostart {
		n.cause = &Cause{Kind: CauseAutostart}
	} else {
		n.rest = stopped
		n.cause = &Cause{Kind: CauseNoAutostart}
	}
	n.shown = StateStopped
	return n
}

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
