package tree_test

import (
	"testing"
	"time"

	"gosup/sim"
	"gosup/tree"
)

// Every end is counted once, by its kind.
func TestEndsAreCounted(t *testing.T) {
	t.Parallel()
	w := sim.NewWorld(parseTree(t, "- web immediate max=unlimited"), 1, start)
	ends := func() tree.Ends { return w.Node("web").Ends }
	id := w.Node("web").ID
	end := func(exit tree.Exit) {
		t.Helper()
		w.RunTo(w.Now().Add(time.Second))
		if !w.End(id, exit) {
			t.Fatal("it does not run")
		}
		w.RunTo(w.Now().Add(time.Second))
	}
	end(tree.Exit{Code: 1})
	end(tree.Exit{Code: 0})
	end(tree.Exit{Code: -1, Signal: 9, Name: "SIGKILL", OOM: true, Cause: tree.Signalled})
	want := tree.Ends{OOM: 1}
	want.By[tree.Ended], want.By[tree.Signalled] = 2, 1
	if got := ends(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.Post(w.Now(), tree.Asked{Verb: tree.AskStop, Names: []string{"web"}})
	w.RunTo(w.Now().Add(time.Minute))
	want.By[tree.Stopped] = 1
	if got := ends(); got != want {
		t.Errorf("after a stop: got %+v, want %+v", got, want)
	}
	// The next daemon goes on counting.
	past := tree.Past{Image: w.Tree().Image()}
	if got := tree.Restore(parseTree(t, "- web"), 1, w.Now(), past).View(nil)[0].Ends; got != want {
		t.Errorf("after a new start: got %+v, want %+v", got, want)
	}
}
