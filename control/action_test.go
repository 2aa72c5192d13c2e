package control

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gosup/tree"
)

func TestRolling(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		names string
		want  [][]string
	}{
		{"db", [][]string{{"db"}}},
		{"db api/web", [][]string{{"db", "api/web"}}},
		{"web@1 web@2 db web@3 job@1 job@2", [][]string{{"web@1", "db", "job@1"}, {"web@2", "job@2"}, {"web@3"}}},
		{"-web@1 web@2 db -web@3 web@4", [][]string{{"web@1", "web@2", "db", "web@3"}, {"web@4"}}},
	} {
		var nodes []*tree.Node
		for _, name := range strings.Fields(test.names) {
			n := running(1, strings.TrimPrefix(name, "-"))
			if strings.HasPrefix(name, "-") {
				n = in(n, tree.StateStopped, "by uid 0")
			}
			nodes = append(nodes, n)
		}
		if diff := cmp.Diff(test.want, rolling(nodes)); diff != "" {
			t.Errorf("%s: %s", test.names, diff)
		}
	}
}

// restartWorld has three instances, of which the second may not come up.
func restartWorld(t *testing.T, broken bool) *world {
	nodes := []*tree.Node{running(1, "web@1"), running(2, "web@2"), running(3, "web@3")}
	f := newFake(nodes...)
	f.answer = func(a tree.Asked) tree.Answer {
		var out tree.Answer
		fresh := append([]*tree.Node{}, f.snap.Nodes...)
		for i, n := range fresh {
			if !strings.Contains(strings.Join(a.Names, " "), n.Name) {
				continue
			}
			out.Results = append(out.Results, tree.Result{Node: n.ID, Name: n.Name, Changed: true, Order: 1, Run: 1})
			fresh[i] = with(n, func(n *tree.Node) { n.Orders, n.Run = 1, 2 })
			if broken && n.Name == "web@2" {
				fresh[i] = with(in(fresh[i], tree.StateFailed, "broken"), func(n *tree.Node) { n.Failures = 1 })
			}
		}
		f.snap = &tree.Snapshot{Version: f.snap.Version + 1, Nodes: fresh}
		return out
	}
	return serve(t, f)
}

func TestRollingRestart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		broken   bool
		req      ActionRequest
		asked    [][]string
		outcomes []Outcome
	}{
		{"one after the other", false, ActionRequest{}, [][]string{{"web@1"}, {"web@2"}, {"web@3"}},
			[]Outcome{OutcomeDone, OutcomeDone, OutcomeDone}},
		{"until one fails", true, ActionRequest{}, [][]string{{"web@1"}, {"web@2"}},
			[]Outcome{OutcomeDone, OutcomeFailed, OutcomeFailed}},
		{"together", false, ActionRequest{AtOnce: true}, [][]string{{"web@1", "web@2", "web@3"}},
			[]Outcome{OutcomeDone, OutcomeDone, OutcomeDone}},
		{"not waited for", false, ActionRequest{NoWait: true}, [][]string{{"web@1", "web@2", "web@3"}},
			[]Outcome{OutcomeAccepted, OutcomeAccepted, OutcomeAccepted}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := restartWorld(t, test.broken)
			test.req.Names = []string{"web@1", "web@2", "web@3"}
			results, err := w.client().Act(soon(t), "restart", test.req)
			if err != nil {
				t.Fatal(err)
			}
			var asked [][]string
			for _, a := range w.asked {
				asked = append(asked, a.Names)
			}
			var outcomes []Outcome
			for _, r := range results {
				outcomes = append(outcomes, r.Outcome)
			}
			if diff := cmp.Diff(test.asked, asked); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.outcomes, outcomes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStopNamesDependents(t *testing.T) {
	t.Parallel()
	db := in(running(1, "db"), tree.StateStopped, "by uid 0")
	for _, test := range []struct {
		without []string
		want    string
	}{
		{nil, "stopped"},
		{[]string{"web"}, "stopped; web runs on without it"},
		{[]string{"web", "job"}, "stopped; web, job run on without it"},
	} {
		w := newWatch(tree.AskStop, []tree.Result{{Node: 1, Name: "db", Changed: true, Without: test.without}}, false)
		w.see(&tree.Snapshot{Nodes: []*tree.Node{db}})
		w.nameDependents()
		if got := w.results[0].Message; got != test.want {
			t.Errorf("%v: got %q, want %q", test.without, got, test.want)
		}
	}
}
