package policy

import (
	"math"
	"testing"
	"testing/quick"
	"time"
)

func TestDelay(t *testing.T) {
	t.Parallel()
	const s, ms = time.Second, time.Millisecond
	tests := []struct {
		name string
		b    Backoff
		want []time.Duration // of restarts 1, 2, 3 …
	}{
		{"immediate ignores the rest", Backoff{Curve: Immediate, Initial: s, Max: s, Multiplier: 2}, []time.Duration{0, 0, 0}},
		{"delayed is flat", Backoff{Curve: Delayed, Initial: 5 * s}, []time.Duration{5 * s, 5 * s, 5 * s}},
		{"the long recommended sequence", Backoff{Curve: Exponential, Initial: s, Max: 60 * s, Multiplier: 2},
			[]time.Duration{1 * s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s, 60 * s}},
		{"production", Backoff{Curve: Exponential, Initial: s, Max: 30 * s, Multiplier: 2},
			[]time.Duration{1 * s, 2 * s, 4 * s, 8 * s, 16 * s, 30 * s, 30 * s}},
		{"below a second, by a half more each time", Backoff{Curve: Exponential, Initial: 500 * ms, Max: 120 * s, Multiplier: 1.5},
			[]time.Duration{500 * ms, 750 * ms, 1125 * ms, 1687500 * time.Microsecond, 2531250 * time.Microsecond}},
		{"a multiplier of 1 is flat", Backoff{Curve: Exponential, Initial: s, Max: 60 * s, Multiplier: 1}, []time.Duration{s, s, s}},
		{"no initial delay stays none", Backoff{Curve: Exponential, Max: 60 * s, Multiplier: 2}, []time.Duration{0, 0, 0}},
		{"the ceiling counts from the first on", Backoff{Curve: Exponential, Initial: 60 * s, Max: 60 * s, Multiplier: 2}, []time.Duration{60 * s, 60 * s}},
		{"exact in nanoseconds", Backoff{Curve: Exponential, Initial: 1, Max: time.Hour, Multiplier: 3}, []time.Duration{1, 3, 9, 27, 81}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i, want := range tt.want {
				if got := tt.b.Delay(i + 1); got != want {
					t.Errorf("Delay(%d) = %v, want %v", i+1, got, want)
				}
			}
		})
	}
}

func TestDelayNeverOverflows(t *testing.T) {
	t.Parallel()
	for _, b := range []Backoff{
		{Curve: Exponential, Initial: time.Second, Max: math.MaxInt64, Multiplier: 2},
		{Curve: Exponential, Initial: 1, Max: math.MaxInt64, Multiplier: math.MaxFloat64},
		{Curve: Exponential, Initial: time.Hour, Max: time.Hour * 24 * 365, Multiplier: 1.0001},
	} {
		last := time.Duration(0)
		for n := 1; n < 100_000; n += 1 + n/50 {
			d := b.Delay(n)
			if d < last || d > b.Max {
				t.Fatalf("%+v: Delay(%d) = %v after %v, ceiling %v", b, n, d, last, b.Max)
			}
			last = d
		}
		if got := b.Delay(math.MaxInt); got != b.Max {
			t.Errorf("%+v: Delay(MaxInt) = %v, want the ceiling", b, got)
		}
	}
}

