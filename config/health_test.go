package config

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/policy"
	"gosup/spec"
)

func TestLoadHealth(t *testing.T) {
	t.Parallel()
	tree, problems := Load("testdata/good/full.yaml", testOptions())
	if tree == nil {
		t.Fatal(problems)
	}
	checked := one(t, tree, "checked")
	wantChecks := []spec.Check{{
		Probe: spec.Probe{HTTP: &spec.HTTPProbe{
			URL: "http://127.0.0.1:8080/healthz", Method: "HEAD",
			Headers:        []spec.Header{{Name: "X-Token", Value: "s3cret"}, {Name: "Host", Value: "example.org"}},
			Status:         policy.Ranges{{First: 200, Last: 200}, {First: 204, Last: 204}},
			DegradedStatus: policy.Ranges{{First: 429, Last: 429}},
			Body:           `^ok\b`, TLSSkipVerify: true,
		}},
		Interval: 30 * time.Second, Timeout: 10 * time.Second,
		Threshold:   policy.Threshold{Failures: 5, Successes: 2},
		StartPeriod: time.Minute, DegradedLatency: 500 * time.Millisecond,
		OnUnhealthy: spec.OnUnhealthy{Action: spec.UnhealthySignal, Signal: int(syscall.SIGUSR1)},
	}}
	if d := cmp.Diff(wantChecks, checked.Checks); d != "" {
		t.Errorf("checked: checks (-want +got):\n%s", d)
	}
	wantReadiness := &spec.Readiness{
		Probe: spec.Probe{HTTP: &spec.HTTPProbe{
			URL: "unix:///run/checked.sock:/ready", Method: "GET", Status: policy.Ranges{{First: 200, Last: 299}},
		}},
		Timeout: 5 * time.Second,
	}
	if d := cmp.Diff(wantReadiness, checked.Readiness); d != "" {
		t.Errorf("checked: readiness (-want +got):\n%s", d)
	}
	threshold := policy.Threshold{Failures: 3, Successes: 1}
	none := spec.OnUnhealthy{Action: spec.UnhealthyNone}
	wantChecks = []spec.Check{
		{
			Name: "port", Probe: spec.Probe{TCP: &spec.TCPProbe{Address: "127.0.0.1:1"}},
			Interval: 5 * time.Second, Timeout: 5 * time.Second, Threshold: threshold, OnUnhealthy: none,
		},
		{
			Name: "script", Probe: spec.Probe{Exec: &spec.ExecProbe{Argv: []string{"bin/check", "a b"}, DegradedCodes: []int{1, 3}}},
			Interval: time.Minute, Timeout: 30 * time.Second, Threshold: threshold, OnUnhealthy: none,
		},
		{Name: "beat", Heartbeat: &spec.Heartbeat{Timeout: 5 * time.Second, ErrorRate: 0.5}, Threshold: threshold},
	}
	several := one(t, tree, "several")
	if d := cmp.Diff(wantChecks, several.Checks); d != "" {
		t.Errorf("several: checks (-want +got):\n%s", d)
	}
	if d := cmp.Diff(&spec.Readiness{Log: `ready in \d+ s`, Timeout: 30 * time.Second}, several.Readiness); d != "" {
		t.Errorf("several: readiness (-want +got):\n%s", d)
	}
}

func TestReadinessKinds(t *testing.T) {
	t.Parallel()
	const timeout = 30 * time.Second
	for text, want := range map[string]*spec.Readiness{
		"notify":                          {Notify: true, Timeout: timeout},
		"{notify: true, timeout: 5s}":     {Notify: true, Timeout: 5 * time.Second},
		"none":                            nil,
		"{tcp: {address: 'h:1'}}":         {Probe: spec.Probe{TCP: &spec.TCPProbe{Address: "h:1"}}, Timeout: timeout},
		"{exec: {command: 'a b'}}":        {Probe: spec.Probe{Exec: &spec.ExecProbe{Argv: []string{"a", "b"}}}, Timeout: timeout},
		"{log: ready}":                    {Log: "ready", Timeout: timeout},
		"{fd: 3}":                         {FD: 3, Timeout: timeout},
		"{delay: 2s}":                     {Delay: 2 * time.Second},
		"{notify: false, delay: 2s}":      {Delay: 2 * time.Second},
		"{log: '${NONE:-a|b}'}":           {Log: "a|b", Timeout: timeout},
		"{fd: '${NONE:-4}', timeout: 1m}": {FD: 4, Timeout: time.Minute},
	} {
		got := one(t, parse(t, "processes: {a: {command: a, readiness: "+text+"}}"), "a").Readiness
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", text, d)
		}
	}
}

