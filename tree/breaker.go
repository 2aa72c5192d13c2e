package tree

import (
	"slices"
	"time"

	"gosup/policy"
	"gosup/spec"
)

// supply is the state of one dependency outside the supervisor.
type supply struct {
	spec    spec.Dependency
	breaker policy.Breaker
	shown   policy.BreakerState
	due     Time // of the next probe
	probing bool
	heard   bool // a probe was answered, or a person has said how it is
	trial   bool // a guarded command is the trial of a half-open breaker
	trialBy Time // it is given up then
	reason  string
	at      Time // of the last result
	wellAt  Time // of the last success
}

// trialLimit is how long a guarded command may be the one trial of a breaker:
// who runs it may have been killed.
const trialLimit = time.Minute

// provide takes over the definitions of external dependencies, keeping the
// breakers of those that were there.
func (t *Tree) provide(deps []spec.Dependency) {
	old := t.deps
	t.deps = make([]supply, 0, len(deps))
	for _, d := range deps {
		s := supply{due: t.now}
		for i := range old {
			if old[i].spec.Name == d.Name {
				s = old[i]
			}
		}
		s.spec = d
		t.deps = append(t.deps, s)
	}
}

// tend sends the probes of dependencies that are due and notices breakers that
// let a trial pass. It returns when to look again.
func (t *Tree) tend() Time {
	next := policy.Never
	for i := range t.deps {
		s := &t.deps[i]
		if s.trial && t.now >= s.trialBy {
			s.trial = false
			t.fed(s, false, "the guarded command gave no result")
		}
		t.noteBreaker(s)
		if s.trial {
			next = min(next, s.trialBy)
		}
		if s.shown == policy.Open {
			s.due = s.breaker.RetryAt()
			next = min(next, s.due)
		}
		if !t.probes(s) {
			continue
		}
		if t.now >= s.due {
			s.probing, s.due = true, t.now.Add(s.spec.Interval)
			t.do(Probe{Dependency: s.spec.Name, Probe: s.spec.Probe, Timeout: s.spec.Timeout})
			continue
		}
		next = min(next, s.due)
	}
	return next
}

// probes reports whether a probe of s may be sent when it is due.
func (t *Tree) probes(s *supply) bool {
	return !t.shutdown && s.spec.Probe != (spec.Probe{}) && !s.probing && !s.trial && s.shown != policy.Open
}

// supplied takes the result of a dependency's probe.
func (t *Tree) supplied(e Probed) {
	for i := range t.deps {
		if s := &t.deps[i]; s.spec.Name == e.Dependency && s.probing {
			s.probing = false
			s.heard, t.breakersTouched = true, t.breakersTouched || !s.heard
			if e.Health != HealthUnknown {
				t.fed(s, e.Health != HealthBad, e.Reason)
			}
		}
	}
}

// fed gives the breaker of s a result.
func (t *Tree) fed(s *supply, ok bool, reason string) {
	s.breaker.Result(t.now, s.spec.Breaker, ok)
	s.at = t.now
	switch {
	case !ok:
		s.reason = reason
	case s.breaker.State(t.now) == policy.Closed:
		s.wellAt, s.reason = t.now, ""
	}
	t.breakersTouched = true
	t.noteBreaker(s)
}

// noteBreaker tells when a breaker has a new state, and lets go who waited for
// it to close.
func (t *Tree) noteBreaker(s *supply) {
	state := s.breaker.State(t.now)
	if state == s.shown {
		return
	}
	from := s.shown
	s.shown = state
	t.breakersTouched = true
	t.note(Note{Type: NoteBreaker, Process: s.spec.Name, From: from.String(), To: state.String(),
		Cause: &Cause{Kind: CauseProbe, Text: s.reason}})
	switch {
	case state == policy.Closed:
		t.release(s)
	case from == policy.Closed && s.breaker.Failures() > 0:
		t.refund(s)
	}
}

// payment is a restart that was charged to a budget.
type payment struct {
	at    Time
	payer NodeID
}

// maxPayments bounds what is remembered of one process. Who restarts more often
// than that before a breaker opens has a budget without a limit.
const maxPayments = 64

