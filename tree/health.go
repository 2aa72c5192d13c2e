package tree

import (
	"fmt"
	"reflect"
	"time"

	"gosup/policy"
	"gosup/spec"
)

const (
	// Where one probe is sent, those go with it that are due within this part of
	// their interval, and within maxEarly: what probing costs is the wake-ups.
	early    = 100
	maxEarly = 20 * time.Millisecond
	// manyChecks is from how many checks on the first probes are spread out.
	manyChecks = 32
	// golden, as a step on the circle of 2^64 points, spreads any number of
	// points evenly: Knuth, The Art of Computer Programming, 6.4.
	golden = 0x9e3779b97f4a7c15
	// hurriedProbe is the longest interval of checks that somebody waits for.
	hurriedProbe = 500 * time.Millisecond
)

// vigil is the health of one run: what its checks have said so far.
type vigil struct {
	since  Time // the run is up since
	checks []checkup
}

// checkup is the state of one check over one run.
type checkup struct {
	streak  policy.Streak
	health  Health // what the thresholds make of the results
	lastOK  bool   // the last result was healthy or degraded
	passed  bool   // there was such a result
	reason  string // of health
	last    string // what the last result said
	due     Time   // of the next probe, or of the heartbeat's timeout
	grid    Time   // of the next probe that is due by the interval
	extra   bool   // the probe under way is none of those, see hurry
	probing bool
	stale   bool // the probe under way is of an earlier definition
	acted   bool // what on_unhealthy says was done about the present failures
	latency time.Duration
	at      Time // of the last result; 0 for none
}

// watch begins the checks of a run that has become ready.
func (t *Tree) watch(n *node) {
	n.vigil = nil
	if len(n.proc.Checks) == 0 {
		return
	}
	n.shownHealth = HealthUnknown
	n.vigil = &vigil{since: t.now, checks: make([]checkup, len(n.proc.Checks))}
	for i := range n.vigil.checks {
		n.vigil.checks[i] = t.firstCheck(n, i)
	}
}

// firstCheck returns the state of check i of n before anything is known.
func (t *Tree) firstCheck(n *node, i int) checkup {
	c, s := checkup{health: HealthUnknown}, &n.proc.Checks[i]
	if s.Heartbeat != nil {
		c.due = t.now.Add(max(s.Heartbeat.Timeout, s.StartPeriod))
		return c
	}
	c.grid = t.now.Add(t.firstProbe(s.Interval))
	c.due = c.grid
	if t.hurried(n) {
		c.due = t.now
	}
	return c
}

// rewatch goes on with the checks of a run under a new definition: those that
// are the same keep what they know. The run is not touched.
func (t *Tree) rewatch(n *node, old []spec.Check) {
	if n.vigil == nil {
		if n.ready {
			t.watch(n)
		}
		return
	}
	before := n.vigil.checks
	n.vigil.checks = make([]checkup, len(n.proc.Checks))
	for i := range n.vigil.checks {
		c := &n.vigil.checks[i]
		if i < len(old) && reflect.DeepEqual(old[i], n.proc.Checks[i]) {
			*c = before[i]
			continue
		}
		*c = t.firstCheck(n, i)
		if i < len(before) {
			c.probing, c.stale = before[i].probing, before[i].probing
		}
	}
	if len(n.proc.Checks) == 0 {
		n.vigil = nil
	}
	t.noteHealth(n)
}

// firstProbe returns how long after the start the first probe is: the interval.
// Where there are many checks it is up to half an interval more or less, so that
// what was started together is not probed together for ever.
func (t *Tree) firstProbe(interval time.Duration) time.Duration {
	if t.checks < manyChecks {
		return interval
	}
	t.phase += golden
	return interval/2 + time.Duration(float64(interval)*(float64(t.phase>>11)/(1<<53)))
}

// hurryProbe makes a check that has not passed yet be asked sooner than by its
// interval where somebody waits for that. A failure says nothing then: a slow
// starter has the time that its interval and threshold give it.
func (t *Tree) hurryProbe(n *node, c *checkup) {
	if soon := t.now.Add(hurriedProbe); !c.passed && c.due > soon && t.hurried(n) {
		c.due = soon
	}
}

// hurried reports whether a dependent waits for n to be healthy.
func (t *Tree) hurried(n *node) bool {
	for _, d := range n.dependents {
		m := &t.nodes[d.node]
		if d.condition == spec.Healthy && m.rest == wanted && m.body == absent {
			return true
		}
	}
	return false
}

// check sends the probes of n that are due, or nearly so where others are, and
// notices a heartbeat that has stopped. It returns when to look again;
// policy.Never for not at all.
func (t *Tree) check(n *node, others bool) Time {
	if n.vigil == nil || n.body != alive || !n.ready || n.parting() {
		return policy.Never
	}
	next := policy.Never
	for i := range n.vigil.checks {
		c, s := &n.vigil.checks[i], &n.proc.Checks[i]
		if s.Heartbeat != nil {
			if t.now >= c.due && c.due != policy.Never {
				c.due = policy.Never
				t.silent(n, i, "Heartbeat timeout")
			}
			next = min(next, c.due)
			continue
		}
		t.hurryProbe(n, c)
		by := t.now
		if others {
			by = by.Add(min(s.Interval/early, maxEarly))
		}
		if c.due <= by {
			t.probe(n, i)
		}
		next = min(next, c.due)
	}
	return next
}

