package tree

import (
	"time"

	"gosup/policy"
	"gosup/spec"
)

// edge is one depends_on, seen from either end.
type edge struct {
	node      int32 // the other end
	condition spec.Condition
	restart   bool
}

// link resolves the names in depends_on and requires to places in the tree.
// What names nothing is left out: the configuration was checked.
func (t *Tree) link() {
	byName := make(map[string]int32, len(t.nodes))
	t.checks = 0
	for i := range t.nodes {
		n := &t.nodes[i]
		n.depends, n.dependents, n.requires = nil, nil, nil
		if !n.isGroup() && !n.removed {
			byName[n.name] = int32(i)
			t.checks += len(n.proc.Checks)
		}
	}
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.isGroup() {
			continue
		}
		for _, d := range n.proc.DependsOn {
			if j, ok := byName[d.Name]; ok {
				n.depends = append(n.depends, edge{j, d.Condition, d.Restart})
				t.nodes[j].dependents = append(t.nodes[j].dependents, edge{int32(i), d.Condition, d.Restart})
			}
		}
		for _, name := range n.proc.Requires {
			for k := range t.deps {
				if t.deps[k].spec.Name == name {
					n.requires = append(n.requires, int32(k))
				}
			}
		}
	}
}

// satisfied reports whether a process has reached a condition.
func (n *node) satisfied(c spec.Condition) bool {
	done := n.rest == over && n.lastExit != nil && n.lastExit.Signal == 0 && n.proc.Restart.Success(n.lastExit.Code)
	up := n.body == alive && !n.parting()
	switch c {
	case spec.Completed:
		return done
	case spec.Started:
		return up || done
	case spec.Healthy:
		h, _ := n.healthNow()
		return up && n.ready && (h == Healthy || h == Degraded)
	default:
		return up && n.ready || done && n.proc.Type == spec.Oneshot
	}
}

// missing returns the first process that n depends on and that is not as far
// as n needs it; 0 for none.
func (t *Tree) missing(n *node) int32 {
	for _, d := range n.depends {
		if !t.nodes[d.node].satisfied(d.condition) {
			return d.node
		}
	}
	return 0
}

// needed reports whether something that must stop before n has not: a
// dependent that has to go as well.
func (t *Tree) needed(n *node) bool {
	for _, d := range n.dependents {
		if m := &t.nodes[d.node]; m.must && m.body != absent {
			return true
		}
	}
	return false
}

// drag takes those along that are to be restarted with n, which is about to
// have a new run.
func (t *Tree) drag(n *node) {
	for _, d := range n.dependents {
		m := &t.nodes[d.node]
		if !d.restart || m.cycle || m.rest != wanted || m.body == absent || m.parting() {
			continue
		}
		t.turnOver(m)
		m.cause = &Cause{Kind: CauseDependency, Node: n.name, Before: n.cause}
		t.drag(m)
	}
}

// supply is the state of one dependency outside the supervisor.
type supply struct {
	spec    spec.Dependency
	breaker policy.Breaker
	shown   policy.BreakerState
	due     Time // of the next probe
	probing bool
	trial   bool // a guarded command is the trial of a half-open breaker
	trialBy Time // it is given up then
	reason  string
	at      Time // of the last result
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
			next = min(next, s.breaker.RetryAt())
		}
		if t.shutdown || s.spec.Probe == (spec.Probe{}) {
			continue
		}
		if s.shown == policy.Open {
			s.due = s.breaker.RetryAt()
		}
		if t.now >= s.due && !s.probing && s.shown != policy.Open && !s.trial {
			s.probing = true
			t.do(Probe{Dependency: s.spec.Name, Probe: s.spec.Probe, Timeout: s.spec.Timeout})
		}
		if !s.probing {
			next = min(next, s.due)
		}
	}
	return next
}

// supplied takes the result of a dependency's probe.
func (t *Tree) supplied(e Probed) {
	for i := range t.deps {
		if s := &t.deps[i]; s.spec.Name == e.Dependency && s.probing {
			s.probing = false
			s.due = max(s.due.Add(s.spec.Interval), t.now)
			if e.Health != HealthUnknown {
				t.fed(s, e.Health != HealthBad, e.Reason)
			}
		}
	}
}

