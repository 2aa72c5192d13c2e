package tree

import (
	"fmt"
	"time"

	"gosup/policy"
	"gosup/spec"
)

const (
	// together is how far apart probes may be due that are sent at one time:
	// what probing costs is the wake-ups.
	together = 10 * time.Millisecond
	// manyChecks is from how many checks on the first ones are spread out.
	manyChecks = 32
	// hurriedProbe is the interval of checks that somebody waits for.
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
	reason  string
	due     Time // of the next probe, or of the heartbeat's timeout
	probing bool
	stale   bool // the probe under way was sent under an older definition
	latency time.Duration
	at      Time // of the last result; 0 for none
}

// watch begins the checks of a run that has become ready.
func (t *Tree) watch(n *node) {
	if len(n.proc.Checks) == 0 {
		return
	}
	v := &vigil{since: t.now, checks: make([]checkup, len(n.proc.Checks))}
	for i := range v.checks {
		c, spec := &v.checks[i], &n.proc.Checks[i]
		c.health = HealthUnknown
		switch {
		case spec.Heartbeat != nil:
			c.due = t.now.Add(max(spec.Heartbeat.Timeout, spec.StartPeriod))
		case t.hurried(n):
			c.due = t.now
		default:
			c.due = t.now.Add(t.firstProbe(spec.Interval))
		}
	}
	n.vigil = v
}

// rewatch begins the checks of a run anew, under a new definition. What is still
// on its way was asked under the old one.
func (t *Tree) rewatch(n *node) {
	var old []checkup
	if n.vigil != nil {
		old = n.vigil.checks
	}
	n.vigil = nil
	t.watch(n)
	if n.vigil == nil {
		n.shownHealth, n.shownReason = HealthNone, ""
		return
	}
	for i := range n.vigil.checks {
		stale := i < len(old) && old[i].probing
		n.vigil.checks[i].probing, n.vigil.checks[i].stale = stale, stale
	}
	t.noteHealth(n)
}

// firstProbe returns how long after the start the first probe is: the interval,
// but up to half of it earlier where there are many checks, so that what was
// started together is not probed together for ever.
func (t *Tree) firstProbe(interval time.Duration) time.Duration {
	if t.checks < manyChecks {
		return interval
	}
	return interval - time.Duration(t.draw()%uint64(interval/2+1))
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

// check sends the probes of n that are due and notices a heartbeat that has
// stopped. It returns when to look again; policy.Never for not at all.
func (t *Tree) check(n *node) Time {
	if n.vigil == nil || n.body != alive || !n.ready || n.parting() {
		return policy.Never
	}
	next := policy.Never
	for i := range n.vigil.checks {
		c, s := &n.vigil.checks[i], &n.proc.Checks[i]
		if s.Heartbeat != nil {
			if t.now >= c.due && c.due != policy.Never {
				c.due = policy.Never
				t.silent(n, i)
			}
			next = min(next, c.due)
			continue
		}
		if c.due <= t.now.Add(together) {
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
	interval := s.Interval
	if !c.passed && t.hurried(n) {
		interval = min(interval, hurriedProbe)
	}
	late := t.now.Sub(c.due)
	c.due = c.due.Add(interval)
	if late >= interval {
		c.due = c.due.Add(late / interval * interval)
		if !t.hurried(n) {
			return
		}
	}
	if c.probing {
		return
	}
	c.probing = true
	t.do(Probe{Node: n.id, Run: n.run, Check: i, Probe: s.Probe, Timeout: s.Timeout})
}

// probed takes the result of a check's probe.
func (t *Tree) probed(n *node, e Probed) {
	if n.vigil == nil || e.Check >= len(n.vigil.checks) {
		return
	}
	c, s := &n.vigil.checks[e.Check], &n.proc.Checks[e.Check]
	stale := c.stale
	c.probing, c.stale = false, false
	if t.now < n.sickUntil {
		e.Health, e.Reason = HealthBad, "made to fail by a person"
	}
	if stale || e.Health == HealthUnknown {
		return // it says nothing about the process
	}
	c.latency, c.at = e.Latency, t.now
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
	ok := h != HealthBad
	if !ok && !c.passed && t.now.Sub(n.vigil.since) < s.StartPeriod {
		c.reason = reason
		return
	}
	if c.lastOK != ok || c.reason != reason {
		n.touched = true
	}
	c.lastOK, c.reason = ok, reason
	c.passed = c.passed || ok
	up, down := c.streak.Add(s.Threshold, ok)
	before := c.health
	switch {
	case up:
		c.health = h
	case down:
		c.health = HealthBad
	}
	t.noteHealth(n)
	if down && before != HealthBad {
		t.unhealthy(n, s.OnUnhealthy, reason)
	}
}

// silent is a heartbeat that was awaited and did not come: unhealthy at once,
// whatever the threshold.
func (t *Tree) silent(n *node, i int) {
	c := &n.vigil.checks[i]
	before := c.health
	c.health, c.lastOK, c.reason = HealthBad, false, "Heartbeat timeout"
	c.at = t.now
	n.touched = true
	t.noteHealth(n)
	if before != HealthBad {
		t.unhealthy(n, n.proc.Checks[i].OnUnhealthy, c.reason)
	}
}

// confess is a process that says itself that it is broken: its heartbeat counts
// as missed.
func (t *Tree) confess(n *node) {
	if n.vigil == nil || n.parting() {
		return
	}
	for i := range n.proc.Checks {
		if n.proc.Checks[i].Heartbeat != nil {
			t.silent(n, i)
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

// unhealthy does what on_unhealthy says.
func (t *Tree) unhealthy(n *node, o spec.OnUnhealthy, reason string) {
	switch o.Action {
	case spec.UnhealthySignal:
		t.do(Signal{Node: n.id, Run: n.run, Signal: o.Signal, Reach: spec.KillProcess})
	case spec.UnhealthyRestart:
		t.replace(n, Unhealthy, &Cause{Kind: CauseUnhealthy, Text: reason})
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
	n.frozen = false
	n.requests, n.errors = 0, 0
	n.readyAt, n.readyBy, n.probeAt, n.probing = 0, 0, 0, false
	if len(n.proc.Checks) > 0 {
		n.shownHealth, n.shownReason = HealthUnknown, ""
	}
}

// noteHealth tells when the health of a process, over all its checks, is new.
func (t *Tree) noteHealth(n *node) {
	h, reason := n.healthNow()
	if h == n.shownHealth && (h != Degraded || reason == n.shownReason) {
		return
	}
	from := n.shownHealth
	n.shownHealth, n.shownReason, n.touched = h, reason, true
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
			out[i].Health, out[i].Reason = c.health, c.reason
			out[i].At, out[i].Latency, out[i].Failed = c.at, c.latency, c.streak.Failed
		}
	}
	return out
}
