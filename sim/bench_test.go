package sim

import (
	"testing"
	"time"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// BenchmarkStep measures the Steps of a tree of about 100 nodes in which
// processes crash and are restarted without end.
func BenchmarkStep(b *testing.B) {
	d := fromSeed(1)
	s := randomTree(d, 100)
	s.Dependencies = nil
	plain(&s.Root)
	calm(&s.Root)
	w := NewWorld(s, 1, 0)
	w.Unchecked = true
	w.Live = func(*spec.Process, uint64) Life {
		return Life{Runs: time.Duration(1+d.IntN(1000)) * ms, Well: Forever, Exit: tree.Exit{Code: 1}, Obeys: ms, Dies: ms}
	}
	b.ReportMetric(float64(len(w.View())), "nodes")
	b.ResetTimer()
	for b.Loop() {
		if !w.Advance(w.Now().Add(time.Hour)) {
			b.Fatal("nothing happens any more")
		}
	}
}

// calm makes a tree that never gives up.
func calm(g *spec.Group) {
	tame(g)
	if g.Restart != nil || g.Strategy.Ordered() {
		g.Restart = &spec.Restart{Limit: policy.Limit{Max: policy.Unlimited, Within: time.Second},
			Backoff: policy.Backoff{Curve: policy.Delayed, Initial: 10 * ms}}
	}
	for _, m := range g.Members {
		if m.Group != nil {
			calm(m.Group)
			continue
		}
		m.Process.Type, m.Process.Autostart = spec.Service, true
		m.Process.Restart.Policy, m.Process.Restart.OnExit = policy.Always, nil
		m.Process.Restart.Limit = policy.Limit{Max: policy.Unlimited, Within: time.Second}
	}
}
