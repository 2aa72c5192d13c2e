package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// TestThousandReloads ends, after a thousand reloads that follow one another
// before anything is done with the last, in what a fresh start of the last
// definition gives.
func TestThousandReloads(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed <= 10; seed++ {
		d := fromSeed(seed)
		s := randomTree(d, 12)
		tame(&s.Root)
		w := NewWorld(s, seed, 0)
		for range 1000 {
			s = change(d, s)
			tame(&s.Root)
			started(&s.Root)
			w.Feed(tree.Reloaded{Tree: s, By: "test"})
			w.RunTo(w.Now().Add(time.Duration(d.IntN(3000)) * time.Millisecond))
		}
		w.RunTo(w.Now().Add(10 * time.Minute))
		fresh := NewWorld(s, seed, 0)
		fresh.RunTo(fresh.Now().Add(10 * time.Minute))
		if got, want := reached(w), reached(fresh); got != want {
			t.Errorf("seed %d: got\n%s\nwant\n%s", seed, got, want)
		}
	}
}

// started has all processes of a definition start by themselves: a process that
// runs is not stopped since its file no longer starts it.
func started(g *spec.Group) {
	eachProcess(g, func(p *spec.Process) { p.Autostart = true })
}

// reached is what became of the processes of a world, in their order.
func reached(w *World) string {
	var b strings.Builder
	for _, n := range w.View() {
		if n.Name != "" {
			fmt.Fprintf(&b, "%s %s\n", n.Name, n.State)
		}
	}
	return b.String()
}