func TestDelayOfNoRestartIsThatOfTheFirst(t *testing.T) {
	t.Parallel()
	b := Backoff{Curve: Exponential, Initial: 3 * time.Second, Max: time.Minute, Multiplier: 2}
	for _, n := range []int{0, -1, math.MinInt} {
		if got := b.Delay(n); got != 3*time.Second {
			t.Errorf("Delay(%d) = %v, want 3s", n, got)
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	b := Backoff{Jitter: 0.25}
	if got, want := b.Spread(8*time.Second, 0), 6*time.Second; got != want {
		t.Errorf("the lowest draw = %v, want %v", got, want)
	}
	if got := b.Spread(8*time.Second, math.MaxUint64); got > 10*time.Second || got < 10*time.Second-time.Microsecond {
		t.Errorf("the highest draw = %v, want 10s or just below", got)
	}
	if got, want := b.Spread(8*time.Second, 1<<63), 8*time.Second; got != want {
		t.Errorf("the middle draw = %v, want %v", got, want)
	}
	if got := (Backoff{}).Spread(8*time.Second, 12345); got != 8*time.Second {
		t.Errorf("without jitter = %v, want 8s", got)
	}
	if got := (Backoff{Jitter: 1}).Spread(math.MaxInt64, math.MaxUint64); got != math.MaxInt64 {
		t.Errorf("the longest delay = %v, want the longest duration", got)
	}
	within := func(d uint32, jitter uint8, random uint64) bool {
		b := Backoff{Jitter: float64(jitter%101) / 100}
		f, got := float64(d), float64(b.Spread(time.Duration(d), random))
		return got >= math.Floor(f*(1-b.Jitter)) && got <= math.Ceil(f*(1+b.Jitter))
	}
	if err := quick.Check(within, nil); err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, parsed := range map[string]func(string) (string, error){
		"immediate":           func(s string) (string, error) { v, err := ParseCurve(s); return v.String(), err },
		"delayed":             func(s string) (string, error) { v, err := ParseCurve(s); return v.String(), err },
		"exponential_backoff": func(s string) (string, error) { v, err := ParseCurve(s); return v.String(), err },
		"always":              func(s string) (string, error) { v, err := ParseWhen(s); return v.String(), err },
		"on_failure":          func(s string) (string, error) { v, err := ParseWhen(s); return v.String(), err },
		"never":               func(s string) (string, error) { v, err := ParseWhen(s); return v.String(), err },
		"stop":                func(s string) (string, error) { v, err := ParseOnExhausted(s); return v.String(), err },
		"escalate":            func(s string) (string, error) { v, err := ParseOnExhausted(s); return v.String(), err },
		"shutdown":            func(s string) (string, error) { v, err := ParseOnExhausted(s); return v.String(), err },
		"one_for_one":         func(s string) (string, error) { v, err := ParseStrategy(s); return v.String(), err },
		"one_for_all":         func(s string) (string, error) { v, err := ParseStrategy(s); return v.String(), err },
		"rest_for_one":        func(s string) (string, error) { v, err := ParseStrategy(s); return v.String(), err },
		"running":             func(s string) (string, error) { v, err := ParseWithinClock(s); return v.String(), err },
		"wall":                func(s string) (string, error) { v, err := ParseWithinClock(s); return v.String(), err },
	} {
		if got, err := parsed(name); got != name || err != nil {
			t.Errorf("%s came back as %q, %v", name, got, err)
		}
		if _, err := parsed(name + "s"); err == nil {
			t.Errorf("%ss was accepted", name)
		}
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	tests := []struct {
		when             When
		success, failure bool
	}{{Always, true, true}, {OnFailure, false, true}, {Not, false, false}}
	for _, tt := range tests {
		if s, f := tt.when.Wants(true), tt.when.Wants(false); s != tt.success || f != tt.failure {
			t.Errorf("%s wants a restart after success %v, after failure %v; want %v, %v", tt.when, s, f, tt.success, tt.failure)
		}
	}
}

func TestAffected(t *testing.T) {
	t.Parallel()
	tests := []struct {
		s            Strategy
		i, n, lo, hi int
	}{
		{OneForOne, 0, 3, 0, 1}, {OneForOne, 2, 3, 2, 3},
		{OneForAll, 0, 3, 0, 3}, {OneForAll, 1, 3, 0, 3}, {OneForAll, 0, 1, 0, 1},
		{RestForOne, 0, 3, 0, 3}, {RestForOne, 1, 3, 1, 3}, {RestForOne, 2, 3, 2, 3},
	}
	for _, tt := range tests {
		if lo, hi := tt.s.Affected(tt.i, tt.n); lo != tt.lo || hi != tt.hi {
			t.Errorf("%s: child %d of %d affects [%d,%d), want [%d,%d)", tt.s, tt.i, tt.n, lo, hi, tt.lo, tt.hi)
		}
	}
	if OneForOne.Ordered() || !OneForAll.Ordered() || !RestForOne.Ordered() {
		t.Error("exactly one_for_all and rest_for_one are ordered")
	}
}

func TestTimeSaturates(t *testing.T) {
	t.Parallel()
	if got := Time(5).Add(math.MaxInt64); got != Never {
		t.Errorf("5 + the longest duration = %d, want Never", got)
	}
	if got := Time(5).Add(-3); got != 2 {
		t.Errorf("5 - 3 = %d", got)
	}
	if !Time(1).Before(2) || Time(2).Before(2) {
		t.Error("Before is strict")
	}
}
