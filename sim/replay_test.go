package sim

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"gosup/journal"
	"gosup/tree"
)

// A tree that is fed from a journal does what the tree did that the journal
// was kept of.
func TestReplay(t *testing.T) {
	t.Parallel()
	for seed := uint64(2000); seed < 2010; seed++ {
		s := newStorm(fromSeed(seed), 20, seed)
		var lines bytes.Buffer
		j, err := journal.NewWriter(&lines, s.spec, seed)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		s.w.Saw = func(e tree.Effect) { want = append(want, line(e)) }
		s.w.Fed = func(at Time, events []tree.Event) {
			if err := j.Step(at, events); err != nil {
				t.Fatal(err)
			}
		}
		s.play(200)
		got := replay(t, &lines)
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Fatalf("seed %d: effect %d of %d was %q", seed, i, len(want), want[i])
			}
		}
	}
}

// replay returns what a tree does that is fed from a journal.
func replay(t *testing.T, lines io.Reader) (effects []string) {
	t.Helper()
	j, err := journal.NewReader(lines)
	if err != nil {
		t.Fatal(err)
	}
	again := tree.New(j.Tree, j.Seed)
	for {
		at, events, err := j.Next()
		if errors.Is(err, io.EOF) {
			return effects
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range again.Step(at, events, nil) {
			effects = append(effects, line(e))
		}
		again.Check()
	}
}
