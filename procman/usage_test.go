package procman

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/tree"
)

// A meter looks no more often than it may, and tells the share of the time
// since the last look, or of the whole run when nobody has looked for long.
func TestMeter(t *testing.T) {
	t.Parallel()
	var (
		now   tree.Time
		used  time.Duration
		looks int
		cost  time.Duration
	)
	key := runKey{1, 1}
	snap := &tree.Snapshot{Nodes: []*tree.Node{{ID: 1, Run: 1, StartedAt: tree.Time(10 * time.Second)}}}
	m := meter{look: func(*tree.Snapshot) map[runKey]use {
		looks++
		now = now.Add(cost)
		return map[runKey]use{key: {cpu: used, memoryBytes: 42}}
	}}
	for _, step := range []struct {
		name    string
		at      time.Duration // of the clock
		cpu     time.Duration // in all
		cost    time.Duration // of a look
		percent float64
		looks   int
	}{
		{"the first look: the whole run", 20 * time.Second, 5 * time.Second, 0, 50, 1},
		{"too soon", 20*time.Second + 999*time.Millisecond, 6 * time.Second, 0, 50, 1},
		{"since the last look", 22 * time.Second, 8 * time.Second, 0, 150, 2},
		{"rounded to a tenth", 25 * time.Second, 8*time.Second + 10*time.Millisecond, 0, 0.3, 3},
		{"who was not waited for takes its time along", 27 * time.Second, time.Second, 0, 0, 4},
		{"too long ago: the whole run", 60 * time.Second, 25 * time.Second, time.Second, 50, 5},
		{"a dear look lasts longer", 69 * time.Second, 30 * time.Second, 0, 50, 5},
		{"but not for ever", 70 * time.Second, 30 * time.Second, 0, 50, 6},
	} {
		now, used, cost = tree.Time(step.at), step.cpu, step.cost
		got := m.read(func() *tree.Snapshot { return snap }, func() tree.Time { return now })[key]
		if got.percent != step.percent || got.memoryBytes != 42 || looks != step.looks {
			t.Errorf("%s: got %g%%, %d bytes after %d looks; want %g%% after %d", step.name, got.percent, got.memoryBytes, looks, step.percent, step.looks)
		}
	}

	// Another run of the process begins with nothing.
	snap = &tree.Snapshot{Nodes: []*tree.Node{{ID: 1, Run: 2, StartedAt: tree.Time(70 * time.Second)}}}
	key = runKey{1, 2}
	now, used = tree.Time(74*time.Second), time.Second
	got := m.read(func() *tree.Snapshot { return snap }, func() tree.Time { return now })
	want := map[runKey]use{key: {cpu: time.Second, percent: 25, memoryBytes: 42}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(use{}, runKey{})); diff != "" {
		t.Error(diff)
	}
}
