package procman

import (
	"cmp"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"gosup/logs"
	"gosup/spec"
	"gosup/tree"
)

// outfitter gives each run what it needs before it can be forked: its
// environment, its folders, its output. All that may wait for a disk, which
// the loop must not and the hand should not; so it has a goroutine and a queue
// of its own. It also drains the output of a run that has ended before anybody
// hears of the end: who sees a process stopped finds its last line in the log.
//
// Signals pass it by: they go to the hand at once.
type outfitter struct {
	m         *Manager
	hand      *hand
	env       environment
	queue     jobs
	done      chan struct{}
	lent      map[runKey][]*os.File // descriptors open until the hand has forked
	waiting   []tree.Start          // not equipped before some of those are back
	handed    map[runKey][]int      // likewise, of those that are no *os.File
	sinks     map[tree.NodeID]*outlet
	probers   *prober
	hooks     map[runKey]chan struct{} // closed to cancel
	notes     map[tree.NodeID]*notifier
	pipes     map[runKey]*os.File    // on which runs say that they are ready
	mourned   map[runKey]tree.Exited // ends that are not told before it is known who inherits
	notifyDir string                 // of the sockets, once there is one
	scratch   string                 // a folder of this daemon's own, where there is no runtime folder
	executed  uint64                 // commands that people had executed, for their tags
	noState   bool                   // it was said that state folders cannot be made
	records   *records

	descriptors *descriptors
	retired     bool      // another daemon goes on with what is open; set before queue.end
	inherited   []heldEar // of the daemon before this one, until they are taken
}

// outlet is the output of one process.
type outlet struct {
	sink *logs.Sink
	name string
	last tree.Start // the latest run: its probes have the same surroundings

	over  chan struct{} // closed when that has ended, and its probes with it
	ended uint64        // the latest run that has
}

func newOutfitter(m *Manager) *outfitter {
	o := &outfitter{
		m:       m,
		env:     newEnvironment(m.opt),
		queue:   jobs{wake: make(chan struct{}, 1)},
		done:    make(chan struct{}),
		lent:    map[runKey][]*os.File{},
		sinks:   map[tree.NodeID]*outlet{},
		probers: newProber(m),
		hooks:   map[runKey]chan struct{}{},
		notes:   map[tree.NodeID]*notifier{},
		pipes:   map[runKey]*os.File{},
		mourned: map[runKey]tree.Exited{},
		handed:  map[runKey][]int{},
		records: newRecords(m.opt.Tree.Supervisor.RuntimeDir),

		descriptors: newDescriptors(m.log),
	}
	if m.opt.Single {
		o.descriptors.passOn(m.opt.Environ, os.Getpid())
	}
	return o
}

func (o *outfitter) start(e tree.Start)       { o.queue.put(e) }
func (o *outfitter) redefine(e tree.Changed)  { o.queue.put(e) }
func (o *outfitter) forget(e tree.Forget)     { o.queue.put(e) }
func (o *outfitter) hook(e tree.RunHook)      { o.queue.put(e) }
func (o *outfitter) cancel(e tree.CancelHook) { o.queue.put(e) }
func (o *outfitter) record(e tree.Crashed)    { o.queue.put(e) }
func (o *outfitter) probe(e tree.Probe)       { o.queue.put(e) }
func (o *outfitter) listen(e tree.Listen)     { o.queue.put(e) }
func (o *outfitter) signal(e tree.Signal)     { o.hand.signal(e) }

// heard takes the hand's events on the hand's goroutine.
func (o *outfitter) heard(e tree.Event) {
	if !o.m.tasks.heard(e) {
		o.queue.put(e)
	}
}

// close ends the goroutine once all that is queued is done, and closes the
// output.
func (o *outfitter) close() {
	o.queue.end()
	<-o.done
}

// work does the jobs. It ends with close.
func (o *outfitter) work() {
	defer close(o.done)
	for {
		job, ended := o.queue.take()
		switch {
		case job != nil:
			o.do(job)
		case ended:
			o.m.recorder.close()
			if !o.retired {
				o.closeSinks()
				o.records.close()
			}
			return
		default:
			<-o.queue.wake
		}
	}
}

