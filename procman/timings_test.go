package procman

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gosup/healthcheck"
	"gosup/spec"
	"gosup/tree"
)

func measured(t timings) string {
	var b bytes.Buffer
	t.all.write(&b)
	return b.String()
}

// What is measured of a check goes with the check.
func TestTimingsForgetChecks(t *testing.T) {
	t.Parallel()
	m := newTimings()
	ok := healthcheck.Result{Verdict: healthcheck.Healthy, Latency: 2 * time.Millisecond}
	for _, e := range []tree.Probe{
		{Process: "api/web", Name: "http"}, {Process: "api/web", Name: ""}, {Process: "api/web", Name: "readiness"},
		{Process: "api/web@2", Name: "http"}, {Dependency: "pg"},
	} {
		m.probed(e, ok)
	}
	m.probed(tree.Probe{Process: "api/web", Name: "http"}, healthcheck.Result{Verdict: healthcheck.Unhealthy, Latency: time.Second})
	for _, want := range []string{
		`gosup_probe_duration_seconds_bucket{process="api/web",check="http",le="0.0025"} 1`,
		`gosup_probe_duration_seconds_count{process="api/web",check="http"} 2`,
		`gosup_probes_total{process="api/web",check="http",result="healthy"} 1`,
		`gosup_probes_total{process="api/web",check="http",result="unhealthy"} 1`,
		`gosup_probes_total{process="api/web",check="health",result="healthy"} 1`,
		`gosup_dependency_probes_total{dependency="pg",result="healthy"} 1`,
	} {
		if got := measured(m); !strings.Contains(got, want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	m.keep("api/web", checkNames(&spec.Process{Checks: []spec.Check{{Name: ""}}}))
	got := measured(m)
	if strings.Contains(got, `process="api/web",check="http"`) {
		t.Errorf("a check that is gone is still told of:\n%s", got)
	}
	for _, want := range []string{`process="api/web",check="health"`, `process="api/web",check="readiness"`, `process="api/web@2",check="http"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s was forgotten:\n%s", want, got)
		}
	}
	m.keep("api/web", nil)
	if got := measured(m); strings.Contains(got, `"api/web"`) {
		t.Errorf("a process that is gone is still told of:\n%s", got)
	}
}

// A loop that turns answers, and says how late it was. One that does not turn
// lets nobody believe that it does.
func TestAlive(t *testing.T) {
	loop(t, func(t *testing.T, m *Manager, c *fakeCrew) {
		if err := m.Alive(t.Context()); err != nil {
			t.Errorf("a loop that turns: %v", err)
		}
		before := m.Snapshot().Version
		if err := m.Alive(t.Context()); err != nil || m.Snapshot().Version != before {
			t.Errorf("asking changes something: %v", err)
		}
		c.crash()
		pass(time.Second)
		if got := measured(m.timings); !strings.Contains(got, "gosup_loop_latency_seconds_bucket{le=\"0.0001\"}") ||
			strings.Contains(got, "gosup_loop_latency_seconds_count 0") || !strings.Contains(got, "gosup_loop_latency_seconds_sum 0\n") {
			t.Errorf("the loop's latency:\n%s", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		m := newManager(Options{Tree: oneProcess()}, newClock()) // nobody runs it
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := m.Alive(ctx); err != context.DeadlineExceeded {
			t.Errorf("a loop that does not turn: %v", err)
		}
	})
}