// probe sends one probe, unless the last one is still out, and finds the next
// time on the grid of the interval. After a pause of the daemon the grid goes
// on: what was missed is not made up for, and nothing fires in a burst.
func (t *Tree) probe(n *node, i int) {
	c, s := &n.vigil.checks[i], &n.proc.Checks[i]
	extra := c.due < c.grid
	missed := false
	if !extra {
		late := t.now.Sub(c.grid)
		missed = late >= s.Interval
		c.grid = c.grid.Add(s.Interval + max(0, late/s.Interval)*s.Interval)
	}
	c.due = c.grid
	t.hurryProbe(n, c)
	if c.probing || missed {
		return
	}
	c.probing, c.extra = true, extra
	t.do(Probe{Node: n.id, Run: n.run, Check: i, Process: n.name, Name: s.Name, Probe: s.Probe, Timeout: s.Timeout})
}

// probed takes the result of a check's probe.
func (t *Tree) probed(n *node, e Probed) {
	if n.vigil == nil || e.Check >= len(n.vigil.checks) {
		return
	}
	c, s := &n.vigil.checks[e.Check], &n.proc.Checks[e.Check]
	stale := c.stale || !c.probing
	c.probing, c.stale = false, false
	if stale || e.Health == HealthUnknown {
		return // it says nothing about the process as it is to be
	}
	c.latency, c.at, n.touched = e.Latency, t.now, true
	if e.Health == Healthy && s.DegradedLatency > 0 && e.Latency > s.DegradedLatency {
		e.Health, e.Reason = Degraded, fmt.Sprintf("slow: %s", e.Latency.Round(time.Millisecond))
	}
	t.result(n, e.Check, e.Health, e.Reason)
}

// result applies one result of a check of a running process.
func (t *Tree) result(n *node, i int, h Health, reason string) {
	c, s := &n.vigil.checks[i], &n.proc.Checks[i]
	if n.parting() || !n.ready {
		return
	}
	if t.now < n.sickUntil {
		h, reason = HealthBad, "made to fail by a person"
	}
	ok := h != HealthBad
	n.touched = true
	c.last = reason
	if c.health == HealthUnknown {
		c.reason = reason
	}
	if !ok && (c.extra || !c.passed && t.now.Sub(n.vigil.since) < s.StartPeriod) {
		return
	}
	c.lastOK = ok
	if ok && !c.passed && s.Heartbeat == nil {
		c.passed, c.due = true, c.grid
	}
	c.passed = c.passed || ok
	up, down := c.streak.Add(s.Threshold, ok)
	switch {
	case up:
		c.health, c.reason, c.acted = h, reason, false
	case down:
		c.health, c.reason = HealthBad, reason
	}
	t.noteHealth(n)
	if down {
		t.unhealthy(n, i)
	}
}

// silent is a heartbeat that was awaited and did not come: unhealthy at once,
// whatever the threshold.
func (t *Tree) silent(n *node, i int, why string) {
	c := &n.vigil.checks[i]
	c.health, c.lastOK, c.reason = HealthBad, false, why
	c.last = why
	c.streak.Succeeded = 0
	c.streak.Failed++
	c.at = t.now
	n.touched = true
	t.noteHealth(n)
	t.unhealthy(n, i)
}

// confess is a process that says itself that it is broken: its heartbeat counts
// as missed.
func (t *Tree) confess(n *node) {
	if n.vigil == nil || n.parting() {
		return
	}
	for i := range n.proc.Checks {
		if n.proc.Checks[i].Heartbeat != nil {
			t.silent(n, i, "it says so itself")
		}
	}
}

// beat takes a heartbeat, with the totals of the run if it carried any.
func (t *Tree) beat(n *node, requests, errors *uint64) {
	if n.vigil == nil {
		return
	}
	for i := range n.vigil.checks {
		c, s := &n.vigil.checks[i], &n.proc.Checks[i]
		if s.Heartbeat == nil {
			continue
		}
		if requests != nil {
			n.requests = *requests
		}
		if errors != nil {
			n.errors = *errors
		}
		c.due, c.at = t.now.Add(s.Heartbeat.Timeout), t.now
		h, reason := Healthy, ""
		if n.requests > 0 {
			if share := float64(n.errors) / float64(n.requests); share > s.Heartbeat.ErrorRate {
				h, reason = Degraded, fmt.Sprintf("High error rate: %.2f%%", share*100)
			}
		}
		t.result(n, i, h, reason)
	}
}

