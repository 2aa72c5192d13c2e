package control

import (
	"context"
	"testing"
	"time"

	"gosup/tree"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	web := running(1, "web")
	ordered := func(n *tree.Node) *tree.Node { return with(n, func(n *tree.Node) { n.Orders = 1 }) }
	failed := func(n *tree.Node) *tree.Node { return with(ordered(n), func(n *tree.Node) { n.Failures = 1 }) }
	next := func(n *tree.Node) *tree.Node { return with(ordered(n), func(n *tree.Node) { n.Run = 2; n.PID = 2001 }) }
	overtaken := func(n *tree.Node) *tree.Node { return with(n, func(n *tree.Node) { n.Orders = 2 }) }
	exit := func(n *tree.Node, code int) *tree.Node {
		return with(n, func(n *tree.Node) { n.LastExit = &tree.Exit{Code: code} })
	}
	changed := tree.Result{Node: 1, Name: "web", Changed: true, Order: 1, Run: 1}
	same := tree.Result{Node: 1, Name: "web", Order: 1, Run: 1}

	for _, test := range []struct {
		name    string
		verb    tree.Verb
		asked   tree.Result
		noWait  bool
		nodes   []*tree.Node // one snapshot after the other; nil: it is no more
		outcome Outcome
		message string
	}{
		{name: "start", verb: tree.AskStart, asked: changed,
			nodes:   []*tree.Node{ordered(in(web, tree.StateStarting, "")), ordered(web)},
			outcome: OutcomeDone, message: "running (pid 1001)"},
		{name: "start of what runs", verb: tree.AskStart, asked: same,
			nodes:   []*tree.Node{ordered(web)},
			outcome: OutcomeUnchanged, message: "was running already (pid 1001)"},
		{name: "snapshot from before the wish", verb: tree.AskStart, asked: changed,
			nodes:   []*tree.Node{in(web, tree.StateStopped, "by uid 0"), ordered(web)},
			outcome: OutcomeDone, message: "running (pid 1001)"},
		{name: "start of a oneshot", verb: tree.AskStart, asked: changed,
			nodes:   []*tree.Node{exit(ordered(in(web, tree.StateExited, "")), 0)},
			outcome: OutcomeDone, message: "done: exited with code 0"},
		{name: "start that fails and is retried", verb: tree.AskStart, asked: changed,
			nodes:   []*tree.Node{ordered(in(web, tree.StateStarting, "")), failed(in(web, tree.StateBackoff, "no such file"))},
			outcome: OutcomeFailed, message: "first attempt failed: no such file; retries go on"},
		{name: "start that fails for good", verb: tree.AskStart, asked: changed,
			nodes:   []*tree.Node{failed(in(web, tree.StateFailed, "0 restarts"))},
			outcome: OutcomeFailed, message: "failed: 0 restarts"},
		{name: "start that ends badly and is not restarted", verb: tree.AskStart, asked: changed,
			nodes:   []*tree.Node{failed(exit(in(web, tree.StateExited, "exited with code 3"), 3))},
			outcome: OutcomeFailed, message: "exited: exited with code 3"},
		{name: "start that failed once and then came up", verb: tree.AskStart, asked: changed,
			nodes:   []*tree.Node{failed(web)},
			outcome: OutcomeDone, message: "running (pid 1001)"},
		{name: "start overtaken by a stop", verb: tree.AskStart, asked: changed,
			nodes:   []*tree.Node{overtaken(in(web, tree.StateStopped, "by uid 7"))},
			outcome: OutcomeOvertaken, message: "overtaken by a later wish: stopped: by uid 7"},
		{name: "start of what a reload removes", verb: tree.AskStart, asked: changed,
			nodes:   []*tree.Node{nil},
			outcome: OutcomeOvertaken, message: "it was removed by a reload"},
		{name: "start that waits for ever", verb: tree.AskStart, asked: changed,
			nodes:   []*tree.Node{ordered(in(web, tree.StateWaiting, "waits for db"))},
			outcome: OutcomeTimeout, message: "not yet after 1m0s: it is waiting: waits for db"},
		{name: "start refused", verb: tree.AskStart, asked: tree.Result{Node: 1, Name: "web", Err: "gosup is shutting down"},
			nodes:   []*tree.Node{web},
			outcome: OutcomeFailed, message: "gosup is shutting down"},
		{name: "start not waited for", verb: tree.AskStart, asked: changed, noWait: true,
			nodes:   []*tree.Node{in(web, tree.StateStarting, "")},
			outcome: OutcomeAccepted, message: "start is on its way"},
		{name: "stop", verb: tree.AskStop, asked: changed,
			nodes:   []*tree.Node{web, ordered(web), ordered(in(web, tree.StateStopping, "")), ordered(in(web, tree.StateStopped, ""))},
			outcome: OutcomeDone, message: "stopped"},
		{name: "stop of what is over", verb: tree.AskStop, asked: same,
			nodes:   []*tree.Node{ordered(in(web, tree.StateExited, ""))},
			outcome: OutcomeUnchanged, message: "was exited already"},
		{name: "stop overtaken by a start", verb: tree.AskStop, asked: changed,
			nodes:   []*tree.Node{overtaken(web)},
			outcome: OutcomeOvertaken, message: "overtaken by a later wish: running"},
		{name: "stop of what a reload removes", verb: tree.AskStop, asked: changed,
			nodes:   []*tree.Node{nil},
			outcome: OutcomeDone, message: "it was removed by a reload"},
		{name: "restart", verb: tree.AskRestart, asked: changed,
			nodes:   []*tree.Node{ordered(web), ordered(in(web, tree.StateStopping, "")), next(web)},
			outcome: OutcomeDone, message: "running (pid 2001)"},
		{name: "restart into a failure", verb: tree.AskRestart, asked: changed,
			nodes:   []*tree.Node{ordered(web), failed(next(in(web, tree.StateBackoff, "exited with code 1")))},
			outcome: OutcomeFailed, message: "first attempt failed: exited with code 1; retries go on"},
		{name: "signal", verb: tree.AskSignal, asked: tree.Result{Node: 1, Name: "web", Changed: true}, noWait: true,
			nodes:   []*tree.Node{web},
			outcome: OutcomeAccepted, message: "signal sent"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWatch(test.verb, []tree.Result{test.asked}, test.noWait)
			var snap *tree.Snapshot
			for i, n := range test.nodes {
				snap = &tree.Snapshot{}
				if n != nil {
					snap.Nodes = []*tree.Node{n}
				}
				if w.see(snap) && i < len(test.nodes)-1 {
					t.Fatalf("settled at snapshot %d: %+v", i, w.results[0])
				}
			}
			w.giveUp(snap, context.DeadlineExceeded, time.Minute)
			if got := w.results[0]; got.Outcome != test.outcome || got.Message != test.message {
				t.Errorf("got %q, %q; want %q, %q", got.Outcome, got.Message, test.outcome, test.message)
			}
		})
	}
}