func (o *outfitter) do(job any) {
	switch e := job.(type) {
	case tree.Start:
		o.equip(e)
	case tree.Changed:
		o.reconfigure(e)
	case tree.Forget:
		o.dismiss(e)
	case tree.Probe:
		o.ask(e)
	case tree.Listen:
		o.await(e)
	case tree.Crashed:
		o.recordCrash(e)
	case tree.RunHook:
		o.runHook(e)
	case tree.CancelHook:
		o.cancelHook(e)
	case beside:
		o.surround(e)
	case *hookRun:
		o.goThrough(e)
	case tree.Started:
		o.giveBack(runKey{e.Node, e.Run})
		o.equipWaiting()
		o.note(e)
		if n := o.notes[e.Node]; n != nil {
			n.pid.Store(int64(e.PID))
		}
		o.m.Tell(e)
	case tree.StartFailed:
		o.giveBack(runKey{e.Node, e.Run})
		o.equipWaiting()
		o.unhear(runKey{e.Node, e.Run})
		o.m.Tell(e)
	case tree.Exited:
		if !o.mourn(e) {
			o.bury(e)
		}
	case tree.Moved:
		o.moved(e)
	case tree.Gone:
		o.gone(e)
	case tree.Event:
		o.m.Tell(e)
	}
}

// equip makes the launch of a run and hands it on.
func (o *outfitter) equip(e tree.Start) {
	if len(o.lent) >= maxLent {
		// In the order in which the hand would fork them, see hand.enqueue.
		at, _ := slices.BinarySearchFunc(o.waiting, e.Restarts+1, func(w tree.Start, n int) int {
			return cmp.Compare(w.Restarts, n)
		})
		o.waiting = slices.Insert(o.waiting, at, e)
		return
	}
	l, err := o.launch(e)
	if err != nil {
		o.m.Tell(tree.StartFailed{Node: e.Node, Run: e.Run, Why: err.Error()})
		return
	}
	o.hand.start(l)
}

func (o *outfitter) launch(e tree.Start) (launch, error) {
	p := e.Process
	l := launch{
		Node: e.Node, Run: e.Run, Argv: p.Argv, Dir: p.Dir, Restarts: e.Restarts,
		Foreground: o.m.opt.Single, Reach: p.Stop.Kill, Rights: p.Rights, Cgroup: p.Cgroup,
	}
	l.Tag = o.env.tag(p, e.Run)
	l.Env = o.env.of(p, e, l.Tag, o.stateDir(p))
	out, err := o.outlet(e.Node, p)
	if err != nil {
		return launch{}, err
	}
	if talks(p) {
		vars, err := o.listenTo(e)
		if err != nil {
			return launch{}, err
		}
		l.Env = append(l.Env, vars...)
		l.Speaks = true
	}
	out.sink.Mark(e.Run)
	stdout, stderr, err := out.sink.ChildFiles()
	if err != nil {
		return launch{}, err
	}
	o.lent[runKey{e.Node, e.Run}] = []*os.File{stdout, stderr}
	stdin := -1
	if o.m.opt.Single {
		stdin = 0
	}
	l.Files = []int{stdin, int(stdout.Fd()), int(stderr.Fd())}
	out.last, out.over = e, make(chan struct{})
	err = o.handOver(e, &l)
	if err == nil {
		err = o.expectReady(e, out, &l)
	}
	if err != nil {
		o.giveBack(runKey{e.Node, e.Run})
		return launch{}, err
	}
	return l, nil
}

