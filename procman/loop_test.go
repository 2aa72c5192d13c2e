package procman

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// fakeCrew is a world without processes: what it starts runs until it is told
// to stop, or until the test ends it.
type fakeCrew struct {
	m    *Manager
	deaf atomic.Bool // it ignores every signal but SIGKILL

	mu   sync.Mutex
	runs []tree.Start
}

func (c *fakeCrew) start(e tree.Start) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs = append(c.runs, e)
	c.m.Tell(tree.Started{Node: e.Node, Run: e.Run, PID: 100 + len(c.runs)})
}

// starts returns how many runs were begun.
func (c *fakeCrew) starts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.runs)
}

func (c *fakeCrew) signal(e tree.Signal) {
	if c.deaf.Load() && e.Signal != 9 {
		return
	}
	c.m.Tell(tree.Exited{Node: e.Node, Run: e.Run, Exit: tree.Exit{Code: -1, Signal: e.Signal, Cause: tree.Signalled, At: c.m.Now()}})
}

func (c *fakeCrew) redefine(tree.Changed)  {}
func (c *fakeCrew) hook(tree.RunHook)      {}
func (c *fakeCrew) cancel(tree.CancelHook) {}
func (c *fakeCrew) record(tree.Crashed)    {}
func (c *fakeCrew) probe(tree.Probe)       {}
func (c *fakeCrew) listen(tree.Listen)     {}
func (c *fakeCrew) forget(tree.Forget)     {}

// crash ends the latest run.
func (c *fakeCrew) crash() {
	c.mu.Lock()
	e := c.runs[len(c.runs)-1]
	c.mu.Unlock()
	c.m.Tell(tree.Exited{Node: e.Node, Run: e.Run, Exit: tree.Exit{Code: 1, At: c.m.Now()}})
}

// oneProcess is the tree of a single process with production's restart.
func oneProcess() *spec.Tree {
	p := &spec.Process{
		Name: "web", Autostart: true,
		Stop: spec.Stop{Steps: []spec.StopStep{{Signal: 15, Wait: 10 * time.Second}}},
		Restart: spec.Restart{
			Backoff: policy.Backoff{Curve: policy.Exponential, Initial: time.Second, Max: 30 * time.Second, Multiplier: 2},
			Limit:   policy.Limit{Max: 5, Within: time.Minute},
		},
	}
	t := &spec.Tree{Supervisor: spec.Supervisor{Name: "test", ShutdownTimeout: 30 * time.Second}}
	t.Root.Members = []spec.Member{{Process: p}}
	return t
}

// loop runs a manager with a fake crew in a bubble of virtual time.
func loop(t *testing.T, f func(t *testing.T, m *Manager, c *fakeCrew)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(Options{Tree: oneProcess(), Logger: slog.New(slog.DiscardHandler)}, newClock())
		c := &fakeCrew{m: m}
		m.crew = c
		code := make(chan int)
		go func() { code <- m.Run() }()
		synctest.Wait()
		f(t, m, c)
		m.Shutdown(tree.AtOnce, "test", "")
		if got := <-code; got != 0 {
			t.Errorf("exit code: got %d, want 0", got)
		}
	})
}

// pass lets virtual time pass, in which every other goroutine of the bubble
// does what it is due to do.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func state(m *Manager) tree.State { return m.Snapshot().Nodes[0].State }

func TestLoopWaitsOutTheBackoff(t *testing.T) {
	loop(t, func(t *testing.T, m *Manager, c *fakeCrew) {
		if got := state(m); got != tree.StateRunning {
			t.Fatalf("after the start: got %v, want running", got)
		}
		for n, delay := range []time.Duration{1, 2, 4, 8, 16} {
			c.crash()
			synctest.Wait()
			if got := state(m); got != tree.StateBackoff {
				t.Fatalf("after crash %d: got %v, want backoff", n+1, got)
			}
			pass(delay*time.Second - time.Millisecond)
			if got, want := c.starts(), n+1; got != want {
				t.Fatalf("just before the delay of restart %d is over: got %d starts, want %d", n+1, got, want)
			}
			pass(time.Millisecond)
			if got, want := c.starts(), n+2; got != want {
				t.Fatalf("after the delay of restart %d: got %d starts, want %d", n+1, got, want)
			}
		}
		c.crash()
		synctest.Wait()
		if got := state(m); got != tree.StateFailed {
			t.Errorf("after the last crash: got %v, want failed", got)
		}
	})
}

func TestAskIsAnswered(t *testing.T) {
	loop(t, func(t *testing.T, m *Manager, c *fakeCrew) {
		answer, err := m.Ask(t.Context(), tree.Asked{Verb: tree.AskStop, Names: []string{"web"}, By: "uid 0"})
		if err != nil || len(answer.Results) != 1 || !answer.Results[0].Changed {
			t.Fatalf("stop: got %+v, %v", answer, err)
		}
		synctest.Wait()
		if got := state(m); got != tree.StateStopped {
			t.Errorf("after the stop: got %v, want stopped", got)
		}
		answer, err = m.Ask(t.Context(), tree.Asked{Verb: tree.AskStart, Names: []string{"nobody"}})
		var unknown *spec.UnknownError
		if err != nil || !errors.As(answer.Err, &unknown) {
			t.Errorf("start of nobody: got %+v, %v, want an UnknownError", answer, err)
		}
	})
}

func TestStopKillsTheDeaf(t *testing.T) {
	loop(t, func(t *testing.T, m *Manager, c *fakeCrew) {
		c.deaf.Store(true)
		if _, err := m.Ask(t.Context(), tree.Asked{Verb: tree.AskStop, Names: []string{"all"}}); err != nil {
			t.Fatal(err)
		}
		pass(9 * time.Second)
		if got := state(m); got != tree.StateStopping {
			t.Fatalf("within the stop timeout: got %v, want stopping", got)
		}
		pass(time.Second)
		if got := state(m); got != tree.StateStopped {
			t.Errorf("after the stop timeout: got %v, want stopped", got)
		}
	})
}

func TestChangedWaits(t *testing.T) {
	loop(t, func(t *testing.T, m *Manager, c *fakeCrew) {
		before := m.Snapshot()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.Changed(ctx, before.Version); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("with nothing happening: got %v, want a deadline", err)
		}
		c.crash()
		after, err := m.Changed(t.Context(), before.Version)
		if err != nil || after.Version <= before.Version {
			t.Errorf("after a crash: got version %d, %v, want more than %d", after.Version, err, before.Version)
		}
		if before.Nodes[0].State != tree.StateRunning {
			t.Errorf("an old snapshot changed: %v", before.Nodes[0].State)
		}
	})
}

func TestEventsKeepTheirOrder(t *testing.T) {
	loop(t, func(t *testing.T, m *Manager, c *fakeCrew) {
		c.crash()
		synctest.Wait()
		notes, gap := m.Events(0)
		if gap {
			t.Error("a gap in a short history")
		}
		var got []string
		for i, n := range notes {
			if n.Seq != uint64(i+1) {
				t.Fatalf("note %d has number %d", i, n.Seq)
			}
			got = append(got, n.To)
		}
		want := []string{"starting", "running", "backoff"}
		if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
			t.Errorf("got %v, want %v", got, want)
		}
		if later, _ := m.Events(2); len(later) != 1 || later[0].To != "backoff" {
			t.Errorf("after number 2: got %v", later)
		}
	})
}
