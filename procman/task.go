package procman

import (
	"bufio"
	"context"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// taskBase is the first NodeID of tasks: what the hand runs that is no process
// of the tree. The tree counts its nodes from 1 and will not come so far.
const taskBase tree.NodeID = 1 << 31

// killAgain is how often what has outlived its timeout is killed again.
const killAgain = time.Second

// tasks runs commands through the hand on behalf of a process: probes and
// guarded helpers. Each belongs to a goroutine that waits for its end.
type tasks struct {
	hand *hand

	mu     sync.Mutex
	last   tree.NodeID
	out    map[tree.NodeID]*task
	hooks  map[*hookRun]struct{} // under way
	left   bool                  // they are another daemon's by now
	closed bool
	quit   chan struct{} // closed by close: every task is killed
	idle   chan struct{} // closed when it is closed and none is left
}

// task is one command.
type task struct {
	events chan tree.Event // Started or StartFailed, Exited, Gone: never full
	pid    int             // 0 before it is known
	exit   *tree.Exited    // nil before that
}

func newTasks() *tasks {
	return &tasks{
		last: taskBase, out: map[tree.NodeID]*task{}, hooks: map[*hookRun]struct{}{},
		quit: make(chan struct{}), idle: make(chan struct{}),
	}
}

// close kills all tasks and waits until nothing of them is left, for at most
// ctx. From then on none is started.
func (k *tasks) close(ctx context.Context) {
	k.mu.Lock()
	k.closed = true
	if len(k.out) == 0 {
		close(k.idle)
	}
	k.mu.Unlock()
	close(k.quit)
	select {
	case <-k.idle:
	case <-ctx.Done():
	}
}

// ending is how a task ended.
type ending struct {
	exit      tree.Exit
	why       string // it could not be started: why; "" otherwise
	code      int    // and what a shell would exit with then
	timedOut  bool
	cancelled bool
	lastLine  string // of its output
}

// errand says for how long a task may run, and who has a say in that.
type errand struct {
	timeout time.Duration   // after which it is killed
	cancel  <-chan struct{} // closed to end it
	grace   time.Duration   // how long it has then, after a SIGTERM; 0: none, it is killed
	signals <-chan int      // what is to be sent to its process group; may be nil
	forked  func()          // called once its descriptors are its own, or it could not be started; may be nil

	numbered func(tree.NodeID) // called with the number of the task before it is started; may be nil
}

// run runs a command to its end, with all that it starts, and returns how that
// was. It does not return before nothing of it is left. l.Files stays the
// caller's.
func (k *tasks) run(l launch, r errand) ending {
	id, events := k.enroll()
	if events == nil {
		return ending{cancelled: true}
	}
	defer k.release(id)
	l.Node, l.Run, l.Reach = id, 1, spec.KillTree
	if r.numbered != nil {
		r.numbered(id)
	}
	k.hand.start(l)
	return k.await(id, events, r)
}

// enroll gives a task a number. Its events come through the channel, which is
// nil if no more tasks are started.
func (k *tasks) enroll() (tree.NodeID, <-chan tree.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return 0, nil
	}
	k.last++
	if k.last < taskBase {
		k.last = taskBase
	}
	t := &task{events: make(chan tree.Event, 3)}
	k.out[k.last] = t
	return k.last, t.events
}

// adopt goes on with a command of a hook that the daemon before this one has
// begun.
func (k *tasks) adopt(h heldHook) (tree.NodeID, <-chan tree.Event) {
	id, events := k.enroll()
	if events == nil {
		return 0, nil
	}
	t := k.out[id]
	t.pid, t.exit = h.TaskPID, h.Ended
	if e := h.Ended; e != nil {
		// What it has left, if anything, is killed as nobody's.
		t.events <- tree.Exited{Node: id, Run: 1, Exit: e.Exit}
	}
	return id, events
}

// release gives the number of a task back.
func (k *tasks) release(id tree.NodeID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.out, id)
	if k.closed && len(k.out) == 0 {
		close(k.idle)
	}
}

// begin notes that a hook is under way.
func (k *tasks) begin(h *hookRun) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hooks[h] = struct{}{}
}

// reach notes which command of a hook is about to run, and as which task.
func (k *tasks) reach(h *hookRun, index int, id tree.NodeID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.left {
		h.index, h.task = index, id
	}
}

// finish notes that a hook is done and tells so, unless another daemon goes on
// with it by now.
func (k *tasks) finish(h *hookRun, tell func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.left {
		delete(k.hooks, h)
		tell()
	}
}

