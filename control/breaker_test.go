package control

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// breakerWorld is a server with one dependency, whose breaker does what it is
// asked.
func breakerWorld(t *testing.T) *world {
	t.Helper()
	f := newFake(running(1, "web"))
	pg := tree.Breaker{Name: "pg", Limit: policy.BreakerLimit{Failures: 5}, RequiredBy: []string{"web"}}
	show := func() {
		f.snap = &tree.Snapshot{Version: f.snap.Version + 1, Nodes: f.snap.Nodes, Breakers: []tree.Breaker{pg}}
	}
	show()
	f.answer = func(a tree.Asked) tree.Answer {
		if a.Names[0] != "pg" {
			return tree.Answer{Err: &spec.UnknownError{Name: a.Names[0]}}
		}
		r := tree.Result{Name: "pg", Changed: true}
		switch a.Verb {
		case tree.AskTrip:
			pg.State, pg.RetryAt, pg.Reason = policy.Open, f.now.Add(30*time.Second), "opened by "+a.By
			show()
		case tree.AskReset:
			pg.State, pg.RetryAt, pg.Reason = policy.Closed, 0, ""
			show()
		case tree.AskGuard:
			if pg.State == policy.Open {
				r.Err = "its circuit breaker is open"
			}
		}
		return tree.Answer{Results: []tree.Result{r}}
	}
	return serve(t, f)
}

func TestBreakers(t *testing.T) {
	t.Parallel()
	w := breakerWorld(t)
	c, ctx := w.client(), soon(t)
	closed := Breaker{Name: "pg", State: "closed", FailureThreshold: 5, RequiredBy: []string{"web"}}
	got, err := c.Breakers(ctx)
	if diff := cmp.Diff([]Breaker{closed}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	open, err := c.TripBreaker(ctx, BreakerRequest{Name: "pg", Reason: "drill"})
	retry := boot.Add(130 * time.Second)
	want := closed
	want.State, want.RetryAt, want.Reason = "open", &retry, "opened by uid "+fmt.Sprint(w.server.opts.Access.UID)
	if diff := cmp.Diff(want, open); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if w.asked[0].Why != "drill" {
		t.Errorf("asked %+v", w.asked[0])
	}
	err = c.Guard(ctx, BreakerRequest{Name: "pg"})
	if codeOf(t, err) != CodeOpen || !strings.Contains(err.Error(), "pg: its circuit breaker is open") {
		t.Errorf("guard of an open breaker: %v", err)
	}
	again, err := c.ResetBreaker(ctx, BreakerRequest{Name: "pg"})
	if diff := cmp.Diff(closed, again); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if err := c.Guard(ctx, BreakerRequest{Name: "pg"}); err != nil {
		t.Errorf("guard of a closed breaker: %v", err)
	}
	if err := c.GuardResult(ctx, GuardResult{Name: "pg", Reason: "exit\nstatus 1"}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]tree.Event{tree.Guarded{Dependency: "pg", Why: "exit status 1"}}, w.told); diff != "" {
		t.Error(diff)
	}
	for name, err := range map[string]error{
		"list":   func() error { _, err := c.Breakers(ctx, "nope"); return err }(),
		"trip":   func() error { _, err := c.TripBreaker(ctx, BreakerRequest{Name: "nope"}); return err }(),
		"guard":  c.Guard(ctx, BreakerRequest{Name: "nope"}),
		"result": c.GuardResult(ctx, GuardResult{Name: "nope"}),
	} {
		if codeOf(t, err) != CodeUnknownProcess {
			t.Errorf("%s of an unknown dependency: %v", name, err)
		}
	}
	if err := c.Guard(ctx, BreakerRequest{}); codeOf(t, err) != CodeBadRequest {
		t.Errorf("guard of nothing: %v", err)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	web := running(1, "web")
	web.Health, web.HealthReason = tree.Degraded, "slow"
	web.Checks = []tree.Checkup{{Name: "http", Health: tree.Degraded, Reason: "slow", Last: "HTTP 503", At: tree.Time(99 * time.Second), Latency: 1500 * time.Millisecond, Failed: 2}}
	w := serve(t, newFake(web, running(2, "job")))
	b, err := w.client().HealthJSON(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"name":"web","state":"running","health":"degraded","health_reason":"slow","ready":true,"checks":[` +
		`{"name":"http","health":"degraded","reason":"slow","last":"HTTP 503","at":"2026-11-23T06:01:39Z","latency_seconds":1.5,"failed":2}]},` +
		`{"name":"job","state":"running","health":"none","health_reason":"","ready":true,"checks":[]}]` + "\n"
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Error(diff)
	}
}

func TestCrashes(t *testing.T) {
	t.Parallel()
	f := newFake(running(1, "web"), running(2, "job"))
	wall := boot.Add(-time.Hour)
	f.crashes = map[string][]tree.Crash{"web": {
		{Process: "web", Run: 3, PID: 7, Wall: wall, Reason: "restart 1 of 5", Output: []byte("bye\xff\n"),
			Exit: tree.Exit{Code: 1, Ran: time.Second, User: 20 * time.Millisecond, MaxRSS: 1 << 20}},
	}}
	w := serve(t, f)
	b, err := w.client().CrashesJSON(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []Crash
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	code := 1
	want := []Crash{{
		Name: "web", Run: 3, PID: 7, At: wall, Exit: Exit{Code: &code, At: wall, RunSeconds: 1, Cause: "exited"},
		Reason: "restart 1 of 5", Health: "none", Checks: []Check{}, UserSeconds: 0.02, MaxRSSBytes: 1 << 20,
		Output: "bye\ufffd\n", OutputBase64: "Ynll/wo=",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
