package policy

import (
	"math/rand/v2"
	"testing"
	"time"
)

const sec = Time(time.Second)

func TestBudgetForgetsByGoodTime(t *testing.T) {
	t.Parallel()
	l := Limit{Max: 2, Within: 60 * time.Second}
	var b Budget
	grant := func(at Time, want bool) {
		t.Helper()
		if got := b.Grant(at, l); got != want {
			t.Errorf("at %ds: granted %v, want %v", at/sec, got, want)
		}
	}
	count := func(at Time, want int) {
		t.Helper()
		if got := b.Count(at, l); got != want {
			t.Errorf("at %ds: %d remembered, want %d", at/sec, got, want)
		}
	}
	b.Run(0, true)
	grant(10*sec, true)
	b.Run(10*sec, false)
	count(1000*sec, 1) // standing still forgives nothing
	if at, ok := b.Forgets(1000*sec, l); ok {
		t.Errorf("a clock that stands still forgets at %d", at)
	}
	b.Run(1000*sec, true)
	b.Run(1001*sec, true) // told twice is told once
	if at, ok := b.Forgets(1030*sec, l); !ok || at != 1060*sec {
		t.Errorf("forgets at %ds, %v; want 1060s", at/sec, ok)
	}
	grant(1059*sec, true)
	count(1059*sec, 2)
	grant(1059*sec, false)
	count(1060*sec-1, 2)
	count(1060*sec, 1) // exactly within later it is forgotten
	grant(1060*sec, true)
	grant(1060*sec, false)
	if got := b.Next(1060*sec, l); got != 3 {
		t.Errorf("the next restart is number %d, want 3", got)
	}
	b.Clear()
	count(1060*sec, 0)
	grant(1061*sec, true)
	count(1120*sec, 1) // the clock went on over Clear
	count(1121*sec, 0)
}

func TestBudgetByTheWall(t *testing.T) {
	t.Parallel()
	l := Limit{Max: 2, Within: 60 * time.Second, Clock: Wall}
	var b Budget
	for i, want := range []bool{true, true, false} {
		if got := b.Grant(Time(i)*sec, l); got != want {
			t.Errorf("grant %d: %v, want %v", i, got, want)
		}
	}
	if got := b.Next(2*sec, l); got != 3 {
		t.Errorf("Next = %d, want 3", got)
	}
	if at, ok := b.Forgets(2*sec, l); !ok || at != 60*sec {
		t.Errorf("forgets at %ds, %v; want 60s", at/sec, ok)
	}
	if got := b.Count(60*sec, l); got != 1 {
		t.Errorf("at 60s %d are remembered, want 1", got)
	}
	if !b.Grant(61*sec, l) {
		t.Error("at 61s there is room again")
	}
	b.Ran(59*time.Second, l)
	if got := b.Next(200*sec, l); got != 4 {
		t.Errorf("after short runs only, Next = %d, want 4", got)
	}
	b.Ran(60*time.Second, l)
	if got := b.Next(200*sec, l); got != 1 {
		t.Errorf("after a long run, Next = %d, want 1", got)
	}
	b.Grant(200*sec, l)
	b.Clear()
	if got := b.Next(200*sec, l); got != 1 {
		t.Errorf("after Clear, Next = %d, want 1", got)
	}
}

func TestBudgetLimits(t *testing.T) {
	t.Parallel()
	var none Budget
	if none.Grant(0, Limit{Max: 0, Within: time.Second}) {
		t.Error("a budget of 0 granted a restart")
	}
	var b Budget
	unlimited := Limit{Max: Unlimited, Within: time.Hour}
	b.Run(0, true)
	const many = 10 * maxGrants
	for i := range many {
		if !b.Grant(Time(i), unlimited) {
			t.Fatal("an unlimited budget was spent")
		}
	}
	if got := b.Count(many, unlimited); got != many {
		t.Errorf("%d remembered, want %d", got, many)
	}
	if len(b.grants) > maxGrants {
		t.Errorf("%d entries are kept, at most %d should be", len(b.grants), maxGrants)
	}
	if got := b.Count(Time(time.Hour)+many-1, unlimited); got != 0 {
		t.Errorf("%d remembered an hour later, want 0", got)
	}
}

func TestBudgetCloneSharesNothing(t *testing.T) {
	t.Parallel()
	l := Limit{Max: 9, Within: time.Minute}
	var b Budget
	b.Grant(0, l)
	c := b.Clone()
	b.Grant(0, l)
	if got := c.Count(0, l); got != 1 {
		t.Errorf("the copy remembers %d, want 1", got)
	}
}

// A process that runs for r each life is stopped for good exactly when
// max × r < within.
func TestBudgetIsSpentExactlyWhenRunsAreTooShort(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		l := Limit{Max: 1 + rng.IntN(20), Within: time.Duration(1 + rng.IntN(1000))}
		r := time.Duration(rng.IntN(int(l.Within)/l.Max + 3))
		var b Budget
		now, spent := Time(0), false
		for range 10*l.Max + 2 {
			b.Run(now, true)
			now = now.Add(r)
			granted := b.Grant(now, l)
			b.Run(now, false)
			now = now.Add(time.Duration(rng.IntN(5000))) // backoff changes nothing
			if spent = !granted; spent {
				break
			}
		}
		if want := time.Duration(l.Max)*r < l.Within; spent != want {
			t.Fatalf("%d within %d, runs of %d: spent %v, want %v", l.Max, l.Within, r, spent, want)
		}
	}
}

// naive is the budget as SPEC words it, with every grant ever given.
type naive struct {
	clock  time.Duration
	grants []time.Duration
	l      Limit
}

func (n *naive) count() (c int) {
	for _, g := range n.grants {
		if g+n.l.Within > n.clock {
			c++
		}
	}
	return c
}

func TestBudgetAgreesWithANaiveOne(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		l := Limit{Max: rng.IntN(8) - 1, Within: time.Duration(1 + rng.IntN(300)), Clock: WithinClock(rng.IntN(2))}
		var b Budget
		m := naive{l: l}
		good := false
		now := Time(0)
		for range 200 {
			d := time.Duration(rng.IntN(60))
			now = now.Add(d)
			if good || l.Clock == Wall {
				m.clock += d
			}
			switch rng.IntN(6) {
			case 0, 1:
				good = !good
				b.Run(now, good)
			case 2, 3, 4:
				want := l.Max == Unlimited || m.count() < l.Max
				if want {
					m.grants = append(m.grants, m.clock)
				}
				if got := b.Grant(now, l); got != want {
					t.Fatalf("%+v at %d: granted %v, want %v", l, now, got, want)
				}
			case 5:
				if rng.IntN(10) == 0 {
					b.Clear()
					m.grants = nil
				}
			}
			if got, want := b.Count(now, l), m.count(); got != want {
				t.Fatalf("%+v at %d: %d remembered, want %d", l, now, got, want)
			}
			if at, ok := b.Forgets(now, l); ok && b.Count(at-1, l) <= b.Count(at, l) {
				t.Fatalf("%+v at %d: nothing is forgotten at %d", l, now, at)
			}
		}
	}
}
