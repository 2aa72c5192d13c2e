package procman

import (
	"bufio"
	"context"
	"io"
	"os"
	"sync"
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
	out    map[tree.NodeID]chan<- tree.Event
	closed bool
	quit   chan struct{} // closed by close: every task is killed
	idle   chan struct{} // closed when it is closed and none is left
}

func newTasks() *tasks {
	return &tasks{
		last: taskBase, out: map[tree.NodeID]chan<- tree.Event{},
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
	timedOut  bool
	cancelled bool
	lastLine  string // of its output
}

// run runs a command to its end, with all that it starts, and returns how that
// was. After the timeout, or once cancel is closed, everything of it is killed.
// It does not return before nothing of it is left. l.Files stays the caller's.
func (k *tasks) run(l launch, timeout time.Duration, cancel <-chan struct{}) ending {
	events := make(chan tree.Event, 3) // Started or StartFailed, Exited, Gone: never full
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return ending{cancelled: true}
	}
	k.last++
	if k.last < taskBase {
		k.last = taskBase
	}
	l.Node, l.Run, l.Reach = k.last, 1, spec.KillTree
	k.out[l.Node] = events
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		delete(k.out, l.Node)
		if k.closed && len(k.out) == 0 {
			close(k.idle)
		}
		k.mu.Unlock()
	}()
	k.hand.start(l)
	return k.await(l.Node, events, timeout, cancel)
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
	e := k.run(l, timeout, cancel)
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
func (k *tasks) await(id tree.NodeID, events <-chan tree.Event, timeout time.Duration, cancel <-chan struct{}) (e ending) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	running, quit := false, k.quit
	end := func() {
		if running {
			k.kill(id)
		}
		timer.Reset(killAgain)
	}
	for {
		select {
		case event := <-events:
			switch event := event.(type) {
			case tree.StartFailed:
				e.why = event.Why
				return e
			case tree.Started:
				running = true
				if e.timedOut || e.cancelled {
					end()
				}
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
		case <-cancel:
			cancel = nil
			e.cancelled = true
			end()
		case <-quit:
			quit = nil
			e.cancelled = true
			end()
		}
	}
}

func (k *tasks) kill(id tree.NodeID) {
	k.hand.signal(tree.Signal{Node: id, Run: 1, Signal: 9, Reach: spec.KillTree})
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
	if c := k.out[id]; c != nil {
		c <- e
	}
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
