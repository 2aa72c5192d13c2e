package procman

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"gosup/logs"
	"gosup/spec"
	"gosup/tree"
)

// Options is what a Manager is made of.
type Options struct {
	Tree    *spec.Tree
	Environ []string     // what processes inherit, usually os.Environ()
	Pump    *logs.Pump   // carries the output; the Manager closes it
	Logger  *slog.Logger // gosup's own log, whose handler never makes anybody wait
	Output  spec.Output  // what OutputAuto means here
	Past    *Past        // what the daemon before this one has left; nil for nothing

	// Single is the mode of `run -- CMD`: the process has gosup's own standard
	// input, and the terminal if that is one.
	Single bool
}

// Manager supervises the processes of one configuration. Make it with New, let
// Run supervise, and Close it after that. All other methods may be called from
// any goroutine.
type Manager struct {
	opt   Options
	log   *slog.Logger
	clock clock
	hand  *hand
	tasks *tasks

	recorder *recorder
	saver    *saver // nil in tests of the loop
	reporter *reporter
	cgroups  string // the folder of the runs' cgroups; "" for none
	crew     crew
	name     string

	timings  timings
	inbox    inbox
	snapshot snapshots
	history  history
	meter    meter
	ended    chan struct{} // closed when Run returns

	// What follows belongs to the loop.
	tree    *tree.Tree
	defined *spec.Tree // its definition
	decided bool       // people have decided something in this Step

	starting   int          // starts that are not answered
	withheld   []tree.Start // since suspending is set
	suspending *suspension  // nil while nobody wants it
	suspended  bool         // Run has returned for that

	taken   []wish
	events  []tree.Event
	effects []tree.Effect
	lastAsk uint64
	replies map[uint64]chan<- tree.Answer
	answers []tree.Answer // of this step
	exiting *tree.Exiting
}

// New returns a manager with everything down. It makes gosup the reaper of
// orphans, and from now on the hand waits for every child of this process.
func New(opt Options) *Manager {
	m := newManager(opt, newClock())
	if err := adoptOrphans(); err != nil {
		m.log.Warn("orphans go elsewhere: what a process leaves behind outlives it", "err", err)
	}
	outfitter := newOutfitter(m)
	m.crew = outfitter
	m.tasks = newTasks()
	m.recorder = newRecorder(opt.Tree.Supervisor.StateDir, opt.Logger)
	stateDir := opt.Tree.Supervisor.StateDir
	if m.opt.Past.disown(outfitter.env.id) {
		m.log.Warn("state_dir is that of another gosup: nothing is saved (give this one a state_dir of its own)", "state_dir", stateDir)
		stateDir = ""
	}
	left := m.remember(outfitter, stateDir)
	m.reporter = newReporter(m)
	m.saver = newSaver(m, m.opt.Past, outfitter.env.id, stateDir)
	hand := m.handOptions(outfitter.env.id)
	hand.adopt, hand.strays = left.adopt, left.strays
	m.hand = newHand(outfitter.heard, m.Now, hand)
	m.meter.look = newLook(outfitter.env.id, m.cgroups)
	outfitter.hand, m.tasks.hand = m.hand, m.hand
	go outfitter.work()
	return m
}

// remember makes the tree that of the daemon before this one, and brings its
// runs to those who will look after them.
func (m *Manager) remember(o *outfitter, stateDir string) *rebirth {
	past := m.opt.Past
	var lives []*found
	if past.alive() {
		lives = findLeft(o.env.id, past.records, past.boot)
	}
	var strays []relative
	if past.handoff == nil && len(lives) > 0 && !pidfdsWork() {
		m.log.Warn("this kernel has no pidfds: what the last gosup has left is killed, and started again", "count", len(lives))
		for _, f := range lives {
			strays = append(strays, f.all()...)
		}
		lives = nil
	}
	m.history.notes = past.readHistory(stateDir, m.clock)
	r := past.reborn(m.opt.Tree, seed(), m.clock, o.env.id, lives, m.history.last())
	r.strays = append(r.strays, strays...)
	m.tree = r.tree
	m.snapshot.publish(&tree.Snapshot{At: m.Now(), Nodes: m.tree.View(nil), Breakers: m.tree.Breakers()})
	for _, e := range r.events {
		m.Tell(e)
	}
	if past.left || len(r.adopt) > 0 {
		if err := o.records.inherit(r.records()); err != nil {
			m.log.Warn("should this gosup be killed, the next one finds its processes by their environment alone", "err", err)
		}
	}
	// The outfitter does not work yet. What has ended is told with the rest, so
	// nobody ever sees it as running.
	m.takeOver(o, r)
	for _, s := range r.resumed {
		o.resume(s)
	}
	o.sweep()
	for _, e := range r.ended {
		o.do(e)
	}
	return r
}

