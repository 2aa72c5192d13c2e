package procman

import (
	"context"
	"errors"
	"math"
	"strconv"
	"sync"
	"syscall"
	"time"

	"gosup/tree"
)

// executeGrace is how long a command has to end whose client has gone. It is
// less than what the daemon takes for its own end.
const executeGrace = 2 * time.Second

// Execute runs a command beside a process, as it is run: as its user, in its
// folder, with its environment and limits, whether it runs or not. The command
// gets the descriptors as 0, 1, 2, … and is no part of the process's run. Where
// terminal is set, the first of them is one, and becomes its controlling
// terminal. What comes in signals is sent to its process group. When ctx is
// over it is ended.
//
// Execute closes the descriptors, as soon as the command has them. It returns
// when nothing is left of the command; the error is an *ExecuteError if it could
// not be run, or that of ctx.
func (m *Manager) Execute(ctx context.Context, n *tree.Node, argv []string, files []int, terminal bool, signals <-chan int) (tree.Exit, error) {
	release := sync.OnceFunc(func() {
		for _, fd := range files {
			_ = syscall.Close(fd)
		}
	})
	defer release()
	l, err := m.surroundings(ctx, n)
	if err != nil {
		return tree.Exit{}, err
	}
	l.Argv, l.Files, l.Apart, l.Terminal = argv, files, true, terminal
	end := m.tasks.run(l, errand{
		timeout: math.MaxInt64, cancel: ctx.Done(), grace: executeGrace, signals: signals, forked: release,
	})
	switch {
	case end.cancelled && ctx.Err() != nil:
		return end.exit, ctx.Err()
	case end.cancelled:
		return end.exit, ErrEnded
	case end.why != "":
		return end.exit, &ExecuteError{Why: end.why, Code: end.code}
	}
	return end.exit, nil
}

// ExecuteError is why a command could not be run.
type ExecuteError struct {
	Why  string
	Code int // what a shell would exit with: 127 for no such command, else 126
}

func (e *ExecuteError) Error() string { return e.Why }

// ExitCode returns what a shell would exit with.
func (e *ExecuteError) ExitCode() int { return e.Code }

// beside asks the outfitter for what is run beside a process.
type beside struct {
	node  *tree.Node
	at    tree.Time
	reply chan<- launch // buffered
}

// surroundings returns a launch that lacks only its command and descriptors.
func (m *Manager) surroundings(ctx context.Context, n *tree.Node) (launch, error) {
	o, ok := m.crew.(*outfitter)
	if !ok {
		return launch{}, errors.New("nobody is there to fork")
	}
	reply := make(chan launch, 1)
	o.queue.put(beside{node: n, at: m.Now(), reply: reply})
	select {
	case l := <-reply:
		return l, nil
	case <-ctx.Done():
		return launch{}, ctx.Err()
	case <-o.done:
		return launch{}, ErrEnded
	}
}

// surround answers a beside. While the process runs, what counts is what it was
// started with, not what a reload may have made of its definition since.
func (o *outfitter) surround(b beside) {
	o.executed++
	start := tree.Start{Node: b.node.ID, Run: b.node.Run, Process: b.node.Process, Restarts: b.node.Restarts(b.at)}
	if out := o.sinks[b.node.ID]; out != nil && out.last.Run > out.ended {
		start = out.last
	}
	l := o.besideRun(start, "exec"+strconv.FormatUint(o.executed, 10))
	l.Cgroup = start.Process.Cgroup
	b.reply <- l
}

// besideRun returns the surroundings of what is run beside a run. It has a tag
// of its own: what it leaves behind is no part of the run.
func (o *outfitter) besideRun(e tree.Start, what string) launch {
	p := e.Process
	tag := runTag{supervisor: o.env.id, name: p.Name, run: e.Run, task: what}
	l := launch{Dir: p.Dir, Rights: p.Rights, Tag: tag.String()}
	l.Env = o.env.of(p, e, l.Tag, o.stateDir(p))
	return l
}