// handOver gives a run the sockets of its process and what is stored for it,
// see sd_listen_fds(3).
func (o *outfitter) handOver(e tree.Start, l *launch) error {
	if err := o.descriptors.open(e.Process); err != nil {
		return err
	}
	fds, names, err := o.descriptors.lend(e.Process)
	if err != nil || len(fds) == 0 {
		return err
	}
	o.handed[runKey{e.Node, e.Run}] = fds
	l.Files = append(l.Files, fds...)
	l.Env = append(l.Env, "LISTEN_FDS="+strconv.Itoa(len(fds)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	l.Listens = true
	return nil
}

// await opens the sockets of a process and tells when something arrives at one.
func (o *outfitter) await(e tree.Listen) {
	if err := o.descriptors.open(e.Process); err != nil {
		o.m.Tell(tree.Listened{Node: e.Node, Call: e.Call, Why: err.Error()})
		return
	}
	// Before the watch, which may call at once.
	o.m.Tell(tree.Listened{Node: e.Node, Call: e.Call})
	knocked := func() { o.m.Tell(tree.Knocked{Node: e.Node, Call: e.Call}) }
	if err := o.descriptors.await(e.Process, knocked); err != nil {
		o.m.log.Warn("not seen when somebody connects: started at once", slog.String("process", e.Process.Name), slog.Any("err", err))
		knocked()
	}
}

// ask sends a probe, with the surroundings of its process.
func (o *outfitter) ask(e tree.Probe) {
	var l launch
	var over <-chan struct{}
	if out := o.sinks[e.Node]; out != nil && e.Probe.Exec != nil {
		if e.Run <= out.ended {
			o.m.Tell(tree.Probed{Node: e.Node, Run: e.Run, Check: e.Check, Health: tree.HealthUnknown})
			return
		}
		over = out.over
		l = o.besideRun(out.last, "check"+strconv.Itoa(e.Check))
	} else if e.Probe.Exec != nil {
		l.Tag = o.env.id + "/" + e.Dependency
		l.Env = append(slices.Clone(o.env.inherited), "GOSUP_RUN="+l.Tag)
	}
	o.probers.send(e, l, over)
}

// maxLent is how many runs are equipped before they are forked. More would only
// hold descriptors: the hand forks one after the other. It is no less since a
// start that a dead mount holds up keeps its place.
const maxLent = 128

// equipWaiting equips runs that had to wait for others to be forked.
func (o *outfitter) equipWaiting() {
	for len(o.waiting) > 0 && len(o.lent) < maxLent {
		e := o.waiting[0]
		o.waiting = o.waiting[1:]
		o.equip(e)
	}
}

// giveBack closes the descriptors of a run that has been forked, or was not.
func (o *outfitter) giveBack(k runKey) {
	for _, f := range o.lent[k] {
		f.Close()
	}
	delete(o.lent, k)
	o.descriptors.closer.Release(o.handed[k])
	delete(o.handed, k)
}

// outlet returns the output of a process, opening it at its first run.
func (o *outfitter) outlet(id tree.NodeID, p *spec.Process) (*outlet, error) {
	if out := o.sinks[id]; out != nil {
		return out, nil
	}
	sink, err := o.m.opt.Pump.Open(p.Name, o.m.resolve(p.Logs), owner(p))
	if err != nil {
		return nil, err
	}
	out := &outlet{sink: sink, name: p.Name}
	o.sinks[id] = out
	return out, nil
}

func (o *outfitter) reconfigure(e tree.Changed) {
	o.descriptors.retain(e.Process)
	o.m.timings.keep(e.Process.Name, checkNames(e.Process))
	out := o.sinks[e.Node]
	if out == nil {
		return
	}
	if err := out.sink.Reconfigure(o.m.resolve(e.Process.Logs)); err != nil {
		o.m.log.Warn("output not changed", slog.String("process", e.Process.Name), slog.Any("err", err))
	}
}

func (o *outfitter) dismiss(e tree.Forget) {
	o.hush(e.Node)
	o.descriptors.drop(e.Name)
	o.m.timings.keep(e.Name, nil)
	if out := o.sinks[e.Node]; out != nil {
		delete(o.sinks, e.Node)
		o.closeSink(out)
	}
}

func (o *outfitter) closeSink(out *outlet) {
	if err := out.sink.Close(true); err != nil {
		o.m.log.Warn("output not closed", slog.String("process", out.name), slog.Any("err", err))
	}
}

func (o *outfitter) closeSinks() {
	for id := range o.notes {
		o.hush(id)
	}
	o.descriptors.close()
	if o.notifyDir != "" {
		_ = os.Remove(o.notifyDir) // who else puts something there keeps it
	}
	if o.scratch != "" {
		_ = os.Remove(o.scratch)
	}
	for _, out := range o.sinks {
		o.closeSink(out)
	}
	clear(o.sinks)
	if err := o.m.opt.Pump.Close(); err != nil {
		o.m.log.Warn("output not closed", slog.Any("err", err))
	}
}