// TestHealthLayers checks what of a process and what of the defaults holds.
func TestHealthLayers(t *testing.T) {
	t.Parallel()
	tree := parse(t, `
defaults:
  health: {http: {url: "http://h/", headers: {A: default, B: default}}, interval: 20s}
  readiness: notify
processes:
  plain: {command: a}
  refined: {command: a, health: {http: {headers: {a: own}}, timeout: 1s}, readiness: {timeout: 1s}}
  replaced: {command: a, health: {tcp: {address: "h:1"}}, readiness: {fd: 5}}
  several: {command: a, health: {checks: {one: {tcp: {address: "h:1"}}, two: {http: {url: "http://i/"}, interval: 2s}}}}
  off: {command: a, health: none, readiness: none}
  not-notify: {command: a, readiness: {notify: false, delay: 1s}}
`)
	http := func(c spec.Check) string { return c.Probe.HTTP.URL }
	plain := one(t, tree, "plain")
	if c := plain.Checks; len(c) != 1 || http(c[0]) != "http://h/" || c[0].Interval != 20*time.Second || c[0].Timeout != 5*time.Second {
		t.Errorf("plain: checks %+v", c)
	}
	if r := plain.Readiness; r == nil || !r.Notify || r.Timeout != 30*time.Second {
		t.Errorf("plain: readiness %+v", r)
	}
	refined := one(t, tree, "refined")
	if c := refined.Checks[0]; http(c) != "http://h/" || c.Interval != 20*time.Second || c.Timeout != time.Second ||
		!slices.Equal(c.Probe.HTTP.Headers, []spec.Header{{Name: "B", Value: "default"}, {Name: "a", Value: "own"}}) {
		t.Errorf("refined: check %+v %+v", c, c.Probe.HTTP)
	}
	if r := refined.Readiness; !r.Notify || r.Timeout != time.Second {
		t.Errorf("refined: readiness %+v", r)
	}
	replaced := one(t, tree, "replaced")
	if c := replaced.Checks[0]; c.Probe.HTTP != nil || c.Probe.TCP == nil || c.Interval != 20*time.Second {
		t.Errorf("replaced: check %+v", c)
	}
	if r := replaced.Readiness; r.Notify || r.FD != 5 {
		t.Errorf("replaced: readiness %+v", r)
	}
	several := one(t, tree, "several").Checks
	if len(several) != 2 || several[0].Probe.TCP == nil || several[0].Interval != 20*time.Second ||
		http(several[1]) != "http://i/" || several[1].Interval != 2*time.Second || several[1].Timeout != 2*time.Second {
		t.Errorf("several: %+v", several)
	}
	if n := len(several[1].Probe.HTTP.Headers); n != 2 {
		t.Errorf("several: %d headers of what the checks have in common", n)
	}
	if off := one(t, tree, "off"); off.Checks != nil || off.Readiness != nil {
		t.Errorf("off: %+v %+v", off.Checks, off.Readiness)
	}
	if r := one(t, tree, "not-notify").Readiness; r.Notify || r.Delay != time.Second {
		t.Errorf("not-notify: %+v", r)
	}
}

// TestHealthDefaultsAlone checks that defaults without a check are none.
func TestHealthDefaultsAlone(t *testing.T) {
	t.Parallel()
	tree := parse(t, "defaults: {health: {interval: 20s}, readiness: {timeout: 1s}}\nprocesses: {a: {command: a}}")
	if p := one(t, tree, "a"); p.Checks != nil || p.Readiness != nil {
		t.Errorf("checks %+v, readiness %+v", p.Checks, p.Readiness)
	}
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	tree, problems := Load("testdata/good/full.yaml", testOptions())
	if tree == nil {
		t.Fatal(problems)
	}
	usual := policy.BreakerLimit{Failures: 5, Recovery: 30 * time.Second, HalfOpenFailures: 1}
	want := []spec.Dependency{
		{
			Name: "postgres", Probe: spec.Probe{TCP: &spec.TCPProbe{Address: "db.example:5432"}},
			Interval: 10 * time.Second, Timeout: time.Second,
			Breaker:    policy.BreakerLimit{Failures: 3, Recovery: time.Minute, HalfOpenFailures: 2},
			StopOnOpen: true,
		},
		{
			Name:     "script",
			Probe:    spec.Probe{Exec: &spec.ExecProbe{Argv: []string{workingDir() + "/testdata/good/bin/up", "--fast"}, DegradedCodes: []int{3}}},
			Interval: time.Second, Timeout: time.Second, Breaker: usual,
		},
		{Name: "guarded", Breaker: usual},
	}
	if d := cmp.Diff(want, tree.Dependencies); d != "" {
		t.Errorf("dependencies (-want +got):\n%s", d)
	}
	if got, want := one(t, tree, "checked").Requires, []string{"postgres", "guarded"}; !slices.Equal(got, want) {
		t.Errorf("requires %q, want %q", got, want)
	}
}
