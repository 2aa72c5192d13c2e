package tree

import (
	"time"

	"gosup/policy"
	"gosup/spec"
)

const (
	// killRepeat is how often a SIGKILL is sent again to what does not die of
	// it, stuck in the kernel as it may be.
	killRepeat = 5 * time.Second
	// killGrace is how long a shutdown waits for what it had to kill.
	killGrace = 2 * time.Second
	// busyRetry and busyLimit pace the retries of a program whose file is
	// being written: such a start is tried again, within a second.
	busyRetry = 20 * time.Millisecond
	busyLimit = time.Second
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

// doomed reports whether n has to go down, for whatever reason: its end is
// then no failure.
func (t *Tree) doomed(n *node) bool {
	return n.rest != wanted || t.shutdown || t.cycled(n) || t.suspended(n)
}

// cycled reports whether n, or a group that it is in, must be down once before
// it may run again.
func (t *Tree) cycled(n *node) bool {
	for ; ; n = &t.nodes[n.parent] {
		if n.cycle {
			return true
		}
		if n.parent < 0 {
			return false
		}
	}
}

func (t *Tree) started(n *node, pid int) {
	n.body, n.pid, n.startedAt = alive, pid, t.now
	n.busySince = 0
	if n.cause.Kind == CauseBusy {
		n.cause = n.cause.Before
	}
	n.touched = true
	t.awaitReady(n)
}

func (t *Tree) startFailed(n *node, e StartFailed) {
	n.body = absent
	n.touched = true
	doomed := t.doomed(n)
	if e.Busy && !doomed {
		if n.busySince == 0 {
			n.busySince = t.now
		}
		if t.now.Sub(n.busySince) < busyLimit {
			n.notBefore, n.invited = t.now.Add(busyRetry), true
			if n.cause.Kind != CauseBusy {
				n.cause = &Cause{Kind: CauseBusy, Text: e.Why, Before: n.cause}
			}
			return
		}
	}
	n.busySince = 0
	n.tally(&Exit{Code: -1, At: t.now, Cause: NotStarted})
	if !doomed {
		n.failures++
		cause := &Cause{Kind: CauseStart, Text: e.Why}
		n.rest, n.cause = failed, cause
		if n.proc.Restart.Policy.Wants(false) {
			n.rest = wanted
			t.fail(n, t.now, cause, 0)
		}
		t.mourn(n, e.Code)
	}
	t.conclude(n)
	t.noteExit(n, 0)
}

func (t *Tree) ended(n *node, e Exited) {
	exit := e.Exit
	doomed := t.doomed(n) || n.parting()
	if doomed {
		exit.Cause = Stopped
	}
	if n.ailing != 0 {
		exit.Cause = n.ailing
	}
	n.tally(&exit)
	n.ready, n.startedAt, n.touched = false, 0, true
	n.planned = n.parting()
	pid := n.pid
	n.pid = 0
	n.body = absent
	n.bowing, n.bowed = false, false
	if e.Left && n.proc.Stop.Kill != spec.KillProcess {
		n.body = leaving
		t.chase(n)
	} else {
		n.step = 0
	}
	cause := &Cause{Kind: CauseExit, Node: n.name, Exit: exit}
	if !doomed {
		t.judge(n, &exit, cause)
		t.mourn(n, exit.ShellCode())
	}
	well := exit.Signal == 0 && n.proc.Restart.Success(exit.Code) && (n.rest == over || n.rest == wanted && !n.auto && n.idles(&exit))
	if n.ailing != 0 || !doomed && !well {
		t.crashed(n, pid)
	}
	t.ceaseHealth(n, exit.At)
	if n.rest == wanted && !t.shutdown {
		t.drag(n)
	}
	t.conclude(n)
	t.noteExit(n, pid)
}

// tally takes note of how a run has ended, or has not begun.
func (n *node) tally(exit *Exit) {
	n.lastExit = exit
	n.ends.By[exit.Cause]++
	if exit.OOM {
		n.ends.OOM++
	}
}

// crashed hands the end of a run to the flight recorder.
func (t *Tree) crashed(n *node, pid int) {
	health, _ := n.healthNow()
	t.do(Crashed{Node: n.id, Crash: Crash{Process: n.name, Run: n.run, PID: pid, Exit: *n.lastExit,
		Reason: n.cause.String(), Health: health, Checks: n.checkups()}})
}

// chase goes after what a run has left behind: with the signal of the stop
// under way, which its descendants may not have had, or with SIGKILL. Where a
// shutdown hands on a signal that was meant for one process, that was the only
// one to have time for it.
func (t *Tree) chase(n *node) {
	if steps := n.proc.Stop.Steps; n.step > 0 && n.step <= len(steps) && t.farewell == 0 {
		t.signal(n, steps[n.step-1].Signal)
		return
	}
	t.kill(n)
}

func (t *Tree) vanished(n *node) {
	n.body, n.step, n.touched = absent, 0, true
	t.conclude(n)
	n.planned = n.planned && n.body == closing
}

// judge decides what follows from an end that nobody ordered.
func (t *Tree) judge(n *node, exit *Exit, cause *Cause) {
	r := &n.proc.Restart
	success := exit.Signal == 0 && r.Success(exit.Code)
	n.budget.Ran(exit.Ran, r.Limit)
	if success && n.proc.Type == spec.Oneshot {
		n.rest, n.cause = over, cause
		return
	}
	if !success {
		n.failures++
	}
	rule := ruleFor(r.OnExit, exit)
	wants := r.Policy.Wants(success)
	switch {
	case n.idles(exit) && r.Policy != policy.Not && !rule.Never:
		n.cause = cause // it listens again
	case rule.Never && !success:
		n.rest, n.cause = failed, &Cause{Kind: CauseOnExit, Before: cause}
	case wants && !rule.Never:
		t.fail(n, exit.At, cause, rule.Delay)
	case n.proc.Type == spec.Oneshot:
		n.rest, n.cause = failed, &Cause{Kind: CausePolicy, Before: cause}
	default:
		n.rest, n.cause = over, cause
	}
}

// mourn ends the daemon with code if n is essential and has ended for good.
func (t *Tree) mourn(n *node, code int) {
	if n.proc.Essential && (n.rest == over || n.rest == failed) {
		t.end(code, Cause{Kind: CauseEssential, Node: n.name, Before: n.cause})
	}
}

// ruleFor returns what on_exit says of an end; the zero rule says nothing.
// Out of memory comes before the signal that it was done with.
func ruleFor(rules []spec.ExitRule, exit *Exit) (found spec.ExitRule) {
	for _, r := range rules {
		if exit.OOM && r.Class == "oom" {
			return r
		}
		if exit.Matches(r.Class) {
			found = r
		}
	}
	return found
}

// shutDown begins the end of the daemon, or hurries it.
func (t *Tree) shutDown(e Shutdown) {
	if !t.shutdown {
		t.farewell = e.Signal
		t.end(0, Cause{Kind: CauseShutdown, By: e.By, Text: e.Why})
	}
	t.hurry(e.Urgency)
}

// end begins an orderly shutdown after which the daemon ends with code.
func (t *Tree) end(code int, cause Cause) {
	if t.shutdown {
		return
	}
	t.shutdown, t.exitCode, t.ending = true, code, cause
	t.deadline = t.now.Add(t.settings.ShutdownTimeout)
	t.note(Note{Type: NoteDaemon, To: "stopping", Cause: &t.ending, By: cause.By})
	t.version++
}

// hurry raises the urgency of the shutdown under way. Stops that have begun
// are due for their next rung at once.
func (t *Tree) hurry(u Urgency) {
	if u <= t.urgency {
		return
	}
	t.urgency = u
	if u == AtOnce {
		t.deadline = min(t.deadline, t.now)
	}
	for i := range t.nodes {
		if n := &t.nodes[i]; n.step > 0 && n.step <= len(n.proc.Stop.Steps) {
			n.deadline = t.now
		}
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