// takeOver goes on with what a daemon that was replaced has handed on.
func (m *Manager) takeOver(o *outfitter, r *rebirth) {
	h := m.opt.Past.handoff
	if h == nil {
		return
	}
	nodes := map[tree.NodeID]*tree.Node{}
	known := map[string]bool{}
	for _, n := range m.tree.View(nil) {
		nodes[n.ID] = n
		known[n.Name] = !n.IsGroup
	}
	o.descriptors.adopt(h.Descriptors, func(name string) bool { return known[name] })
	o.inherited = h.Ears
	for _, held := range h.Hooks {
		n := nodes[held.Node]
		if n == nil || n.Process == nil || n.Process.Hooks[held.Moment] == nil {
			continue
		}
		run := &hookRun{deadline: held.Deadline, index: held.Index, RunHook: tree.RunHook{Node: held.Node, Run: held.Run,
			Moment: held.Moment, Process: n.Process, Restarts: held.Restarts, PID: held.PID, Exit: held.Exit}}
		if held.TaskPID != 0 {
			run.task, run.adopted = m.tasks.adopt(held)
		}
		if run.adopted != nil && held.Ended == nil {
			tag := runTag{o.env.id, n.Name, held.Run, held.Moment.String()}
			r.adopt = append(r.adopt, adoption{runKey: runKey{run.task, 1}, tag: tag.String(), pid: held.TaskPID,
				start: startOf(held.TaskPID), reach: spec.KillTree, started: m.Now()})
		}
		o.queue.put(run)
	}
}

// handOptions lets the hand kill by cgroup where that can be.
func (m *Manager) handOptions(id string) handOptions {
	o := handOptions{warn: func(err error) { m.log.Warn("the hand does without", "err", err) }}
	if _, err := os.Stat("/proc/self/stat"); err != nil && runtime.GOOS == "linux" {
		m.log.Warn("no /proc: what leaves its process group outlives a stop", "err", err)
	}
	root, err := makeCgroups(id)
	if err != nil {
		m.log.Debug("no cgroups: descendants are found by /proc", "err", err)
	}
	o.cgroups, m.cgroups, o.without = root, root, err
	return o
}

// newManager returns a manager without a crew.
func newManager(opt Options, c clock) *Manager {
	m := &Manager{
		opt: opt, log: opt.Logger, clock: c, name: opt.Tree.Supervisor.Name, defined: opt.Tree,
		tree:    tree.New(opt.Tree, seed()),
		ended:   make(chan struct{}),
		replies: map[uint64]chan<- tree.Answer{},
		inbox:   inbox{wake: make(chan struct{}, 1)},
		timings: newTimings(),
	}
	if m.opt.Past == nil {
		m.opt.Past = &Past{}
	}
	m.snapshot.publish(&tree.Snapshot{At: m.Now(), Nodes: m.tree.View(nil)})
	return m
}

// Close ends what Run has left: the hand, then the pump, which writes what
// processes have left in their pipes. It waits for at most ctx.
func (m *Manager) Close(ctx context.Context) error {
	m.tasks.close(ctx)
	err := m.hand.stop(ctx)
	if o, ok := m.crew.(*outfitter); ok {
		o.close()
	}
	m.reporter.wait(ctx)
	m.saver.close(ctx)
	m.hand.clear(ctx)
	if m.cgroups != "" {
		_ = os.Remove(m.cgroups) // what still lives in it keeps it
	}
	return err
}

// Now reads the clock of the tree.
func (m *Manager) Now() tree.Time { return m.clock.now() }

// Wall returns the wall time of a point on the clock of the tree.
func (m *Manager) Wall(t tree.Time) time.Time { return m.clock.wall(t) }

// Name returns the name of this supervisor, as configured.
func (m *Manager) Name() string { return m.name }

// Started returns when the daemon began.
func (m *Manager) Started() tree.Time { return m.clock.origin }

// tag returns the value of GOSUP_RUN for what gosup runs on its own behalf.
func (m *Manager) tag(task string) string {
	o, ok := m.crew.(*outfitter)
	if !ok {
		return ""
	}
	return runTag{supervisor: o.env.id, name: task, task: "probe0"}.String()
}

// Strangers returns how many orphans were reaped that no process of ours had
// left: the duty of PID 1.
func (m *Manager) Strangers() uint64 { return m.hand.strangers() }

// seed returns what jitter draws from: it need not be secret, only different
// on each machine, so that a fleet does not restart in step.
func seed() uint64 {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return uint64(time.Now().UnixNano())
	}
	return binary.NativeEndian.Uint64(b[:])
}

// Prepare makes this process fit to be a supervisor: what it inherited does
// not reach its children, and a write that fails does not end it. It
// must be called first thing, before any descriptor is opened for keeps.
func Prepare() {
	// Nobody reads them: a write to a broken pipe, or past a limit of file sizes,
	// then returns an error instead of ending the daemon.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, syscall.SIGXFSZ)
	handleSignals()
	// Descriptors that cannot be marked reach the children, as they would
	// without gosup.
	_ = markCloexec()
}