// paid notes that a restart of process n was charged to the budget of payer.
func (t *Tree) paid(n, payer *node) {
	if len(n.requires) == 0 {
		return
	}
	if len(n.payments) == maxPayments {
		n.payments = append(n.payments[:0], n.payments[1:]...)
	}
	n.payments = append(n.payments, payment{t.now, payer.id})
}

// refund gives back what restarts have cost since s was last well: an outage
// is seen to be one only after some failures, and until then its dependents
// have paid for it. Who has spent all of its budget by that waits like the rest.
func (t *Tree) refund(s *supply) {
	t.eachRequirer(s, func(n *node) {
		for _, p := range n.payments {
			if i, ok := t.index[p.payer]; ok && p.at >= s.wellAt {
				t.nodes[i].budget.Refund()
				t.nodes[i].touched = true
			}
		}
		n.payments, n.touched = nil, true
		if t.spentSince(n, s.wellAt) {
			n.rest, n.auto, n.cause = wanted, true, n.cause.Before
		}
	})
}

// spentSince reports whether process n has failed since a time, for no other
// reason than that its own budget was spent.
func (t *Tree) spentSince(n *node, at Time) bool {
	return n.rest == failed && n.cause.Kind == CauseBudget && n.cause.Limit.Max > 0 && n.lastExit != nil && n.lastExit.At >= at && !t.nodes[n.parent].failed
}

// eachRequirer calls f for each process that requires s, in order.
func (t *Tree) eachRequirer(s *supply, f func(*node)) {
	for i := range t.nodes {
		for _, k := range t.nodes[i].requires {
			if &t.deps[k] == s {
				f(&t.nodes[i])
				break
			}
		}
	}
}

// herdGap is the time between two starts of processes that have waited for the
// same breaker, herdLimit that from the first to the last.
const (
	herdGap   = 50 * time.Millisecond
	herdLimit = time.Second
)

// release lets the processes start again that a breaker has kept from it: one
// after the other, so that what has just come back is not run over.
func (t *Tree) release(s *supply) {
	var waiting []*node
	t.eachRequirer(s, func(n *node) {
		switch {
		case n.body == alive:
			t.forgive(n)
		case n.rest == wanted && n.body != spawning && t.cutOff(n) == 0:
			waiting = append(waiting, n)
			if n.auto {
				n.cause = &Cause{Kind: CauseBack, Node: s.spec.Name, Before: n.cause}
			}
			n.notBefore = 0
			if p := &t.nodes[n.parent]; p.group.Strategy.Ordered() && p.cause != nil && p.cause.Kind == CauseRestart {
				p.notBefore = 0
			}
		}
	})
	gap := herdGap
	if len(waiting) > 1 {
		gap = min(gap, herdLimit/time.Duration(len(waiting)-1))
	}
	for k, n := range waiting {
		n.turnAt, n.turnOf, n.touched = t.now.Add(time.Duration(k)*gap), s.spec.Name, true
	}
}

// cutOff returns the first dependency that n requires and whose breaker lets
// nobody pass, as its place plus 1; 0 for none.
func (t *Tree) cutOff(n *node) int32 {
	for _, k := range n.requires {
		if t.deps[k].shown != policy.Closed {
			return k + 1
		}
	}
	return 0
}

// unheard reports whether nothing is known of s yet, and soon will be: its
// first probe is on its way. Its breaker is closed for want of a failure.
func (s *supply) unheard() bool { return !s.heard && s.spec.Probe != (spec.Probe{}) }

// unheardOf returns the first dependency that n requires and of which nothing
// is known yet, as its place plus 1; 0 for none.
func (t *Tree) unheardOf(n *node) int32 {
	for _, k := range n.requires {
		if t.deps[k].unheard() {
			return k + 1
		}
	}
	return 0
}

// suspended reports whether n has to be down for as long as a breaker is not
// closed.
func (t *Tree) suspended(n *node) bool {
	for _, k := range n.requires {
		if s := &t.deps[k]; s.spec.StopOnOpen && s.shown != policy.Closed {
			return true
		}
	}
	return false
}

