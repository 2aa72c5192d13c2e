package sim

import (
	"fmt"
	"time"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// Time is a point on the world's clock.
type Time = policy.Time

// Life is what a world does with one run of a process.
type Life struct {
	Spawn time.Duration // from Start to Started or StartFailed
	Fails string        // not empty: it cannot be started, and why
	Busy  bool          // its program's file is being written; with Fails

	Runs  time.Duration // from Started to its end; Forever for no end of its own
	Exit  tree.Exit     // how it ends then; Code, Signal, Name, Core and OOM count
	Obeys time.Duration // from a signal that asks it to end to its end; Forever: ignores all but SIGKILL
	Code  int           // its exit code when it obeys; -1: the signal kills it
	Dies  time.Duration // from SIGKILL to its end; Forever: stuck in the kernel

	Knock   time.Duration // from when its sockets are open to somebody who connects; Forever for nobody
	Taken   string        // not empty: its sockets cannot be opened, and why
	Ready   time.Duration // from its begin to its readiness, where that is asked for; Forever for never
	Well    time.Duration // from its begin to its first failing check; Forever for never
	Latency time.Duration // of its answers to probes

	Hook      time.Duration // how long each hook takes; Forever for as long as it may
	HookFails bool

	Leaves    bool          // descendants stay behind when it ends
	Remaining time.Duration // how long they stay if nobody kills them; Forever for good
}

// Forever is longer than every simulation.
const Forever time.Duration = -1

// Steady is a life without an end of its own, which obeys at once.
var Steady = Life{Runs: Forever, Code: -1, Well: Forever}

// World drives a tree. Set the exported functions before the first step.
type World struct {
	// Live is asked for the life of each run. nil: all are Steady.
	Live func(p *spec.Process, run uint64) Life
	// Answer says what a probe finds and how long that takes; the fields that
	// name the probe are filled in. nil: what the lives and Supply say.
	Answer func(tree.Probe) (tree.Probed, time.Duration)
	// Mute lets runs say nothing of themselves; what is fed in their name reaches
	// the tree, even if they could not have said it.
	Mute bool
	// Supply says whether an external dependency answers. nil: it does.
	Supply func(name string) bool
	// Saw is told of every effect. It may call Post.
	Saw func(tree.Effect)
	// Fed is told of every Step and its events, before it is taken.
	Fed func(at Time, events []tree.Event)
	// More says whether the next of several events of one moment goes into the
	// same Step as those before it. nil: it does.
	More func() bool
	// Unchecked leaves out the checks that read the whole tree.
	Unchecked bool

	tree    *tree.Tree
	now     Time
	pending queue
	runs    []run // by NodeID
	pids    int
	exiting *tree.Exiting
	hooks   []tree.HookDone // of the hooks that run
	flying  map[tree.Probed]int

	events  []tree.Event
	effects []tree.Effect
	view    []*tree.Node
	checks  checks
	steps   uint64
	reloads int
	stuck   int // Steps in a row in which no time passed
}

// run is the world's knowledge of the last run of a process.
type run struct {
	number uint64
	stage  stage
	proc   *spec.Process
	life   Life
	began  Time
	doom   Time // when it ends, as things stand; policy.Never for no end in sight
	exit   tree.Exit
	ended  uint64 // the Step that was told of the end

	call     uint64 // of the last Listen
	hooked   bool   // it began with a hook, which knows its life
	stopping bool   // it has had the first signal of a stop
	early    bool   // somebody may have signalled it before it had started
}

type stage uint8

const (
	none     stage = iota
	spawning       // Start is not answered yet
	alive
	left // the first process has ended, descendants have not
)

// NewWorld returns a world for a definition. Its clock begins at start.
func NewWorld(s *spec.Tree, seed uint64, start Time) *World {
	return &World{tree: tree.New(s, seed), now: start}
}

// Tree returns the tree. Only to be asked, never to be stepped.
func (w *World) Tree() *tree.Tree { return w.tree }

// Now returns the world's time.
func (w *World) Now() Time { return w.now }

// Steps returns how many Steps the tree has taken.
func (w *World) Steps() uint64 { return w.steps }

// Exiting returns the tree's last word, or nil while it goes on.
func (w *World) Exiting() *tree.Exiting { return w.exiting }

// Post makes an event happen at a time, or now if that is past.
func (w *World) Post(at Time, e tree.Event) {
	w.pending.push(max(at, w.now), e)
}

// View returns what the tree shows of each node. It is valid until the next
// Step.
func (w *World) View() []*tree.Node {
	w.view = w.tree.View(w.view[:0])
	return w.view
}

// Node returns what the tree shows of the process or group of that name, or nil.
func (w *World) Node(name string) *tree.Node {
	for _, n := range w.View() {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// RunTo lets the world go on up to and including a time.
func (w *World) RunTo(end Time) {
	for w.Advance(end) {
	}
	w.now = max(w.now, end)
}

// Pause lets time pass in which nobody steps the tree, as when the machine
// sleeps. It is for worlds in which nothing else happens meanwhile.
func (w *World) Pause(d time.Duration) { w.now = w.now.Add(d) }

// Advance takes the next Step if it is due by end, and reports whether it
// was. The first Step is due at once.
func (w *World) Advance(end Time) bool {
	at, due := w.due()
	if !due || at > end {
		return false
	}
	w.step(at)
	return true
}

// due returns when the next Step is due, and false if it never is.
func (w *World) due() (Time, bool) {
	if w.exiting != nil {
		return 0, false
	}
	if w.steps == 0 {
		return w.now, true
	}
	at := policy.Never
	if next, ok := w.tree.Next(); ok {
		at = next
	}
	if w.pending.len() > 0 {
		at = min(at, w.pending.first())
	}
	return max(at, w.now), at != policy.Never
}

func (w *World) step(at Time) {
	w.stuck++
	if at > w.now {
		w.stuck = 0
	}
	if w.stuck > 100_000 {
		w.fault("time stands still")
	}
	w.now = at
	w.events = w.events[:0]
	for w.pending.len() > 0 && w.pending.first() <= at {
		if len(w.events) > 0 && w.More != nil && !w.More() {
			break
		}
		if e, ok := w.happen(w.pending.pop()); ok {
			w.events = append(w.events, e)
		}
	}
	w.feed()
}

// Renew asks Live again for the lives of all runs that are under way, ends the
// hooks that are, and lets the probes that are find what is so now.
func (w *World) Renew() {
	for _, h := range w.hooks {
		h.Why = ""
		w.Post(w.now, h)
	}
	for i := range w.runs {
		r := &w.runs[i]
		if r.stage == none {
			w.Knock(tree.NodeID(i)) // whoever waits for that
			if !r.hooked {
				continue
			}
		}
		r.life = w.life(r.proc, r.number)
		if r.stage == alive {
			if !r.stopping {
				r.doom = policy.Never
			}
			w.live(tree.NodeID(i), r)
		}
	}
	for i := range w.pending.items {
		it := &w.pending.items[i]
		if p, ok := it.event.(tree.Probed); ok && w.Answer == nil {
			it.event = result(p, w.sound(p, it.at))
		}
	}
}

// live lets a run that has begun go its way.
func (w *World) live(id tree.NodeID, r *run) {
	if r.life.Runs != Forever {
		w.end(id, r, w.now.Add(r.life.Runs), r.life.Exit)
	}
	w.speak(id, r)
}

// Feed takes a Step with the given events at once, whatever else is pending.
func (w *World) Feed(events ...tree.Event) {
	w.events = w.events[:0]
	for _, e := range events {
		if e, ok := w.happen(e); ok {
			w.events = append(w.events, e)
		}
	}
	w.feed()
}

func (w *World) feed() {
	if w.Fed != nil {
		w.Fed(w.now, w.events)
	}
	w.before()
	w.steps++
	w.effects = w.tree.Step(w.now, w.events, w.effects[:0])
	for _, e := range w.effects {
		w.obey(e)
		if w.Saw != nil {
			w.Saw(e)
		}
	}
	w.after()
}

// obey does what an effect says.
func (w *World) obey(e tree.Effect) {
	switch e := e.(type) {
	case tree.Start:
		if !w.run(e.Node).hooked {
			w.checks.started = append(w.checks.started, e.Node)
		}
		w.start(e)
	case tree.Signal:
		w.signal(e)
	case tree.Probe:
		w.probe(e)
	case tree.Listen:
		w.listen(e)
	case tree.RunHook:
		w.hook(e)
	case tree.CancelHook:
		w.cancel(e)
	case tree.Answer:
		w.checks.answers++
	case tree.Note:
		w.noted(e)
	case tree.Changed:
		w.run(e.Node).proc = e.Process
	case tree.Forget:
		if r := w.run(e.Node); r.stage != none {
			w.fault("%s is forgotten and still there", e.Name)
		}
	case tree.Exiting:
		w.exiting = &e
	}
}

func (w *World) run(id tree.NodeID) *run {
	for int(id) >= len(w.runs) {
		w.runs = append(w.runs, run{})
	}
	return &w.runs[id]
}

// start begins a run. What becomes of it is decided now and happens later.
func (w *World) start(e tree.Start) {
	r := w.run(e.Node)
	if r.stage != none {
		w.fault("%s is started while run %d is there", e.Process.Name, r.number)
	}
	switch {
	case r.hooked && e.Run == r.number:
	case e.Run != r.number+1:
		w.fault("%s: run %d follows run %d", e.Process.Name, e.Run, r.number)
	default:
		*r = run{number: e.Run, life: w.life(e.Process, e.Run)}
	}
	r.hooked, r.stage, r.proc, r.doom = false, spawning, e.Process, policy.Never
	life := r.life
	at := w.now.Add(life.Spawn)
	if life.Fails != "" {
		w.Post(at, tree.StartFailed{Node: e.Node, Run: e.Run, Why: life.Fails, Busy: life.Busy, Code: 127})
		return
	}
	w.pids++
	w.Post(at, tree.Started{Node: e.Node, Run: e.Run, PID: w.pids})
}

func (w *World) life(p *spec.Process, run uint64) Life {
	if w.Live == nil {
		return Steady
	}
	return w.Live(p, run)
}

// signal lets a run, or what is left of it, feel a signal.
func (w *World) signal(e tree.Signal) {
	r := w.run(e.Node)
	if r.number == e.Run && r.stage == none && r.ended == w.steps {
		return // it was sent before the end in the same Step was recorded
	}
	if r.number != e.Run || r.stage != alive && r.stage != left {
		w.fault("signal %d to run %d of %s, which is not there", e.Signal, e.Run, w.name(e.Node))
	}
	if !w.checks.personal && !isReaction(r.proc, e.Signal) {
		w.ordered(e.Node, r)
	}
	wait, code := r.life.Obeys, r.life.Code
	switch e.Signal {
	case sigkill:
		wait, code = r.life.Dies, -1
	case sigterm, sigint, sigquit, sighup:
	default:
		return
	}
	if wait == Forever || w.now.Add(wait) >= r.doom {
		return
	}
	if r.stage == left {
		if e.Reach == spec.KillProcess {
			return
		}
		r.doom = w.now.Add(wait)
		w.Post(r.doom, tree.Gone{Node: e.Node, Run: e.Run})
		return
	}
	exit := tree.Exit{Code: code}
	if code < 0 {
		exit = Killed(e.Signal)
	}
	w.end(e.Node, r, w.now.Add(wait), exit)
}

// end lets a run end at a time in a way.
func (w *World) end(id tree.NodeID, r *run, at Time, exit tree.Exit) {
	r.doom, r.exit = at, exit
	w.Post(at, tree.Exited{Node: id, Run: r.number})
}

// End ends the run of a process at once, whatever its life was to be, and
// reports whether there was one.
func (w *World) End(id tree.NodeID, exit tree.Exit) bool {
	r := w.run(id)
	if r.stage != alive {
		return false
	}
	w.end(id, r, w.now, exit)
	return true
}

// happen makes a pending event true in the world; false: it has been
// overtaken.
func (w *World) happen(e tree.Event) (tree.Event, bool) {
	switch e := e.(type) {
	case tree.Started:
		r := w.run(e.Node)
		r.stage, r.began = alive, w.now
		w.live(e.Node, r)
		return e, true
	case tree.StartFailed:
		w.run(e.Node).stage = none
		return e, true
	case tree.Exited:
		r := w.run(e.Node)
		if r.number != e.Run || r.stage != alive || r.doom != w.now {
			return nil, false
		}
		return w.exited(e, r), true
	case tree.Probed:
		w.flight(e, -1)
	case tree.Listened:
		w.listened(e)
	case tree.Knocked:
		return e, w.Mute || w.run(e.Node).call == e.Call
	case tree.HookDone:
		return e, w.hookDone(e)
	case tree.Notified:
		return e, w.heard(e)
	case tree.Reloaded:
		w.reloads++
		return e, true
	case tree.Gone:
		r := w.run(e.Node)
		if r.number != e.Run || r.stage != left || r.doom != w.now {
			return nil, false
		}
		r.stage = none
		return e, true
	}
	return e, true
}

func (w *World) exited(e tree.Exited, r *run) tree.Event {
	e.Exit = r.exit
	e.Exit.At, e.Exit.Ran = w.now, w.now.Sub(r.began)
	e.Exit.Cause = tree.Ended
	if e.Exit.Signal != 0 {
		e.Exit.Cause = tree.Signalled
	}
	r.stage, r.doom, r.ended = none, policy.Never, w.steps+1
	if !r.life.Leaves {
		return e
	}
	e.Left = true
	if r.proc.Stop.Kill == spec.KillProcess {
		return e // nobody goes after them, and nothing waits for them
	}
	r.stage = left
	if r.life.Remaining != Forever {
		r.doom = w.now.Add(r.life.Remaining)
		w.Post(r.doom, tree.Gone{Node: e.Node, Run: e.Run})
	}
	return e
}

// name returns the name of a node.
func (w *World) name(id tree.NodeID) string {
	for _, n := range w.View() {
		if n.ID == id {
			return n.Name
		}
	}
	return fmt.Sprintf("node %d", id)
}
