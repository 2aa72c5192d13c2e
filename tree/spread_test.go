package tree_test

import (
	"fmt"
	"testing"
	"time"

	"gosup/policy"
	"gosup/sim"
	"gosup/spec"
	"gosup/tree"
)

// TestProbesAreSpread: what was started together is not probed together, the
// time from one probe of a check to its next is the interval, and those that
// are due at nearly the same time go at one time.
func TestProbesAreSpread(t *testing.T) {
	t.Parallel()
	const count, interval = 1000, 2 * time.Second
	const early = interval / 100
	times := map[tree.Time]bool{} // at which any was probed
	s := &spec.Tree{}
	for i := range count {
		p := parseProcess(fmt.Sprintf("p%d", i), []string{"check=2s"})
		s.Root.Members = append(s.Root.Members, spec.Member{Process: p})
	}
	var slots [100]int // of the interval
	last := map[tree.NodeID]tree.Time{}
	w := sim.NewWorld(s, 1, start)
	w.Answer = func(tree.Probe) (tree.Probed, time.Duration) {
		return tree.Probed{Health: tree.Healthy}, time.Millisecond
	}
	w.Saw = func(e tree.Effect) {
		p, ok := e.(tree.Probe)
		if !ok {
			return
		}
		now := w.Now()
		switch before, again := last[p.Node]; {
		case !again:
			if since := now.Sub(start); since < interval/2-early || since > interval*3/2 {
				t.Errorf("first probe after %v", since)
			}
		default:
			if gap := now.Sub(before); gap < interval-early || gap > interval+early {
				t.Errorf("probed again after %v", gap)
			}
			slots[now.Sub(start)%interval/(interval/100)]++
		}
		last[p.Node] = now
		times[now] = true
	}
	const rounds = 5
	w.RunTo(start.Add(interval * 3 / 2))
	steps := w.Steps()
	clear(times)
	w.RunTo(start.Add(interval*3/2 + rounds*interval))
	for i, n := range slots {
		if want := rounds * count / 100; n < want/2 || n > 2*want {
			t.Errorf("slot %d of 100 has %d probes, about %d are wanted", i, n, want)
		}
	}
	if most := rounds * int(interval/early) * 11 / 10; len(times) > most {
		t.Errorf("probes were sent at %d times, want %d at most", len(times), most)
	}
	if steps = w.Steps() - steps; steps > rounds*count*3/2 {
		t.Errorf("%d steps for %d probes and their results", steps, rounds*count)
	}
}

// TestRefundLimit: what is remembered for a refund is bounded, however often
// a process restarts before a breaker opens.
func TestRefundLimit(t *testing.T) {
	t.Parallel()
	s := &spec.Tree{Dependencies: []spec.Dependency{parseDependency([]string{"pg", "every=10s", "fail=1"})}}
	p := parseProcess("a", []string{"requires=pg", "immediate", "max=unlimited"})
	s.Root.Members = []spec.Member{{Process: p}}
	w := sim.NewWorld(s, 1, start)
	down := false
	w.Answer = func(tree.Probe) (tree.Probed, time.Duration) {
		if down {
			return tree.Probed{Health: tree.HealthBad}, 0
		}
		return tree.Probed{Health: tree.Healthy}, 0
	}
	w.Live = func(*spec.Process, uint64) sim.Life {
		return sim.Life{Runs: 10 * time.Millisecond, Exit: tree.Exit{Code: 1}}
	}
	w.RunTo(start.Add(5 * time.Second))
	down = true
	w.RunTo(start.Add(11 * time.Second))
	n := w.Node("a")
	if n.State != tree.StateWaiting || n.Limit.Max != policy.Unlimited {
		t.Fatalf("got %s, limit %d", n.State, n.Limit.Max)
	}
	if got := n.Restarts(w.Now()); got < 500 {
		t.Errorf("%d restarts left of about 1000, want all but a few to count", got)
	}
}
