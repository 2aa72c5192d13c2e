package tree

import (
	"time"

	"gosup/policy"
	"gosup/spec"
)

// readinessCheck is the Check of a probe that asks whether a process is ready.
const readinessCheck = -1

// The probes of a process that is to become ready: soon, then ever slower.
const (
	firstReadyProbe = 50 * time.Millisecond
	lastReadyProbe  = 500 * time.Millisecond
	readyTimeout    = 5 * time.Second // of one such probe
)

// awaitReady begins the wait for a run that has just begun to be ready.
func (t *Tree) awaitReady(n *node) {
	r := n.proc.Readiness
	if r == nil {
		t.becomeReady(n)
		return
	}
	n.readyBy = t.now.Add(r.Timeout)
	n.probeAt = policy.Never
	switch {
	case n.spoken && r.Delay == 0 && r.Probe == (spec.Probe{}):
		t.becomeReady(n)
	case r.Delay > 0:
		n.readyAt = t.now.Add(r.Delay)
		n.readyBy = policy.Never
	case r.Probe != (spec.Probe{}):
		n.probeAt, n.probeGap = t.now.Add(firstReadyProbe), firstReadyProbe
	}
}

// becomeReady makes a process count as running.
func (t *Tree) becomeReady(n *node) {
	n.ready, n.touched = true, true
	n.readyAt, n.readyBy, n.probeAt = 0, 0, 0
	t.hooked(n, spec.PostStart)
	t.watch(n)
}

// prepare moves a run towards ready. It returns when to look again;
// policy.Never for not at all.
func (t *Tree) prepare(n *node) Time {
	if n.body != alive || n.ready || n.parting() || n.proc.Readiness == nil {
		return policy.Never
	}
	switch {
	case n.readyAt != 0 && t.now >= n.readyAt:
		t.becomeReady(n)
		return policy.Never
	case t.now >= n.readyBy && n.adopted && n.proc.Readiness.Probe == (spec.Probe{}):
		// It may have said so while nobody was there to hear it.
		t.becomeReady(n)
		return policy.Never
	case t.now >= n.readyBy:
		given := n.readyBy.Sub(n.startedAt).Round(time.Millisecond)
		n.readyBy = policy.Never
		t.replace(n, NotStarted, &Cause{Kind: CauseNotReady, Delay: given, Text: n.notReady})
		return policy.Never
	}
	if t.now >= n.probeAt && !n.probing {
		n.probing = true
		n.probeAt = policy.Never // until there is a result
		t.do(Probe{Node: n.id, Run: n.run, Check: readinessCheck, Process: n.name, Name: "readiness", Probe: n.proc.Readiness.Probe, Timeout: readyTimeout})
	}
	next := min(n.readyBy, n.probeAt)
	if n.readyAt != 0 {
		next = min(next, n.readyAt)
	}
	return next
}

// probedReady takes the result of a readiness probe.
func (t *Tree) probedReady(n *node, e Probed) {
	n.probing = false
	if n.ready || n.parting() {
		return
	}
	if e.Health == Healthy || e.Health == Degraded {
		t.becomeReady(n)
		return
	}
	n.notReady = e.Reason
	n.probeGap = min(2*n.probeGap, lastReadyProbe)
	n.probeAt = t.now.Add(n.probeGap)
}

// notified takes what a run has said of itself.
func (t *Tree) notified(n *node, e Notified) {
	if e.Status != nil && *e.Status != n.status {
		n.status, n.touched = *e.Status, true
	}
	if n.body == spawning {
		n.spoken = n.spoken || e.Ready // it is faster than the word that it has started
		return
	}
	t.hearPlans(n, e)
	if e.Extend > 0 {
		t.extend(n, e.Extend)
	}
	if e.Ready && !n.ready && !n.parting() && n.proc.Readiness != nil && n.probeAt == policy.Never && n.readyAt == 0 {
		t.becomeReady(n)
	}
	if e.Broken && n.ready {
		t.confess(n)
	} else if e.Beat && n.ready {
		t.beat(n, e.Requests, e.Errors)
	}
}

// hearPlans notes what a run says that it is about to do. A process that cannot
// stop saying so fills no history with it.
func (t *Tree) hearPlans(n *node, e Notified) {
	word := ""
	switch {
	case e.Stopping && !n.leaves:
		n.leaves, word = true, "stopping"
	case e.Reloading && !n.reloads:
		n.reloads, word = true, "reloading"
	case e.Ready && n.reloads:
		n.reloads, word = false, "reloaded"
	}
	if word == "" || n.plannedAt != 0 && t.now.Sub(n.plannedAt) < time.Second {
		return
	}
	n.plannedAt = t.now
	t.note(Note{Type: NoteLog, Process: n.name, To: word, Cause: &Cause{Kind: CauseProbe, Text: "it says so"}, PID: n.pid})
}

// extend gives a run more time to become ready, or to stop, counted from now.
func (t *Tree) extend(n *node, d time.Duration) {
	switch {
	case n.step > 0 && n.step <= len(n.proc.Stop.Steps):
		n.deadline = max(n.deadline, t.now.Add(d))
	case !n.ready && n.readyBy != 0:
		n.readyBy = max(n.readyBy, t.now.Add(d))
	}
}