// unhealthy does what on_unhealthy says about check i of n, once for each row
// of failures. A process that is cut off from what it requires is not restarted
// for it: it goes on as it is until the breaker closes, see forgive.
func (t *Tree) unhealthy(n *node, i int) {
	c, o := &n.vigil.checks[i], n.proc.Checks[i].OnUnhealthy
	if c.acted || o.Action == spec.UnhealthyRestart && t.cutOff(n) != 0 {
		return
	}
	c.acted = true
	switch o.Action {
	case spec.UnhealthySignal:
		t.do(Signal{Node: n.id, Run: n.run, Signal: o.Signal, Reach: spec.KillProcess})
	case spec.UnhealthyRestart:
		t.replace(n, Unhealthy, &Cause{Kind: CauseUnhealthy, Text: c.reason})
	}
}

// forgive begins the count of failures anew for a run that had to do without
// what it requires and can have it again: it is given the time to recover that
// it takes to be found unhealthy.
func (t *Tree) forgive(n *node) {
	if n.vigil == nil {
		return
	}
	n.touched = true
	for i := range n.vigil.checks {
		c, s := &n.vigil.checks[i], &n.proc.Checks[i]
		c.streak.Failed = 0
		if s.Heartbeat != nil && !c.acted {
			c.due = t.now.Add(s.Heartbeat.Timeout)
		}
	}
}

// replace ends a run that is alive and no good, and goes on as if it had
// failed by itself: on the budget, by the strategy, after the delay, which
// counts from the end that is now awaited.
func (t *Tree) replace(n *node, ending Ending, cause *Cause) {
	if n.parting() || t.doomed(n) {
		return
	}
	n.failures++
	n.ailing, n.touched = ending, true
	if !n.proc.Restart.Policy.Wants(false) {
		n.rest, n.cause = failed, cause
		t.mourn(n, 1)
		return
	}
	t.fail(n, t.now, cause, 0)
	if n.rest == wanted && !n.cycle {
		t.turnOver(n)
		t.drag(n)
	}
	t.mourn(n, 1)
}

// ceaseHealth forgets the health of a run that has ended at. A delay that was
// to count from this end does so now.
func (t *Tree) ceaseHealth(n *node, at Time) {
	if n.ailing != 0 && n.rest == wanted {
		p := &t.nodes[n.parent]
		switch {
		case n.auto && n.cause.Kind == CauseRestart:
			n.notBefore = at.Add(n.cause.Delay)
		case p.group.Strategy.Ordered() && p.notBefore > 0 && p.cause.Kind == CauseRestart:
			p.notBefore = max(p.notBefore, at.Add(p.cause.Delay))
		}
	}
	n.ailing, n.vigil, n.status = 0, nil, ""
	n.reloads, n.leaves, n.plannedAt = false, false, 0
	n.frozen = false
	n.requests, n.errors = 0, 0
	n.readyAt, n.readyBy, n.probeAt, n.probing, n.notReady = 0, 0, 0, false, ""
	if len(n.proc.Checks) > 0 {
		n.shownHealth = HealthUnknown
	}
}

// noteHealth tells when the health of a process, over all its checks, is new.
func (t *Tree) noteHealth(n *node) {
	h, reason := n.healthNow()
	if h == n.shownHealth {
		// A reason may hold a number that is never the same again: each one would
		// push something else out of the history.
		return
	}
	from := n.shownHealth
	n.shownHealth, n.touched = h, true
	t.note(Note{Type: NoteHealth, Process: n.name, From: from.String(), To: h.String(),
		Cause: &Cause{Kind: CauseProbe, Text: reason}, PID: n.pid})
}

// healthNow returns the worst that the checks of the current run say, and why.
func (n *node) healthNow() (Health, string) {
	if len(n.proc.Checks) == 0 {
		return HealthNone, ""
	}
	if n.vigil == nil {
		return HealthUnknown, ""
	}
	// From best to worst; unknown is no reason for alarm, nor for trust.
	rank := [...]int{Healthy: 1, HealthUnknown: 2, Degraded: 3, HealthBad: 4}
	worst, reason := Healthy, ""
	for i := range n.vigil.checks {
		if c := &n.vigil.checks[i]; rank[c.health] > rank[worst] {
			worst, reason = c.health, c.reason
			if name := n.proc.Checks[i].Name; name != "" && reason != "" {
				reason = name + ": " + reason
			}
		}
	}
	return worst, reason
}

// fit reports whether n is in good standing: up, and the last result of each
// of its checks was not a failure.
func (n *node) fit() bool {
	if n.vigil == nil {
		return len(n.proc.Checks) == 0
	}
	for i := range n.vigil.checks {
		if !n.vigil.checks[i].lastOK {
			return false
		}
	}
	return true
}

// checkups returns what readers see of the checks.
func (n *node) checkups() []Checkup {
	if len(n.proc.Checks) == 0 {
		return nil
	}
	out := make([]Checkup, len(n.proc.Checks))
	for i := range out {
		out[i] = Checkup{Name: n.proc.Checks[i].Name, Health: HealthUnknown}
		if n.vigil != nil {
			c := &n.vigil.checks[i]
			out[i].Health, out[i].Reason, out[i].Last = c.health, c.reason, c.last
			out[i].At, out[i].Latency, out[i].Failed = c.at, c.latency, c.streak.Failed
		}
	}
	return out
}
