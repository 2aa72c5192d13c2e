package tree

import (
	"gosup/policy"
	"gosup/spec"
)

// Tree is the state of all processes and groups.
type Tree struct {
	nodes  []node // preorder; nodes[0] is the root
	parts  []part // the members of the root
	index  map[NodeID]int32
	lastID NodeID

	random uint64 // state of the generator that jitter draws from
	now    Time   // of the Step under way, or the last
	next   Time   // when Step is due again
	seq    uint64 // of the last note
	out    []Effect

	shutdown bool
	urgency  Urgency
	ending   Cause // why it ends; never changes once it is set
	exitCode int
	farewell int  // what a shutdown puts in the place of the first signal of a stop; 0 for none
	deadline Time // of the shutdown: what is left then is killed
	exited   bool // Exiting was sent
	settings spec.Supervisor
	starting int // processes that are starting
	version  uint64
	stirred  bool // the state of some process is new in this Step
	stir     bool // this Step concerns more than the parts with news
	removed  bool // nodes without a definition wait for their end

	deps            []supply
	depsNext        Time   // when a dependency is to be looked at again
	checksNext      Time   // when the readiness or health of a run is
	breakersTouched bool   // something that Breakers tells has changed
	checks          int    // of all processes
	phase           uint64 // of the last first probe, where they are spread
}

// New returns the tree of a definition, everything in it down. Nothing starts
// before the first Step. The seed decides what jitter draws.
func New(s *spec.Tree, seed uint64) *Tree {
	t := &Tree{random: seed, settings: s.Supervisor, index: map[NodeID]int32{}}
	t.nodes = t.lay(nil, &s.Root, -1)
	t.reindex()
	t.provide(s.Dependencies)
	t.link()
	t.version = 1
	return t
}

func (t *Tree) reindex() {
	clear(t.index)
	for i := range t.nodes {
		t.index[t.nodes[i].id] = int32(i)
	}
}

// Step tells the tree what happened up to now, in order, and appends to out
// what is to be done. It is the only way to change the tree. Time never goes
// back: a now before the last one counts as the last one.
func (t *Tree) Step(now Time, events []Event, out []Effect) []Effect {
	t.now = max(now, t.now)
	t.out = out
	for _, e := range events {
		t.record(e)
	}
	t.settle()
	out, t.out = t.out, nil
	return out
}

// Next returns when Step is due with no event, and false if nothing is
// awaited.
func (t *Tree) Next() (Time, bool) {
	return t.next, t.next != policy.Never
}

// Shutdown reports whether the daemon is on its way out.
func (t *Tree) Shutdown() bool { return t.shutdown }

func (t *Tree) record(e Event) {
	switch e := e.(type) {
	case Asked, Guarded, Shutdown, Reloaded, Reborn:
		t.stir = true
	case Probed:
		t.stir = t.stir || e.Dependency != ""
	}
	switch e := e.(type) {
	case Started:
		if n := t.runOf(e.Node, e.Run); n != nil && n.body == spawning {
			t.started(n, e.PID)
		}
	case StartFailed:
		if n := t.runOf(e.Node, e.Run); n != nil && n.body == spawning {
			t.startFailed(n, e)
		}
	case Exited:
		if n := t.runOf(e.Node, e.Run); n != nil && n.body == alive {
			t.ended(n, e)
		}
	case Moved:
		if n := t.runOf(e.Node, e.Run); n != nil && n.body == alive {
			n.pid, n.touched = e.PID, true
			t.note(Note{Type: NoteLog, Process: n.name, To: "moved", PID: e.PID,
				Cause: &Cause{Kind: CauseProbe, Text: "its first process has ended and named another"}})
		}
	case Gone:
		if n := t.runOf(e.Node, e.Run); n != nil && n.body == leaving {
			t.vanished(n)
		}
	case Asked:
		t.asked(e)
	case Probed:
		t.probeEnded(e)
	case Notified:
		if n := t.runOf(e.Node, e.Run); n != nil && (n.body == alive || n.body == spawning) {
			t.notified(n, e)
		}
	case Listened:
		t.listened(e)
	case Knocked:
		t.knocked(e)
	case Guarded:
		t.guarded(e)
	case HookDone:
		if n := t.runOf(e.Node, e.Run); n != nil {
			t.hookDone(n, e)
		}
	case Shutdown:
		t.shutDown(e)
	case Reloaded:
		t.reload(e)
	case Adopted:
		t.adopted(e)
	case Reborn:
		t.reborn(e)
	}
}

// runOf returns the node of a run, or nil if that run is over.
func (t *Tree) runOf(id NodeID, run uint64) *node {
	i, ok := t.index[id]
	if !ok || t.nodes[i].run != run {
		return nil
	}
	n := &t.nodes[i]
	if i > 0 {
		t.parts[n.part].news = true
	}
	return n
}

func (t *Tree) indexOf(n *node) int32 { return t.index[n.id] }

// probeEnded takes the result of a probe to where it belongs.
func (t *Tree) probeEnded(e Probed) {
	if e.Dependency != "" {
		t.supplied(e)
		return
	}
	n := t.runOf(e.Node, e.Run)
	switch {
	case n == nil || n.body != alive:
	case e.Check < 0:
		t.probedReady(n, e)
	default:
		t.probed(n, e)
	}
}

// draw returns 64 random bits (splitmix64, Steele et al. 2014).
func (t *Tree) draw() uint64 {
	t.random += 0x9e3779b97f4a7c15
	z := t.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (t *Tree) do(e Effect) { t.out = append(t.out, e) }
