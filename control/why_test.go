package control

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/logs"
	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// show writes an explanation for comparison: the chain indented, then what
// comes next, then the advice.
func show(w Why) string {
	var b strings.Builder
	b.WriteString(w.Kind + " " + w.Name + " " + w.State + when(w.Since) + "\n")
	for _, l := range w.Chain {
		b.WriteString(strings.Repeat("  ", l.Depth+1) + l.Of + ": " + l.What + when(l.At) + "\n")
	}
	if w.Restarts != "" {
		b.WriteString("restarts " + w.Restarts + "\n")
	}
	if w.Next != "" {
		b.WriteString("next " + w.Next + when(w.NextAt) + "\n")
	}
	for _, a := range w.Try {
		b.WriteString("try " + strings.TrimPrefix(a.Command, "gosup ctl ") + "\n")
	}
	return b.String()
}

func when(t *time.Time) string {
	if t == nil {
		return ""
	}
	return " at " + t.Format("4:05")
}

// Each state that a process can be in is explained.
func TestWhy(t *testing.T) {
	t.Parallel()
	at := func(sec int) tree.Time { return tree.Time(time.Duration(sec) * time.Second) }
	exit := tree.Exit{Code: 1, At: at(95), Ran: 1200 * time.Millisecond}
	limit := policy.Limit{Max: 5, Within: time.Minute}
	ended := &tree.Cause{Kind: tree.CauseExit, Exit: exit}
	web := running(1, "web")
	web.Process.Stop = spec.Stop{Steps: []spec.StopStep{{Signal: 15, Wait: 10 * time.Second}}}
	because := func(n *tree.Node, c *tree.Cause) *tree.Node {
		return with(n, func(n *tree.Node) { n.Cause = c; n.Failures = 1 })
	}
	tail := "try logs web\ntry events web\n"

	for _, test := range []struct {
		name  string
		nodes []*tree.Node // the first is asked about
		pg    *tree.Breaker
		want  string
	}{
		{"running", []*tree.Node{with(web, func(n *tree.Node) { n.Cause = &tree.Cause{Kind: tree.CauseAutostart} })}, nil, `
process web running at 1:30
  web: it is running at 1:30
  web: started with the daemon
restarts 0 of 5 within 60s of good running
next nothing: it runs
` + tail},
		{"running, unhealthy", []*tree.Node{with(web, func(n *tree.Node) {
			n.Health, n.HealthReason = tree.HealthBad, "connection refused"
			n.Checks = []tree.Checkup{{Failed: 2, Last: "connection refused", At: at(94)}, {Name: "ok"}}
			n.Process = &spec.Process{Checks: []spec.Check{
				{Name: "page", Probe: spec.Probe{HTTP: &spec.HTTPProbe{URL: "http://me:secret@localhost/x?token=1"}}, Threshold: policy.Threshold{Failures: 3}}, {},
			}}
		})}, nil, `
process web running at 1:30
  web: it is running, unhealthy: connection refused at 1:30
  web: check page, http http://localhost/x: connection refused ×2 at 1:34
restarts 0 of 5 within 60s of good running
next it is restarted after 1 further failed check
try health web
try restart web
` + tail},
		{"frozen", []*tree.Node{with(web, func(n *tree.Node) { n.Frozen = true })}, nil, `
process web running at 1:30
  web: it is running, and stands still: somebody has frozen it at 1:30
restarts 0 of 5 within 60s of good running
next nothing, until somebody lets it go on
try thaw web
` + tail},
		{"running, what it requires is down", []*tree.Node{with(web, func(n *tree.Node) { n.Process = &spec.Process{Requires: []string{"pg"}} })},
			&tree.Breaker{Name: "pg", State: policy.Open, RetryAt: at(107)}, `
process web running at 1:30
  web: it is running at 1:30
  web: it is not started again before pg answers
    pg: its circuit breaker is open, next trial in 7s
restarts 0 of 5 within 60s of good running
next nothing: it runs
` + tail},
		{"backoff", []*tree.Node{with(because(in(web, tree.StateBackoff, ""), &tree.Cause{Kind: tree.CauseRestart, Count: 2, Limit: limit, Delay: 2 * time.Second, Before: ended}),
			func(n *tree.Node) { n.NextStartAt = at(97) })}, nil, `
process web backoff at 1:35
  web: it is in backoff at 1:35
  web: restart 2 of 5, 2s after the end
  web: exited with code 1, after running 1.2s at 1:35
restarts 0 of 5 within 60s of good running
next it starts at 1:37
try start web
try stop web
try crashes web
` + tail},
		{"failed", []*tree.Node{because(in(web, tree.StateFailed, ""), &tree.Cause{Kind: tree.CauseBudget, Limit: limit, Before: ended})}, nil, `
process web failed at 1:35
  web: it is failed at 1:35
  web: its restart budget is spent: 5 restarts within 60s of good running
  web: exited with code 1, after running 1.2s at 1:35
restarts 0 of 5 within 60s of good running
next nothing, until somebody starts it or a reload changes it
try start web
try crashes web
` + tail},
		{"stopped", []*tree.Node{because(in(web, tree.StateStopped, ""), &tree.Cause{Kind: tree.CauseAsked, By: "uid 7", Text: "lunch"})}, nil, `
process web stopped at 1:35
  web: it is stopped at 1:35
  web: asked for by uid 7: lunch
restarts 0 of 5 within 60s of good running
next nothing, until somebody starts it or a reload changes it
try start web
try crashes web
` + tail},
		{"stopping", []*tree.Node{with(web, func(n *tree.Node) { n.State = tree.StateStopping })}, nil, `
process web stopping at 1:35
  web: it is stopping at 1:35
restarts 0 of 5 within 60s of good running
next it is killed, unless it has ended by then at 1:45
try signal KILL web
` + tail},
		{"exited", []*tree.Node{with(in(web, tree.StateExited, ""), func(n *tree.Node) { n.Cause = ended })}, nil, `
process web exited at 1:35
  web: it is exited at 1:35
  web: exited with code 1, after running 1.2s at 1:35
restarts 0 of 5 within 60s of good running
next nothing: it is over, until somebody starts it
try start web
` + tail},
		{"starting", []*tree.Node{with(web, func(n *tree.Node) {
			n.State, n.Ready, n.Status = tree.StateStarting, false, "loading"
			n.Process = &spec.Process{Readiness: &spec.Readiness{Timeout: time.Minute}}
		})}, nil, `
process web starting at 1:35
  web: it is starting (loading) at 1:35
restarts 0 of 5 within 60s of good running
next it has failed to start, unless it is ready by then at 2:30
` + tail},
		{"waiting for a process", []*tree.Node{
			with(in(web, tree.StateWaiting, ""), func(n *tree.Node) {
				n.WaitingOn, n.Cause = []string{"db"}, &tree.Cause{Kind: tree.CauseDepends, Node: "db", Text: " to be ready"}
			}),
			because(in(running(2, "db"), tree.StateFailed, ""), &tree.Cause{Kind: tree.CauseBudget, Limit: limit, Before: ended}),
		}, nil, `
process web waiting at 1:35
  web: it is waiting at 1:35
  web: waits for db to be ready
    db: it is failed
    db: its restart budget is spent: 5 restarts within 60s of good running
    db: exited with code 1, after running 1.2s at 1:35
restarts 0 of 5 within 60s of good running
next nothing, until somebody starts db
try why db
try start db
` + tail},
		{"waiting for a breaker", []*tree.Node{
			with(in(web, tree.StateWaiting, ""), func(n *tree.Node) {
				n.WaitingOn, n.Cause = []string{"pg"}, &tree.Cause{Kind: tree.CauseBreaker, Node: "pg", Until: at(107)}
			}),
		}, &tree.Breaker{Name: "pg", State: policy.Open, Failures: 9, RetryAt: at(107), Reason: "tcp 127.0.0.1:5432: refused"}, `
process web waiting at 1:35
  web: it is waiting at 1:35
  web: waits for pg
    pg: its circuit breaker is open, next trial in 7s
    pg: tcp 127.0.0.1:5432: refused ×9
restarts 0 of 5 within 60s of good running
next a trial of pg; it starts when that succeeds at 1:47
try why pg
` + tail},
		{"waiting for a first answer", []*tree.Node{
			with(in(web, tree.StateWaiting, ""), func(n *tree.Node) {
				n.WaitingOn, n.Cause = []string{"pg"}, &tree.Cause{Kind: tree.CauseUnheard, Node: "pg"}
			}),
		}, &tree.Breaker{Name: "pg", Unheard: true}, `
process web waiting at 1:35
  web: it is waiting at 1:35
  web: waits for pg
    pg: its first probe is under way
restarts 0 of 5 within 60s of good running
next it starts when it need not wait for pg any more
try why pg
` + tail},
		{"failed with its group", []*tree.Node{
			with(in(web, tree.StateFailed, ""), func(n *tree.Node) {
				n.Cause = &tree.Cause{Kind: tree.CauseGroup, Node: "api", Text: "failed with group",
					Before: &tree.Cause{Kind: tree.CauseBudget, Limit: limit, Before: ended}}
			}),
		}, nil, `
process web failed at 1:35
  web: it is failed at 1:35
  web: failed with group api
  api: its restart budget is spent: 5 restarts within 60s of good running
  api: exited with code 1, after running 1.2s at 1:35
restarts 0 of 5 within 60s of good running
next nothing, until somebody starts it or a reload changes it
try start web
` + tail},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(test.nodes...)
			if test.pg != nil {
				f.snap.Breakers = []tree.Breaker{*test.pg}
			}
			f.now = at(95)
			f.note(tree.Note{Type: tree.NoteState, Process: "web", To: test.nodes[0].State.String()})
			f.now = at(100)
			w := serve(t, f)
			got, err := w.client().Why(soon(t), "web")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, "\n"+show(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhyGroupAndDependency(t *testing.T) {
	t.Parallel()
	api := &tree.Node{ID: 1, Name: "api", IsGroup: true, Strategy: policy.OneForAll, State: tree.StateFailed,
		Cause: &tree.Cause{Kind: tree.CauseBudget, Limit: policy.Limit{Max: 5, Within: time.Minute}}}
	member := in(running(2, "api/web"), tree.StateFailed, "")
	member.Group = "api"
	f := newFake(api, member, running(3, "api2@1"), running(4, "api2@2"))
	f.snap.Breakers = []tree.Breaker{{Name: "pg", Limit: policy.BreakerLimit{Failures: 5}}}
	w := serve(t, f)
	for name, want := range map[string]string{
		"api": `
group api failed
  api: it is failed
  api: its restart budget is spent: 5 restarts within 60s of good running
    api/web: it is failed
next nothing, until somebody starts it or a reload changes it
try tree
try start api
`,
		"pg": `
dependency pg closed
  pg: its circuit breaker is closed
next it opens after 5 failures in a row
try breaker pg --trip
`,
	} {
		got, err := w.client().Why(soon(t), name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, "\n"+show(got)); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := w.client().Why(soon(t), "api2"); codeOf(t, err) != CodeBadRequest {
		t.Errorf("several: %v", err)
	}
	if _, err := w.client().Why(soon(t), "nope"); codeOf(t, err) != CodeUnknownProcess {
		t.Errorf("unknown: %v", err)
	}
}

func TestWhyShowsOutput(t *testing.T) {
	t.Parallel()
	f := newFake(writer(1, "web", spec.OutputFile))
	f.output = func(_ context.Context, _ []logs.Source, q logs.Query, emit func(logs.Record) error) error {
		if q.Lines != 10 {
			t.Errorf("asked for %d lines", q.Lines)
		}
		emit(logs.Record{Line: []byte("panic\xff")})
		return emit(logs.Record{Line: []byte(strings.Repeat("x", 10000))})
	}
	got, err := serve(t, f).client().Why(soon(t), "web")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"panic\ufffd", strings.Repeat("x", 500)}, got.Output); diff != "" {
		t.Error(diff)
	}
}
