package policy

import "time"

// Threshold turns single probe results into a standing: it takes Failures in
// a row to be down, Successes in a row to be up again.
type Threshold struct {
	Failures  int // at least 1
	Successes int // at least 1
}

// Streak is the state of a Threshold: the results in a row so far.
type Streak struct {
	Failed    int
	Succeeded int
}

// Add counts one result and reports whether it makes the standing certain:
// down after enough failures, up after enough successes, neither between.
func (s *Streak) Add(t Threshold, ok bool) (up, down bool) {
	if ok {
		s.Failed = 0
		s.Succeeded++
		return s.Succeeded >= t.Successes, false
	}
	s.Succeeded = 0
	s.Failed++
	return false, s.Failed >= t.Failures
}

// BreakerState is where a circuit breaker stands.
type BreakerState uint8

// The states of a breaker.
const (
	Closed   BreakerState = iota // calls pass
	Open                         // no call passes until the recovery timeout is over
	HalfOpen                     // one trial at a time
)

var breakerStateNames = [...]string{"closed", "open", "half_open"}

// String returns the name that the API uses.
func (s BreakerState) String() string { return nameOf(breakerStateNames[:], int(s)) }

// BreakerLimit is what a breaker is measured against.
type BreakerLimit struct {
	Failures         int           // consecutive ones that open it
	Recovery         time.Duration // from the last failure to the next trial
	HalfOpenFailures int           // failed trials that open it again
}

// Breaker is a circuit breaker. The zero value is closed.
type Breaker struct {
	state    BreakerState
	failures int  // in a row; goes on counting through trials
	trials   int  // failed since it became half open
	retryAt  Time // while open
}

// State returns where the breaker stands now: an open one is half open once
// its recovery timeout has passed.
func (b *Breaker) State(now Time) BreakerState {
	if b.state == Open && now >= b.retryAt {
		return HalfOpen
	}
	return b.state
}

// Failures returns the failures in a row.
func (b *Breaker) Failures() int { return b.failures }

// RetryAt returns when an open breaker lets the next trial pass.
func (b *Breaker) RetryAt() Time { return b.retryAt }

// Result records that a call through the breaker ended at now. While it is
// open, that is a call which began before: its success proves nothing of now.
func (b *Breaker) Result(now Time, l BreakerLimit, ok bool) {
	if ok && b.State(now) != Open {
		*b = Breaker{}
	}
	if ok {
		return
	}
	b.failures++
	switch b.State(now) {
	case Closed:
		if b.failures >= l.Failures {
			b.open(now, l)
		}
	case HalfOpen:
		if b.state == Open {
			b.state, b.trials = HalfOpen, 0
		}
		b.trials++
		if b.trials >= l.HalfOpenFailures {
			b.open(now, l)
		}
	case Open:
		// A call that began before it opened: the wait starts anew.
		b.open(now, l)
	}
}

func (b *Breaker) open(now Time, l BreakerLimit) {
	b.state, b.trials = Open, 0
	b.retryAt = now.Add(l.Recovery)
}

// Trip opens the breaker as if it had failed at now.
func (b *Breaker) Trip(now Time, l BreakerLimit) { b.open(now, l) }

// Reset closes the breaker and sets its count to 0.
func (b *Breaker) Reset() { *b = Breaker{} }

// BreakerMemory is all that a Breaker knows, for who keeps it over the life of
// a daemon.
type BreakerMemory struct {
	State    BreakerState `json:"state,omitempty"`
	Failures int          `json:"failures,omitempty"`
	Trials   int          `json:"trials,omitempty"`
	RetryAt  Time         `json:"retry_at,omitempty"`
}

// Memory returns what b knows.
func (b *Breaker) Memory() BreakerMemory {
	return BreakerMemory{b.state, b.failures, b.trials, b.retryAt}
}

// Breaker returns the breaker that knew m; a closed one where m makes no sense.
func (m BreakerMemory) Breaker() Breaker {
	if m.State > HalfOpen || m.Failures < 0 || m.Trials < 0 {
		return Breaker{}
	}
	return Breaker{m.State, m.Failures, m.Trials, m.RetryAt}
}