// heldHook is a hook that was under way when a daemon was replaced, as it is
// handed on.
type heldHook struct {
	Node     tree.NodeID
	Run      uint64
	Moment   spec.Moment
	Restarts int
	PID      int // of the run
	Exit     *tree.Exit
	Deadline tree.Time

	Index   int          // of the command that ran
	TaskPID int          // of that; 0 if it had not begun
	Ended   *tree.Exited // how it has ended; nil if it had not
}

// leave hands the hooks that are under way on. From then on nothing is told of
// them here.
func (k *tasks) leave() (list []heldHook) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left = true
	for h := range k.hooks {
		held := heldHook{h.Node, h.Run, h.Moment, h.Restarts, h.PID, h.Exit, h.deadline, h.index, 0, nil}
		if t := k.out[h.task]; t != nil {
			held.TaskPID, held.Ended = t.pid, t.exit
		}
		list = append(list, held)
	}
	return list
}

// runQuietly is run for a command whose output matters only for its last line.
func (k *tasks) runQuietly(l launch, timeout time.Duration, cancel <-chan struct{}) ending {
	r, w, err := os.Pipe()
	if err != nil {
		return ending{why: err.Error()}
	}
	lines := make(chan string, 1)
	go func() { // ends when the pipe is closed below
		lines <- lastLine(r)
	}()
	l.Files = []int{-1, int(w.Fd()), int(w.Fd())}
	e := k.run(l, errand{timeout: timeout, cancel: cancel})
	w.Close()
	// Nothing of it is left that could write, unless it got away: what is in
	// the pipe now is all.
	r.SetReadDeadline(time.Now().Add(drainTime))
	e.lastLine = <-lines
	r.Close()
	return e
}

// drainTime is what reading a full pipe may take.
const drainTime = 50 * time.Millisecond

// await follows a task to its end.
func (k *tasks) await(id tree.NodeID, events <-chan tree.Event, r errand) (e ending) {
	timer := time.NewTimer(r.timeout)
	defer timer.Stop()
	quit := k.quit
	end := func() {
		k.kill(id) // also one that a shim has not got to run yet
		timer.Reset(killAgain)
	}
	cancel := func() {
		switch {
		case r.grace == 0:
			end()
		case !e.cancelled:
			k.signal(id, int(syscall.SIGTERM), spec.KillTree)
			timer.Reset(r.grace)
		}
		e.cancelled = true
	}
	forked := func() {
		if r.forked != nil {
			r.forked()
			r.forked = nil
		}
	}
	for {
		select {
		case event := <-events:
			switch event := event.(type) {
			case tree.StartFailed:
				forked()
				e.why, e.code = event.Why, event.Code
				return e
			case tree.Started:
				forked()
			case tree.Exited:
				e.exit = event.Exit
				if !event.Left {
					return e
				}
				end()
			case tree.Gone:
				return e
			}
		case <-timer.C:
			e.timedOut = e.timedOut || !e.cancelled
			end()
		case sig := <-r.signals:
			k.signal(id, sig, spec.KillGroup)
		case <-r.cancel:
			r.cancel = nil
			cancel()
		case <-quit:
			quit = nil
			cancel()
		}
	}
}

func (k *tasks) kill(id tree.NodeID) { k.signal(id, int(syscall.SIGKILL), spec.KillTree) }

func (k *tasks) signal(id tree.NodeID, sig int, reach spec.Kill) {
	k.hand.signal(tree.Signal{Node: id, Run: 1, Signal: sig, Reach: reach})
}

// heard takes an event of the hand if it belongs to a task.
func (k *tasks) heard(e tree.Event) bool {
	var id tree.NodeID
	switch e := e.(type) {
	case tree.Started:
		id = e.Node
	case tree.StartFailed:
		id = e.Node
	case tree.Exited:
		id = e.Node
	case tree.Gone:
		id = e.Node
	}
	if id < taskBase {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.out[id]
	if t == nil {
		return true
	}
	switch e := e.(type) {
	case tree.Started:
		t.pid = e.PID
	case tree.Exited:
		t.exit = &e
	}
	t.events <- e
	return true
}

// maxLastLine bounds what is kept of a line.
const maxLastLine = 1024

// lastLine reads r to its end and returns the last line that is not empty.
func lastLine(r io.Reader) string {
	b := bufio.NewReaderSize(r, maxLastLine)
	last, long := "", false
	for {
		line, err := b.ReadSlice('\n')
		if !long {
			if text := trimLine(line); text != "" {
				last = text
			}
		}
		long = err == bufio.ErrBufferFull
		if err != nil && !long {
			return last
		}
	}
}

func trimLine(line []byte) string {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return string(line)
}