// Breaker is what can be known of one dependency at one moment.
type Breaker struct {
	Name       string
	Probe      spec.Probe // none set: only guarded commands feed it
	State      policy.BreakerState
	Failures   int
	Limit      policy.BreakerLimit
	Unheard    bool   // its first probe is under way
	RetryAt    Time   // of an open one; 0 otherwise
	Reason     string // of the last failure
	RequiredBy []string
}

// Breakers returns what can be known of each dependency, in the order of the
// file. The values are new at each call.
func (t *Tree) Breakers() []Breaker {
	out := make([]Breaker, 0, len(t.deps))
	for i := range t.deps {
		s := &t.deps[i]
		b := Breaker{Name: s.spec.Name, Probe: s.spec.Probe, State: s.shown, Failures: s.breaker.Failures(), Limit: s.spec.Breaker,
			Unheard: s.unheard(), Reason: s.reason}
		if s.shown == policy.Open {
			b.RetryAt = s.breaker.RetryAt()
		}
		for j := range t.nodes {
			if slices.Contains(t.nodes[j].requires, int32(i)) {
				b.RequiredBy = append(b.RequiredBy, t.nodes[j].name)
			}
		}
		out = append(out, b)
	}
	return out
}

// breakerCause says that the breaker of dependency k keeps a process down.
func (t *Tree) breakerCause(k int32) *Cause {
	s := &t.deps[k]
	c := &Cause{Kind: CauseBreaker, Node: s.spec.Name, Text: s.reason}
	if s.shown == policy.Open {
		c.Until = s.breaker.RetryAt()
		c.Delay = max(0, c.Until.Sub(t.now))
	}
	return c
}

// guarded takes the result of a command that ran through a breaker.
func (t *Tree) guarded(e Guarded) {
	for i := range t.deps {
		if s := &t.deps[i]; s.spec.Name == e.Dependency {
			s.trial = false
			t.fed(s, e.OK, e.Why)
		}
	}
}

// askedOfBreakers does what a person wishes of dependencies.
func (t *Tree) askedOfBreakers(e Asked) {
	results := make([]Result, 0, len(e.Names))
	for _, name := range e.Names {
		s := t.supplyNamed(name)
		if s == nil {
			t.do(Answer{ID: e.ID, Err: &spec.UnknownError{Name: name, Kind: "dependency"}})
			return
		}
	}
	for _, name := range e.Names {
		s := t.supplyNamed(name)
		r := Result{Name: name, Changed: true}
		switch e.Verb {
		case AskTrip:
			l := s.spec.Breaker
			if e.For > 0 {
				l.Recovery = e.For
			}
			s.breaker.Trip(t.now, l)
			s.reason = "opened by " + e.By
		case AskReset:
			s.breaker.Reset()
			s.heard = true
			s.reason, s.due = "", t.now.Add(s.spec.Interval)
		default:
			r.Err = t.admit(s)
			results = append(results, r)
			continue
		}
		t.breakersTouched = true
		t.note(Note{Type: NoteRequest, Process: name, Cause: &Cause{Kind: CauseAsked, By: e.By, Text: e.Why}, By: e.By, Detail: e.Verb.String()})
		t.noteBreaker(s)
		results = append(results, r)
	}
	t.do(Answer{ID: e.ID, Results: results})
}

func (t *Tree) supplyNamed(name string) *supply {
	for i := range t.deps {
		if t.deps[i].spec.Name == name {
			return &t.deps[i]
		}
	}
	return nil
}

// admit lets a guarded command pass a breaker, or says why not. A half-open one
// lets a single trial pass at a time.
func (t *Tree) admit(s *supply) string {
	switch s.breaker.State(t.now) {
	case policy.Open:
		return "its circuit breaker is open, next trial in " + roundSeconds(s.breaker.RetryAt().Sub(t.now))
	case policy.HalfOpen:
		if s.trial || s.probing {
			return "its circuit breaker is half open and another trial is under way"
		}
		s.trial, s.trialBy = true, t.now.Add(trialLimit)
	}
	return ""
}
