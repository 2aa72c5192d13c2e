package journal

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

func example() *spec.Tree {
	p := &spec.Process{Name: "g/web", Argv: []string{"web", "--port", "80"}, Autostart: true, Env: []string{"TOKEN=hunter2", "AGAIN=hunter2", "MODE=x"}}
	p.Restart.Backoff = policy.Backoff{Curve: policy.Exponential, Initial: time.Second, Max: time.Minute, Multiplier: 1.5, Jitter: 0.25}
	p.Restart.OnExit = []spec.ExitRule{{Class: "78", Never: true}}
	p.Stop.Steps = []spec.StopStep{{Signal: 15, Wait: time.Second}}
	p.Checks = []spec.Check{{Name: "a", Interval: time.Second, Probe: spec.Probe{HTTP: &spec.HTTPProbe{URL: "http://x", Headers: []spec.Header{{Name: "Authorization", Value: "s3cret"}}}}}}
	p.Readiness = &spec.Readiness{Notify: true, Timeout: time.Second}
	p.Hooks[spec.PreStart] = &spec.Hook{Commands: [][]string{{"a", "b"}}, Timeout: time.Second}
	s := &spec.Tree{}
	s.Supervisor.ShutdownTimeout = time.Minute
	s.Root.Members = []spec.Member{{Group: &spec.Group{Name: "g", Strategy: policy.RestForOne, Members: []spec.Member{{Process: p}}}}}
	s.Dependencies = []spec.Dependency{{Name: "db", Probe: spec.Probe{TCP: &spec.TCPProbe{Address: "x:1"}}, Breaker: policy.BreakerLimit{Failures: 3}}}
	return s
}

// Every event comes back as it was.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	n, status := uint64(7), "serving"
	s := example()
	steps := [][]tree.Event{
		{tree.Started{Node: 3, Run: 1, PID: 42}},
		{tree.StartFailed{Node: 3, Run: 2, Why: "no such file", Busy: true, Code: 127}},
		nil,
		{tree.Exited{Node: 3, Run: 3, Left: true, Exit: tree.Exit{Code: -1, Signal: 9, Name: "SIGKILL", Core: true, OOM: true, At: 12, Ran: 5, MaxRSS: 1 << 40, Cause: tree.Signalled}},
			tree.Gone{Node: 3, Run: 3}},
		{tree.Asked{ID: 9, Verb: tree.AskSignal, Names: []string{"web", "api/*"}, Signal: 1, By: "uid 0", Why: "because"}},
		{tree.Probed{Node: 3, Run: 1, Check: -1, Health: tree.Degraded, Reason: "slow", Latency: 3}, tree.Probed{Dependency: "db"}},
		{tree.Notified{Node: 3, Run: 1, Ready: true, Beat: true, Requests: &n, Status: &status, Extend: time.Second}},
		{tree.Guarded{Dependency: "db", OK: true, Why: "x"}},
		{tree.HookDone{Node: 3, Run: 1, Moment: spec.PostStop, Why: "timed out"}},
		{tree.Shutdown{Urgency: tree.Quick, Signal: 15, By: "SIGTERM", Why: "y"}},
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, s, 1<<63+5)
	if err != nil {
		t.Fatal(err)
	}
	for i, events := range steps {
		if err := w.Step(tree.Time(i), events); err != nil {
			t.Fatal(err)
		}
	}
	r, err := NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	if r.Seed != 1<<63+5 {
		t.Errorf("seed %d", r.Seed)
	}
	for i, want := range steps {
		at, got, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if at != tree.Time(i) || len(got) != len(want) {
			t.Fatalf("step %d came back at %d with %d events", i, at, len(got))
		}
		for k := range want {
			if diff := cmp.Diff(want[k], got[k]); diff != "" {
				t.Errorf("step %d: %s", i, diff)
			}
		}
	}
	if _, _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v, want io.EOF", err)
	}
}

// A definition comes back as it was but for its secrets, of which equal ones
// stay equal. The original is not touched.
func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	s := example()
	var b bytes.Buffer
	w, err := NewWriter(&b, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Step(1, []tree.Event{tree.Reloaded{Tree: s, By: "SIGHUP"}}); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", "s3cret"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%s is in the journal", secret)
		}
	}
	r, err := NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	_, events, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	reloaded := events[0].(tree.Reloaded)
	if diff := cmp.Diff(r.Tree, reloaded.Tree); diff != "" {
		t.Errorf("the same definition twice: %s", diff)
	}
	p := r.Tree.Root.Members[0].Group.Members[0].Process
	if p.Env[0] != "TOKEN=#1" || p.Env[1] != "AGAIN=#1" || p.Env[2] != "MODE=#2" {
		t.Errorf("environment %q", p.Env)
	}
	want := example()
	q := want.Root.Members[0].Group.Members[0].Process
	q.Env = p.Env
	q.Checks[0].Probe.HTTP.Headers[0].Value = "#3"
	if diff := cmp.Diff(want, r.Tree); diff != "" {
		t.Errorf("the rest is different: %s", diff)
	}
	if diff := cmp.Diff(example(), s); diff != "" {
		t.Errorf("the original has changed: %s", diff)
	}
}

func TestBrokenJournals(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "no json": "hello\n", "another version": `{"version":2,"tree":{}}` + "\n", "no tree": `{"version":1}` + "\n",
	} {
		if _, err := NewReader(strings.NewReader(text)); err == nil {
			t.Errorf("%s: it was accepted", name)
		}
	}
	r, err := NewReader(strings.NewReader(`{"version":1,"tree":{}}` + "\n" + `{"at":1,"events":[{"type":"exploded","data":{}}]}` + "\n" + `{"at":2,"ev`))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Next(); !errors.Is(err, errUnknown) {
		t.Errorf("an unknown event: %v", err)
	}
	if _, _, err := r.Next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a torn line: %v", err)
	}
}
