package procman

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"gosup/spec"
	"gosup/tree"
)

// hand is what touches processes: it alone in the daemon forks, signals and
// reaps. All of it happens on one goroutine, so no pid can be reused between a
// look at it and a signal to it. Only forks may be done for it, see hand_fork.go.
//
// That goroutine is bound to a thread only while it forks. Bound for ever, each
// message to it costs two switches of threads: a restart took 305 µs from kill
// to exec instead of 230 µs, beside 140 µs for the bare system calls.
//
// It decides nothing and retries nothing. What it is told comes through start
// and signal, what happened goes out through emit, and between the two it waits
// for a message or the end of a child: while nothing happens, nothing wakes it.
// Its one timer runs for 2 ms after an end, see lull.go.
//
//	start, signal ──▶ mailbox ──▶ ┌──────┐ ──▶ emit(Started | StartFailed)
//	                              │ hand │
//	            waiter ─────────▶ └──────┘ ──▶ emit(Exited), emit(Gone)
//
// For each start it emits exactly one Started or StartFailed; after a Started
// exactly one Exited; and after an Exited with Left exactly one Gone.
//
// There can be one hand in an operating system process, and while it lives
// nothing else there may wait for a child: it reaps every one, also those that
// it did not start.
type hand struct {
	emit func(tree.Event)
	now  func() tree.Time

	mail    mailbox
	chld    chan os.Signal
	waiter  waiter
	quit    chan struct{}
	done    chan struct{}
	cleared chan struct{} // closed when nothing is left of it, some time after done
	strays  atomic.Uint64
	null    int // /dev/null, or -1
	self    identity
	shim    string // how gosup executes itself
	reserve reserve

	// What follows belongs to the hand's goroutine.
	queue   []*startOrder          // not yet forked, in the order in which they will be
	held    map[runKey]*startOrder // these and those in flight, by run
	runs    map[runKey]*child      // forked and not yet gone
	leaders map[int]*child         // by the pid of a first process not yet reaped
	heirs   map[int]*child         // by the pid of the one that a run goes on in, see heir.go
	late    []*child               // runs that had ended before their shim's report was read
	fading  []*child               // runs whose first process is over and that left others
	kin     kin                    // descendants that are nobody's first process
	ooms    oomCounter
	mounts  mounts

	forkers  forkers   // none until there are many runs, or many to start
	noForker bool      // there can be no more
	flying   int       // forks that forkers are at
	retiring bool      // it ends once it is idle
	dead     bool      // children may have ended that are not yet reaped
	told     int       // the one that the waiter has told of, until it may wait for the next; 0 for none
	reaped   tree.Time // when one was last
	still    stillness
	again    bool // there is more to do before it may wait
}

// handOptions are the parts of the world that may be different. The zero value
// is right where there are no cgroups.
type handOptions struct {
	proc    string // where procfs is; "" means /proc
	noLists bool   // procfs has no lists of children, as without CONFIG_PROC_CHILDREN

	cgroups string      // folder in which runs get cgroups, by makeCgroups; "" for none
	without error       // why there are no cgroups, if so
	warn    func(error) // hears, on the hand's goroutine, of what is done without; may be nil

	adopt  []adoption // runs of the daemon before this one
	strays []relative // what that has left and nobody wants
}

// launch is everything that a fork needs. The hand looks nothing up but the
// program's file.
type launch struct {
	Node tree.NodeID
	Run  uint64
	// Restarts is how often it was restarted lately.
	Restarts int
	Tag      string   // the value of GOSUP_RUN, which tells descendants from strangers
	Argv     []string // Argv[0] is looked up in the PATH of Env unless it has a slash
	Dir      string   // absolute; relative names of programs are relative to it
	Env      []string // complete, with GOSUP_RUN; the later entry of a name wins

	// Files are the descriptors of this process that become 0, 1, 2, … in the
	// child; -1 stands for /dev/null, closedFile for none at all. They stay open
	// until the start is answered, and belong to the caller.
	Files []int

	// Foreground puts the child into a process group of its own in the same
	// session, and that group into the foreground of the terminal that is its
	// standard input. Otherwise it leads a session of its own.
	Foreground bool

	// Speaks says that it may send something at once to who must know its pid by
	// then.
	Speaks bool

	// Listens adds LISTEN_PID to Env, which is not known before the fork. It
	// costs a start by way of the shim.
	Listens bool

	// Apart has the shim find and execute the command, also where a plain fork
	// could: what hangs on the way then holds up nobody else.
	Apart bool

	// Terminal makes the terminal that is its standard input the controlling one
	// of its session. It needs Apart.
	Terminal bool

	Rights spec.Rights
	Cgroup spec.Cgroup // where it cannot be limited so, it does not start

	// Reach says which descendants count as left when the first process has
	// ended: all, those in its process group, or none.
	Reach spec.Kill
}

