package policy

import (
	"slices"
	"time"
)

// Unlimited as a maximum of restarts never exhausts a budget.
const Unlimited = -1

// WithinClock says which time a budget's window is measured in.
type WithinClock uint8

// The clocks of a window.
const (
	Running WithinClock = iota // time in good standing, see Budget
	Wall                       // plain monotonic time, as OTP and systemd count
)

var withinClockNames = [...]string{"running", "wall"}

// String returns the name that configuration files use.
func (w WithinClock) String() string { return nameOf(withinClockNames[:], int(w)) }

// ParseWithinClock returns the clock of a name from a configuration file.
func ParseWithinClock(s string) (WithinClock, error) {
	i, err := indexOf(withinClockNames[:], s)
	return WithinClock(i), err
}

// Limit is what a budget is measured against.
type Limit struct {
	Max    int           // restarts that may be remembered at once; Unlimited for no limit
	Within time.Duration // for how long one is remembered; above 0
	Clock  WithinClock
}

// maxGrants bounds the memory of one budget. Past it the oldest two grants
// share the later reading: nothing is forgotten early.
const maxGrants = 1024

// Budget counts automatic restarts. It has a clock of its own, which the
// owner lets run while what it watches is in good standing and holds still
// otherwise. A granted restart is forgotten once Limit.Within has passed on
// that clock; a restart is granted while fewer than Limit.Max are remembered.
// So waiting in backoff earns no forgiveness.
//
// With Limit.Clock Wall the clock never stands still.
//
// The zero value is empty, its clock standing at 0.
type Budget struct {
	grants  []grant // oldest first
	elapsed time.Duration
	since   Time // when the clock was last set running; meaningful while it runs
	running bool
	streak  int // grants since the last long run, for Wall
}

// grant is a number of restarts granted at one reading of the clock.
type grant struct {
	at    time.Duration
	count int
}

// Run lets the clock run (good true) or holds it still from now on.
func (b *Budget) Run(now Time, good bool) {
	if b.running == good {
		return
	}
	b.elapsed = b.reading(now)
	b.since = now
	b.running = good
}

func (b *Budget) reading(now Time) time.Duration {
	if b.running {
		return b.elapsed + now.Sub(b.since)
	}
	return b.elapsed
}

// Stretch returns for how long the clock has been running; 0 if it stands.
func (b *Budget) Stretch(now Time) time.Duration {
	if b.running {
		return now.Sub(b.since)
	}
	return 0
}

// read returns the budget's own clock under limit l.
func (b *Budget) read(now Time, l Limit) time.Duration {
	if l.Clock == Wall {
		return time.Duration(now)
	}
	return b.reading(now)
}

// Count returns how many restarts are remembered now.
func (b *Budget) Count(now Time, l Limit) int {
	clock, n := b.read(now, l), 0
	for _, g := range b.grants {
		if clock-g.at < l.Within {
			n += g.count
		}
	}
	return n
}

// Next returns n of the delay formula for the next restart: 1 more than the
// restarts remembered, or under Wall than those in a row since the last run
// that lasted Limit.Within.
func (b *Budget) Next(now Time, l Limit) int {
	if l.Clock == Wall {
		return b.streak + 1
	}
	return b.Count(now, l) + 1
}

// Ran tells the budget how long the run lasted that has just ended. Only Wall
// asks: a run as long as the window ends the row of restarts.
func (b *Budget) Ran(d time.Duration, l Limit) {
	if d >= l.Within {
		b.streak = 0
	}
}

// Grant charges one restart if the limit allows it, and reports whether it did.
func (b *Budget) Grant(now Time, l Limit) bool {
	clock := b.read(now, l)
	kept, n := b.grants[:0], 0
	for _, g := range b.grants {
		if clock-g.at < l.Within {
			kept, n = append(kept, g), n+g.count
		}
	}
	b.grants = kept
	if l.Max != Unlimited && n >= l.Max {
		return false
	}
	b.streak++
	if k := len(b.grants); k > 0 && b.grants[k-1].at == clock {
		b.grants[k-1].count++
		return true
	}
	if len(b.grants) == maxGrants {
		b.grants[1].count += b.grants[0].count
		b.grants = slices.Delete(b.grants, 0, 1)
	}
	b.grants = append(b.grants, grant{at: clock, count: 1})
	return true
}

// Refund takes back the last restart that was granted, if one is remembered.
func (b *Budget) Refund() {
	k := len(b.grants)
	if k == 0 {
		return
	}
	b.streak = max(0, b.streak-1)
	if b.grants[k-1].count--; b.grants[k-1].count == 0 {
		b.grants = b.grants[:k-1]
	}
}

// Forgets returns when the oldest remembered restart will be forgotten if the
// clock runs on, and false if none is remembered or the clock stands still.
func (b *Budget) Forgets(now Time, l Limit) (Time, bool) {
	if l.Clock != Wall && !b.running {
		return 0, false
	}
	clock := b.read(now, l)
	for _, g := range b.grants {
		if left := l.Within - (clock - g.at); left > 0 {
			return now.Add(left), true
		}
	}
	return 0, false
}

// Clone returns a copy that shares nothing with b.
func (b *Budget) Clone() Budget {
	c := *b
	c.grants = slices.Clone(b.grants)
	return c
}

// Clear forgets every restart. The clock goes on as it was.
func (b *Budget) Clear() {
	b.grants = nil
	b.streak = 0
}

// BudgetMemory is all that a Budget knows, for who keeps it over the life of a
// daemon.
type BudgetMemory struct {
	Grants  []GrantMemory `json:"grants,omitempty"` // oldest first
	Elapsed time.Duration `json:"elapsed,omitempty"`
	Since   Time          `json:"since,omitempty"`
	Running bool          `json:"running,omitempty"`
	Streak  int           `json:"streak,omitempty"`
}

// GrantMemory is a number of restarts granted at one reading of the clock.
type GrantMemory struct {
	At    time.Duration `json:"at"`
	Count int           `json:"count"`
}

// Memory returns what b knows. It shares nothing with b.
func (b *Budget) Memory() BudgetMemory {
	m := BudgetMemory{Elapsed: b.elapsed, Since: b.since, Running: b.running, Streak: b.streak}
	for _, g := range b.grants {
		m.Grants = append(m.Grants, GrantMemory{g.at, g.count})
	}
	return m
}

// Budget returns the budget that knew m. Grants beyond what a budget remembers
// are left out, the oldest first.
func (m BudgetMemory) Budget() Budget {
	b := Budget{elapsed: m.Elapsed, since: m.Since, running: m.Running, streak: max(0, m.Streak)}
	for _, g := range m.Grants[max(0, len(m.Grants)-maxGrants):] {
		if g.Count > 0 {
			b.grants = append(b.grants, grant{g.At, g.Count})
		}
	}
	return b
}
