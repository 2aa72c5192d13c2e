//go:build linux

package procman

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// rig is a hand with real children, and a check of what it promises: one
// answer to each start, one Exited after a Started, one Gone after an Exited
// with Left, and nothing else. Two hands cannot be in one process, so tests
// with a rig do not run in parallel.
type rig struct {
	t    *testing.T
	hand *hand

	mu     sync.Mutex
	events []tree.Event
	news   chan struct{}
	next   uint64
	lines  map[uint64]*output
	tags   map[uint64]string
}

func newRig(t *testing.T, opt handOptions) *rig {
	t.Helper()
	r := &rig{t: t, news: make(chan struct{}, 1), lines: make(map[uint64]*output), tags: make(map[uint64]string)}
	if err := adoptOrphans(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	r.hand = newHand(r.hear, func() tree.Time { return tree.Time(time.Since(begin)) }, opt)
	t.Cleanup(r.finish)
	return r
}

func (r *rig) hear(e tree.Event) {
	r.mu.Lock()
	r.events = append(r.events, e)
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// finish kills what still runs, ends the hand, and checks its promises.
func (r *rig) finish() {
	for run := range r.next {
		r.kill(run+1, syscall.SIGKILL, spec.KillTree)
	}
	for run := range r.next {
		r.over(run + 1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.hand.close(ctx); err != nil {
		r.t.Error(err)
	}
	if err := promises(r.events, r.next); err != nil {
		r.t.Error(err)
	}
}

// promises checks the events of runs 1 to n, all of which are over.
func promises(events []tree.Event, n uint64) error {
	const (
		ordered = iota
		running
		fading
		over
	)
	state := make(map[uint64]int)
	var errs []error
	step := func(run uint64, e tree.Event, from, to int) {
		if run == 0 || run > n || state[run] != from {
			errs = append(errs, fmt.Errorf("run %d in state %d: %+v", run, state[run], e))
		}
		state[run] = to
	}
	for _, e := range events {
		switch e := e.(type) {
		case tree.Started:
			step(e.Run, e, ordered, running)
		case tree.StartFailed:
			step(e.Run, e, ordered, over)
		case tree.Exited:
			to := over
			if e.Left {
				to = fading
			}
			step(e.Run, e, running, to)
		case tree.Gone:
			step(e.Run, e, fading, over)
		default:
			errs = append(errs, fmt.Errorf("unexpected %T", e))
		}
	}
	for run := uint64(1); run <= n; run++ {
		if state[run] != over {
			errs = append(errs, fmt.Errorf("run %d never ended: state %d", run, state[run]))
		}
	}
	return errors.Join(errs...)
}

// launch returns the launch of a role as a new run.
func (r *rig) launch(role string, args ...string) launch {
	r.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	r.next++
	tag := fmt.Sprintf("test-%d-%d/%s/%d", os.Getpid(), time.Now().UnixNano(), r.t.Name(), r.next)
	r.tags[r.next] = tag
	env := append(without(os.Environ(), "GOSUP_RUN="), "GOSUP_RUN="+tag, "PROCMAN_TEST_ROLE="+role,
		"GORACE=atexit_sleep_ms=0")
	return launch{
		Node: 1, Run: r.next, Tag: tag, Argv: append([]string{exe}, args...),
		Dir: r.t.TempDir(), Env: env, Files: []int{-1, -1, 2},
	}
}

// shell returns the launch of a command line; it starts faster than a role.
func (r *rig) shell(line string) launch {
	l := r.launch("none")
	l.Argv = []string{"/bin/sh", "-c", line}
	l.Files[2] = -1
	return l
}

// start orders a start, with the output of the run to be read by line.
func (r *rig) start(l launch) uint64 {
	r.t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		r.t.Fatal(err)
	}
	l.Files[1] = int(write.Fd())
	r.lines[l.Run] = newOutput(read)
	r.t.Cleanup(func() { read.Close() })
	r.hand.start(l)
	r.wait("an answer to the start", func(e tree.Event) bool {
		switch e := e.(type) {
		case tree.Started:
			return e.Run == l.Run
		case tree.StartFailed:
			return e.Run == l.Run
		}
		return false
	})
	write.Close()
	return l.Run
}

func (r *rig) kill(run uint64, sig syscall.Signal, reach spec.Kill) {
	r.hand.signal(tree.Signal{Node: 1, Run: run, Signal: int(sig), Reach: reach})
}

// wait returns the first event that matches, waiting for it.
func (r *rig) wait(what string, match func(tree.Event) bool) tree.Event {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		for _, e := range r.events {
			if match(e) {
				r.mu.Unlock()
				return e
			}
		}
		r.mu.Unlock()
		select {
		case <-r.news:
		case <-deadline:
			r.t.Fatalf("waited in vain for %s; events: %+v", what, r.events)
		}
	}
}

func (r *rig) started(run uint64) tree.Started {
	r.t.Helper()
	e := r.wait(fmt.Sprintf("Started of run %d", run), func(e tree.Event) bool {
		switch e := e.(type) {
		case tree.Started:
			return e.Run == run
		case tree.StartFailed:
			return e.Run == run
		}
		return false
	})
	s, ok := e.(tree.Started)
	if !ok {
		r.t.Fatalf("run %d: %+v", run, e)
	}
	return s
}

func (r *rig) exited(run uint64) tree.Exited {
	r.t.Helper()
	return r.wait(fmt.Sprintf("Exited of run %d", run), func(e tree.Event) bool {
		x, ok := e.(tree.Exited)
		return ok && x.Run == run
	}).(tree.Exited)
}

func (r *rig) gone(run uint64) {
	r.t.Helper()
	r.wait(fmt.Sprintf("Gone of run %d", run), func(e tree.Event) bool {
		x, ok := e.(tree.Gone)
		return ok && x.Run == run
	})
}

// over waits until nothing more is to come of a run.
func (r *rig) over(run uint64) {
	r.t.Helper()
	r.wait(fmt.Sprintf("the end of run %d", run), func(e tree.Event) bool {
		switch e := e.(type) {
		case tree.StartFailed:
			return e.Run == run
		case tree.Exited:
			return e.Run == run && !e.Left
		case tree.Gone:
			return e.Run == run
		}
		return false
	})
}

// output is what a run prints, by line.
type output struct {
	lines chan string
}

// newOutput reads until all writers are gone or the reader is closed.
func newOutput(f *os.File) *output {
	o := &output{lines: make(chan string, 1024)}
	go func() {
		defer close(o.lines)
		for s := bufio.NewScanner(f); s.Scan(); {
			o.lines <- s.Text()
		}
	}()
	return o
}

// line returns the rest of the next line of a run that starts with prefix.
func (r *rig) line(run uint64, prefix string) string {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case text, ok := <-r.lines[run].lines:
			if rest, found := strings.CutPrefix(text, prefix); found {
				return strings.TrimSpace(rest)
			}
			if !ok {
				r.t.Fatalf("run %d never printed %q", run, prefix)
			}
		case <-deadline:
			r.t.Fatalf("waited in vain for run %d to print %q", run, prefix)
		}
	}
}

// dies waits until a process is no more; it is not a child of the test unless
// the hand reaps it.
func (r *rig) dies(pid int) {
	r.t.Helper()
	until(r.t, fmt.Sprintf("the end of pid %d", pid), func() bool {
		return syscall.Kill(pid, 0) == syscall.ESRCH
	})
}

// ready waits until n processes of a run have said that they are ready, and
// returns their pids in the order of that.
func (r *rig) ready(run uint64, n int) []int {
	r.t.Helper()
	var pids []int
	for range n {
		pid, err := strconv.Atoi(r.line(run, "ready "))
		if err != nil {
			r.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}