// TestWatchWaiting: a start that waits goes on as long as what it waits for is
// on its way, and is given up with its reason where that is at rest.
func TestWatchWaiting(t *testing.T) {
	t.Parallel()
	waits := func(id tree.NodeID, name string, on ...string) *tree.Node {
		return with(in(running(id, name), tree.StateWaiting, "waits for "+on[0]), func(n *tree.Node) { n.Orders, n.WaitingOn = 1, on })
	}
	db := func(s tree.State) *tree.Node { return in(running(3, "db"), s, "") }
	const message = "waiting: waits for api; it starts when db does"
	for _, test := range []struct {
		name    string
		nodes   []*tree.Node
		outcome Outcome
		message string
	}{
		{"on its way", []*tree.Node{waits(1, "web", "db"), db(tree.StateStarting)}, "", ""},
		{"in backoff", []*tree.Node{waits(1, "web", "db"), db(tree.StateBackoff)}, "", ""},
		{"not healthy yet", []*tree.Node{waits(1, "web", "db"), db(tree.StateRunning)}, "", ""},
		{"a breaker", []*tree.Node{waits(1, "web", "pg")}, "", ""},
		{"stopped", []*tree.Node{waits(1, "web", "api"), waits(2, "api", "db"), db(tree.StateStopped)}, OutcomeFailed, message},
		{"failed", []*tree.Node{waits(1, "web", "api"), waits(2, "api", "pg", "db"), db(tree.StateFailed)}, OutcomeFailed, message},
		{"over", []*tree.Node{waits(1, "web", "api"), waits(2, "api", "db"), db(tree.StateExited)}, OutcomeFailed, message},
		{"a circle", []*tree.Node{waits(1, "web", "api"), waits(2, "api", "web")}, "", ""},
	} {
		w := newWatch(tree.AskStart, []tree.Result{{Node: 1, Name: "web", Changed: true, Order: 1}}, false)
		w.see(&tree.Snapshot{Version: 1, Nodes: test.nodes})
		if r := w.results[0]; r.Outcome != test.outcome || r.Message != test.message {
			t.Errorf("%s: got %q, %q", test.name, r.Outcome, r.Message)
		}
	}
}