// closedFile among launch.Files leaves that descriptor closed.
const closedFile = -2

// runKey names one run of one node.
type runKey struct {
	node tree.NodeID
	run  uint64
}

// startOrder is a launch that waits for its turn, with the signals that were
// ordered after it.
type startOrder struct {
	launch
	signals []tree.Signal
	alone   bool // a forker could not do it
}

// newHand returns a hand at work. It ends with close. Both functions are
// called on the hand's goroutine and must not block.
func newHand(emit func(tree.Event), now func() tree.Time, opt handOptions) *hand {
	h := &hand{
		emit:    emit,
		now:     now,
		chld:    make(chan os.Signal, 1),
		quit:    make(chan struct{}),
		done:    make(chan struct{}),
		cleared: make(chan struct{}),
		held:    make(map[runKey]*startOrder),
		runs:    make(map[runKey]*child),
		leaders: make(map[int]*child),
		heirs:   make(map[int]*child),
	}
	if opt.proc == "" {
		opt.proc = "/proc"
	}
	h.mail.wake = make(chan struct{}, 1)
	h.null = openNull()
	h.self = whoAmI()
	h.shim = findSelf()
	h.reserve.fill()
	h.still.open()
	h.kin.open(opt, &h.reserve, h.leaders)
	h.ooms.open(opt.proc)
	h.mounts.open(opt.proc)
	h.adoptAll(opt.adopt)
	h.kin.killStrays(opt.strays)
	h.waiter.open(h.chld, h.quit) // before the first fork
	go h.work()
	return h
}

// start orders a fork. It never blocks, and may be called on any goroutine.
func (h *hand) start(l launch) { h.mail.put(message{start: &startOrder{launch: l}}) }

// signal orders a signal to a run; to one that is over it does nothing. It
// never blocks, and may be called on any goroutine. A signal to a run comes
// after the start of that run that was ordered before it.
func (h *hand) signal(s tree.Signal) { h.mail.put(message{signal: s}) }

// strangers returns how many orphans of nobody have been reaped.
func (h *hand) strangers() uint64 { return h.strays.Load() }

// close ends the hand and waits until nothing is left of it. Processes live on;
// starts that have not been answered never are.
func (h *hand) close(ctx context.Context) error {
	err := h.stop(ctx)
	if err == nil {
		h.clear(ctx)
	}
	return err
}

// stop is close without the wait for the cgroups to be removed, which clear
// waits for.
func (h *hand) stop(ctx context.Context) error {
	close(h.quit)
	select {
	case <-h.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("end the hand: %w", ctx.Err())
	}
}

func (h *hand) clear(ctx context.Context) {
	select {
	case <-h.cleared:
	case <-ctx.Done():
	}
}

// retire ends the hand's goroutine once every start that it was given is
// answered, and waits for that. What ends from then on is reaped by who comes
// after.
func (h *hand) retire(ctx context.Context) error {
	h.mail.put(message{retire: true})
	select {
	case <-h.done:
		h.clear(ctx)
		return nil
	case <-ctx.Done():
		return fmt.Errorf("retire the hand: %w", ctx.Err())
	}
}

// idle reports whether every start is answered.
func (h *hand) idle() bool {
	for _, c := range h.runs {
		if c.preparing {
			return false
		}
	}
	return len(h.queue) == 0 && h.flying == 0 && !h.dead
}

