package procman

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// superior is a supervisor above that hears what it is told.
type superior struct {
	mu    sync.Mutex
	heard []string
	deaf  bool
}

func (s *superior) take(state string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deaf {
		return errors.New("deaf")
	}
	s.heard = append(s.heard, strings.Split(state, "\n")...)
	return nil
}

// since returns what was heard from the n-th line on, without beats.
func (s *superior) since(n int) (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.heard[n:] {
		if line != "WATCHDOG=1" {
			lines = append(lines, line)
		}
	}
	return lines
}

func (s *superior) beats() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.heard {
		if line == "WATCHDOG=1" {
			n++
		}
	}
	return n
}

// What is told over the life of a daemon, in its order.
func TestHerald(t *testing.T) {
	loop(t, func(t *testing.T, m *Manager, c *fakeCrew) {
		s := &superior{}
		h := newHerald(m, &tree.Snapshot{}, s.take, 0)
		defer h.Close()
		pass(time.Second)
		want := []string{"READY=1", "STATUS=1 process, 1 running"}
		if got := s.since(0); !slices.Equal(got, want) {
			t.Errorf("at the start: %q, want %q", got, want)
		}
		n := len(s.since(0))
		c.crash()
		pass(heraldPace)
		if got, want := s.since(n), []string{"STATUS=1 process, 1 backoff (web)"}; !slices.Equal(got, want) {
			t.Errorf("after a crash: %q, want %q", got, want)
		}
		pass(10 * time.Second)
		n = len(s.since(0))
		h.Reloading()
		h.Reloaded(spec.Supervisor{ShutdownTimeout: time.Minute})
		want = []string{"RELOADING=1", "MONOTONIC_USEC=" + strconv.FormatInt(int64(m.Now())/1000, 10), "READY=1"}
		if got := s.since(n); !slices.Equal(got, want) {
			t.Errorf("a reload: %q, want %q", got, want)
		}
		n = len(s.since(0))
		c.deaf.Store(true)
		m.Shutdown(tree.Orderly, "test", "")
		pass(time.Second)
		want = []string{"STOPPING=1", "EXTEND_TIMEOUT_USEC=70000000", "STATUS=1 process, 1 stopping (web)"}
		if got := s.since(n); !slices.Equal(got, want) {
			t.Errorf("a shutdown: %q, want %q", got, want)
		}
		h.Reloading() // nobody wants to hear of that now
		if got := s.since(n); !slices.Equal(got, want) {
			t.Errorf("a reload meanwhile: %q", got)
		}
	})
}

// A storm of changes is told in few words.
func TestHeraldIsPaced(t *testing.T) {
	loop(t, func(t *testing.T, m *Manager, c *fakeCrew) {
		s := &superior{}
		h := newHerald(m, &tree.Snapshot{}, s.take, 0)
		defer h.Close()
		pass(time.Second)
		for range 100 {
			c.crash()
			synctest.Wait()
			if _, err := m.Ask(t.Context(), tree.Asked{Verb: tree.AskStart, Names: []string{"web"}}); err != nil {
				t.Fatal(err)
			}
			pass(10 * time.Millisecond)
		}
		if n := len(s.since(0)); n > 20 {
			t.Errorf("%d lines for a second of crashes", n)
		}
	})
}

// Signs of life come from the loop: one that stands still gives none.
func TestHeraldBeats(t *testing.T) {
	loop(t, func(t *testing.T, m *Manager, _ *fakeCrew) {
		s := &superior{}
		h := newHerald(m, &tree.Snapshot{}, s.take, 5*time.Second)
		defer h.Close()
		pass(61 * time.Second)
		if n := s.beats(); n != 13 {
			t.Errorf("%d signs of life within a minute, want one each 5s", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		m := newManager(Options{Tree: oneProcess(), Logger: slog.New(slog.DiscardHandler)}, newClock()) // nobody runs it
		s := &superior{}
		h := newHerald(m, &tree.Snapshot{}, s.take, 5*time.Second)
		pass(time.Minute)
		h.Close()
		if n := s.beats(); n != 0 {
			t.Errorf("a loop that stands still gave %d signs of life", n)
		}
	})
}

// Who does not hear holds nobody up, and is told again later.
func TestHeraldWithADeafSuperior(t *testing.T) {
	loop(t, func(t *testing.T, m *Manager, c *fakeCrew) {
		s := &superior{deaf: true}
		h := newHerald(m, &tree.Snapshot{}, s.take, 5*time.Second)
		defer h.Close()
		pass(time.Minute)
		s.mu.Lock()
		s.deaf = false
		s.mu.Unlock()
		pass(time.Minute)
		if s.beats() == 0 {
			t.Error("it gave up")
		}
	})
}

func TestWatchdog(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"", "", 0}, {"10000000", "", 5 * time.Second}, {"10000000", strconv.Itoa(os.Getpid()), 5 * time.Second},
		{"10000000", "1", 0}, {"0", "", 0}, {"x", "", 0}, {"-1", "", 0}, {"9223372036854775807", "", 12 * time.Hour},
	} {
		env := map[string]string{"WATCHDOG_USEC": test.usec, "WATCHDOG_PID": test.pid}
		if got := watchdog(func(name string) string { return env[name] }); got != test.want {
			t.Errorf("%+v: got %v", test, got)
		}
	}
	if h := NewHerald(nil, func(string) string { return "" }); h != nil {
		t.Error("a herald with nobody to tell")
	} else {
		h.Reloading() // and these do nothing
		h.Reloaded(spec.Supervisor{})
		h.Close()
	}
}

