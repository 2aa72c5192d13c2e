package procman

import (
	"bufio"
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

// killRepeat is how often what has outlived its timeout is killed again.
const killRepeat = time.Second

// tasks runs commands through the hand on behalf of a process: probes and
// guarded helpers. Each belongs to a goroutine that waits for its end.
type tasks struct {
	hand *hand

	mu   sync.Mutex
	last tree.NodeID
	out  map[tree.NodeID]chan<- tree.Event
}

func newTasks() *tasks {
	return &tasks{last: taskBase, out: map[tree.NodeID]chan<- tree.Event{}}
}

// ending is how a task ended.
type ending struct {
	exit     tree.Exit
	why      string // it could not be started: why; "" otherwise
	timedOut bool
	lastLine string // of its output
}

// run runs a command to its end, with all that it starts, and returns how that
// was. After the timeout everything of it is killed. It does not return before
// nothing of it is left. Its output is read and dropped but for the last line.
func (k *tasks) run(l launch, timeout time.Duration) ending {
	r, w, err := os.Pipe()
	if err != nil {
		return ending{why: err.Error()}
	}
	lines := make(chan string, 1)
	go func() { // ends when all writers have closed the pipe, or r is closed below
		lines <- lastLine(r)
	}()
	k.mu.Lock()
	k.last++
	if k.last < taskBase {
		k.last = taskBase
	}
	l.Node, l.Run, l.Reach = k.last, 1, spec.KillTree
	events := make(chan tree.Event, 3) // Started or StartFailed, Exited, Gone: never full
	k.out[l.Node] = events
	k.mu.Unlock()
	l.Files = []int{-1, int(w.Fd()), int(w.Fd())}
	k.hand.start(l)
	e := k.await(l.Node, events, w, timeout)
	k.mu.Lock()
	delete(k.out, l.Node)
	k.mu.Unlock()
	// Nothing of it is left that could write.
	r.SetReadDeadline(time.Now())
	e.lastLine = <-lines
	r.Close()
	return e
}

// await follows a task to its end.
func (k *tasks) await(id tree.NodeID, events <-chan tree.Event, w *os.File, timeout time.Duration) (e ending) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	running := false
	for {
		select {
		case event := <-events:
			switch event := event.(type) {
			case tree.StartFailed:
				w.Close()
				e.why = event.Why
				return e
			case tree.Started:
				w.Close()
				running = true
			case tree.Exited:
				e.exit = event.Exit
				if !event.Left {
					return e
				}
				k.kill(id)
				timer.Reset(killRepeat)
			case tree.Gone:
				return e
			}
		case <-timer.C:
			e.timedOut = true
			if running {
				k.kill(id)
			}
			timer.Reset(killRepeat)
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