// work is the hand's goroutine. It ends with close.
func (h *hand) work() {
	for {
		if !h.again {
			select {
			case <-h.quit:
			case <-h.mail.wake:
			case h.told = <-h.waiter.ended:
				h.dead = true
			case <-h.chld:
				h.dead = true
			case <-h.still.over():
				h.stir()
			}
		}
		select {
		case <-h.quit:
			h.end()
			return
		default:
		}
		h.turn()
		if h.retiring && h.idle() {
			h.end()
			return
		}
		if !h.mayFork() {
			continue
		}
		if h.delegate() {
			if len(h.queue)%crowd == 0 {
				// Forkers hold processors until their children execute: now and
				// then others first, who may have to tell of an end.
				runtime.Gosched()
			}
			continue
		}
		runtime.LockOSThread()
		if onMainThread() {
			// Orphans become children of the main thread. As long as those that
			// the hand forks are other threads' children, the list of the main
			// thread's children is the list of the orphans, and short. So the
			// main thread is kept busy with waiting, and another goes on.
			go h.work()
			<-h.done
			runtime.UnlockOSThread()
			return
		}
		mask := unblockSignals()
		h.forkNext()
		blockSignals(mask)
		runtime.UnlockOSThread()
		h.rest()
	}
}

// rest is what the hand does once nothing waits to be started.
func (h *hand) rest() {
	if len(h.queue) > 0 || h.flying > 0 {
		return
	}
	h.kin.cgroups.tidy()
}

// turn comes before each fork: it reads all messages, and reaps a batch if
// children have ended. A thousand starts in a row thus hold up neither a signal
// nor an exit.
func (h *hand) turn() {
	h.again = false
	h.kin.blink()
	for _, m := range h.mail.take() {
		if m.start == nil {
			h.stir()
		}
		h.read(m)
	}
	select {
	case h.told = <-h.waiter.ended:
		h.dead = true
	case <-h.chld:
		h.dead = true
	default:
	}
	if h.disturbed() {
		h.stir()
	}
	if h.mayReap() {
		h.dead = false
		h.reap()
	}
	h.again = h.mayReap() || h.mayFork()
}

// mayReap reports whether children are to be reaped now.
func (h *hand) mayReap() bool { return h.dead && h.flying == 0 && !h.still.kept }

// forkNext does the first start of the queue.
func (h *hand) forkNext() {
	o := h.dequeue()
	delete(h.held, o.key())
	h.fork(o)
	h.again = !h.still.kept
}

// enqueue lets those go first that have been restarted less often: what ends
// again and again is not to hold up others. Where a hundred do so at once, the
// restart of a sound process would wait for a hundred forks.
func (h *hand) enqueue(o *startOrder) {
	at, _ := slices.BinarySearchFunc(h.queue, o.Restarts+1, func(queued *startOrder, n int) int {
		return cmp.Compare(queued.Restarts, n)
	})
	h.queue = slices.Insert(h.queue, at, o)
	h.held[o.key()] = o
}

func (h *hand) read(m message) {
	if m.report != nil {
		h.prepared(m.report)
		return
	}
	if m.landed != nil {
		h.landed(m.landed)
		h.rest()
		return
	}
	if m.heir != nil {
		h.appoint(m.heir)
		return
	}
	if m.fell {
		h.dead = true
		return
	}
	if m.retire {
		h.retiring = true
		return
	}
	if m.start != nil {
		h.enqueue(m.start)
		return
	}
	if o := h.held[runKey{m.signal.Node, m.signal.Run}]; o != nil {
		o.signals = append(o.signals, m.signal)
		return
	}
	h.deliver(m.signal)
}

func (h *hand) end() {
	h.landAll()
	h.forkers.close()
	h.waiter.close(h.chld)
	go func() {
		h.kin.close()
		close(h.cleared)
	}()
	h.ooms.close()
	h.mounts.close()
	if h.null >= 0 {
		syscall.Close(h.null)
	}
	h.reserve.drop()
	close(h.done)
}

func (l *launch) key() runKey { return runKey{l.Node, l.Run} }

// message is what the hand can be told: a start, a forker's or a shim's report,
// an inheritance, that something has ended, or else a signal.
type message struct {
	start  *startOrder
	landed *flight
	report *report
	heir   *inheritance
	fell   bool // processes of far runs may have ended
	retire bool
	signal tree.Signal
}

// mailbox holds what the hand has been told and not yet read. It has no limit
// of its own: the tree orders at most a start and a few signals for each run.
type mailbox struct {
	mu   sync.Mutex
	list []message
	wake chan struct{}
}

func (m *mailbox) put(x message) {
	m.mu.Lock()
	m.list = append(m.list, x)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() []message {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.list
	m.list = nil
	return list
}