// fed gives the breaker of s a result.
func (t *Tree) fed(s *supply, ok bool, reason string) {
	s.breaker.Result(t.now, s.spec.Breaker, ok)
	s.reason, s.at = reason, t.now
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
	if state == policy.Closed {
		t.release(s)
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
	var waiting []int32
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.isGroup() || n.rest != wanted || n.body == alive || n.body == spawning {
			continue
		}
		for _, k := range n.requires {
			if &t.deps[k] == s {
				waiting = append(waiting, int32(i))
			}
		}
	}
	gap := herdGap
	if len(waiting) > 1 {
		gap = min(gap, herdLimit/time.Duration(len(waiting)-1))
	}
	for k, i := range waiting {
		n := &t.nodes[i]
		n.notBefore = max(n.notBefore, t.now.Add(time.Duration(k)*gap))
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
	State      policy.BreakerState
	Failures   int
	Limit      policy.BreakerLimit
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
		b := Breaker{Name: s.spec.Name, State: s.shown, Failures: s.breaker.Failures(), Limit: s.spec.Breaker, Reason: s.reason}
		if s.shown == policy.Open {
			b.RetryAt = s.breaker.RetryAt()
		}
		for j := range t.nodes {
			for _, k := range t.nodes[j].requires {
				if int(k) == i {
					b.RequiredBy = append(b.RequiredBy, t.nodes[j].name)
				}
			}
		}
		out = append(out, b)
	}
	return out
}

// waitCause says which process comes before n, and how far that is.
func (t *Tree) waitCause(n *node) *Cause {
	m := &t.nodes[n.waitFor]
	for _, d := range n.depends {
		if d.node == n.waitFor {
			return &Cause{Kind: CauseDepends, Node: m.name, Text: t.distance(m, d.condition)}
		}
	}
	return &Cause{Kind: CauseOrder, Node: m.name}
}

// distance says what m is, where it should be c.
func (t *Tree) distance(m *node, c spec.Condition) string {
	words := map[spec.Condition]string{spec.Ready: " to be ready", spec.Started: " to start",
		spec.Healthy: " to be healthy", spec.Completed: " to complete"}[c]
	words += ": it is " + m.shown.String()
	if m.shown == StateRunning {
		h, _ := m.healthNow()
		return words + ", " + h.String()
	}
	if why := t.why(m).String(); why != "" && m.shown != StateWaiting {
		words += " (" + why + ")"
	}
	return words
}

// cutCause says which breaker keeps n down, and for how long.
func (t *Tree) cutCause(n *node) *Cause {
	s := &t.deps[n.cut-1]
	words := "its circuit breaker is " + s.shown.String()
	if s.shown == policy.Open {
		words += ", next trial in " + Seconds(max(0, s.breaker.RetryAt().Sub(t.now)).Round(time.Second))
	}
	if s.reason != "" {
		words += " (" + s.reason + ")"
	}
	return &Cause{Kind: CauseBreaker, Node: s.spec.Name, Text: words}
}

// waitingOn returns the names of all that a waiting process waits for.
func (t *Tree) waitingOn(n *node) []string {
	var names []string
	for _, k := range n.requires {
		if t.deps[k].shown != policy.Closed {
			names = append(names, t.deps[k].spec.Name)
		}
	}
	for _, d := range n.depends {
		if m := &t.nodes[d.node]; !m.satisfied(d.condition) {
			names = append(names, m.name)
		}
	}
	if len(names) == 0 && n.waitFor != 0 {
		names = append(names, t.nodes[n.waitFor].name)
	}
	return names
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
			t.do(Answer{ID: e.ID, Err: &spec.UnknownError{Name: name}})
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
		return "its circuit breaker is open, next trial in " + Seconds(s.breaker.RetryAt().Sub(t.now).Round(time.Second))
	case policy.HalfOpen:
		if s.trial || s.probing {
			return "its circuit breaker is half open and another trial is under way"
		}
		s.trial, s.trialBy = true, t.now.Add(trialLimit)
	}
	return ""
}