// READY=1 waits for what is on its way, and for nothing else.
func TestSettled(t *testing.T) {
	t.Parallel()
	node := func(name string, s tree.State, on ...string) *tree.Node {
		return &tree.Node{Name: name, State: s, WaitingOn: on}
	}
	again := func(n *tree.Node) *tree.Node { n.Run = 2; return n }
	failed := func(n *tree.Node) *tree.Node { n.Failures = 1; return n }
	health := func(n *tree.Node, h tree.Health) *tree.Node { n.Health = h; return n }
	breaker := func(s policy.BreakerState) []tree.Breaker { return []tree.Breaker{{Name: "pg", State: s}} }
	const (
		up, wait, begin = tree.StateRunning, tree.StateWaiting, tree.StateStarting
	)
	for _, test := range []struct {
		name     string
		nodes    []*tree.Node
		breakers []tree.Breaker
		want     bool
	}{
		{"all run", []*tree.Node{node("a", up), node("b", tree.StateExited), node("c", tree.StateStopped)}, nil, true},
		{"starts", []*tree.Node{node("a", begin)}, nil, false},
		{"starts again", []*tree.Node{again(node("a", begin))}, nil, true},
		{"tries again", []*tree.Node{failed(node("a", begin))}, nil, true},
		{"in backoff", []*tree.Node{node("a", tree.StateBackoff)}, nil, true},
		{"given up", []*tree.Node{node("a", tree.StateFailed)}, nil, true},
		{"waits for its turn", []*tree.Node{node("a", wait)}, nil, false},
		{"waits for a starting one", []*tree.Node{node("a", wait, "b"), node("b", begin)}, nil, false},
		{"waits for a first result", []*tree.Node{node("a", wait, "b"), health(node("b", up), tree.HealthUnknown)}, nil, false},
		{"waits for an unhealthy one", []*tree.Node{node("a", wait, "b"), health(node("b", up), tree.HealthBad)}, nil, true},
		{"waits for one that crashes", []*tree.Node{node("a", wait, "b"), node("b", tree.StateBackoff)}, nil, true},
		{"waits for one that tries again", []*tree.Node{node("a", wait, "b"), failed(node("b", begin))}, nil, true},
		{"waits for one that is stopped", []*tree.Node{node("a", wait, "b"), node("b", tree.StateStopped)}, nil, true},
		{"waits for one that waits in vain", []*tree.Node{node("a", wait, "b"), node("b", wait, "c"), node("c", tree.StateFailed)}, nil, true},
		{"waits for one that waits", []*tree.Node{node("a", wait, "b"), node("b", wait, "c"), node("c", begin)}, nil, false},
		{"one of two is in vain", []*tree.Node{node("a", wait, "b", "c"), node("b", tree.StateFailed), node("c", up)}, nil, true},
		{"first probe of a dependency", []*tree.Node{node("a", wait, "pg")}, breaker(policy.Closed), false},
		{"dependency is out", []*tree.Node{node("a", wait, "pg")}, breaker(policy.Open), true},
		{"dependency is tried", []*tree.Node{node("a", wait, "pg")}, breaker(policy.HalfOpen), true},
		{"waited for once before", []*tree.Node{func() *tree.Node { n := node("a", wait, "b"); n.Run = 1; return n }(), node("b", begin)}, nil, false},
		{"a group is none of it", []*tree.Node{{Name: "g", IsGroup: true, State: begin}}, nil, true},
	} {
		for i, n := range test.nodes {
			n.ID = tree.NodeID(i + 1)
		}
		if got := settled(&tree.Snapshot{}, &tree.Snapshot{Nodes: test.nodes, Breakers: test.breakers}); got != test.want {
			t.Errorf("%s: got %v", test.name, got)
		}
		// What an earlier daemon has counted changes nothing.
		var before, now []*tree.Node
		for _, n := range test.nodes {
			old, later := *n, *n
			old.Run, old.Failures, old.State = 70, 8, tree.StateStopped
			later.Run, later.Failures = n.Run+70, n.Failures+8
			before, now = append(before, &old), append(now, &later)
		}
		if got := settled(&tree.Snapshot{Nodes: before}, &tree.Snapshot{Nodes: now, Breakers: test.breakers}); got != test.want {
			t.Errorf("%s, with a past: got %v", test.name, got)
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	var nodes []*tree.Node
	add := func(s tree.State, h tree.Health, names ...string) {
		for _, n := range names {
			nodes = append(nodes, &tree.Node{Name: n, State: s, Health: h})
		}
	}
	add(tree.StateRunning, tree.Healthy, "a", "b")
	add(tree.StateRunning, tree.HealthBad, "c")
	add(tree.StateFailed, tree.HealthNone, "d", "e", "f", "g")
	add(tree.StateStopped, tree.HealthNone, "h")
	nodes = append(nodes, &tree.Node{Name: "group", IsGroup: true})
	want := "8 processes, 1 unhealthy (c), 1 stopped, 2 running, 4 failed (d e f …)"
	if got := summary(&tree.Snapshot{Nodes: nodes}); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
