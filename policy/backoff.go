package policy

import (
	"fmt"
	"math"
	"time"
)

// Curve says how the delay before a restart grows.
type Curve uint8

// The curves. The zero value restarts at once.
const (
	Immediate   Curve = iota // no delay
	Delayed                  // Initial, every time
	Exponential              // Initial × Multiplier^(n-1), at most Max
)

var curveNames = [...]string{"immediate", "delayed", "exponential_backoff"}

// String returns the name that configuration files use.
func (c Curve) String() string { return nameOf(curveNames[:], int(c)) }

// ParseCurve returns the curve of a name from a configuration file.
func ParseCurve(s string) (Curve, error) {
	i, err := indexOf(curveNames[:], s)
	return Curve(i), err
}

// Backoff computes the delay before a restart. The zero value is no delay.
type Backoff struct {
	Curve      Curve
	Initial    time.Duration // the delay of Delayed, the first one of Exponential
	Max        time.Duration // the ceiling of Exponential
	Multiplier float64       // at least 1
	Jitter     float64       // 0…1: the share of the delay it may vary by, either way
}

// Delay returns the delay before restart n, counted from 1, before jitter.
// It is exact for whole multipliers and never overflows.
func (b Backoff) Delay(n int) time.Duration {
	switch b.Curve {
	case Delayed:
		return b.Initial
	case Exponential:
		d := float64(b.Initial) * math.Pow(b.Multiplier, float64(max(n, 1)-1))
		// Written so that +Inf and NaN (0 × Inf) fall to a bound as well.
		if d < float64(b.Max) {
			return time.Duration(math.Round(d))
		}
		if b.Initial == 0 {
			return 0
		}
		return b.Max
	default:
		return 0
	}
}

// Spread draws from [d×(1-Jitter), d×(1+Jitter)], evenly, with random bits
// that the caller provides.
func (b Backoff) Spread(d time.Duration, random uint64) time.Duration {
	if b.Jitter == 0 || d == 0 {
		return d
	}
	unit := float64(random>>11) / (1 << 53) // 0 ≤ unit < 1
	f := float64(d) * (1 + b.Jitter*(2*unit-1))
	if f >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(f)
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("invalid(%d)", i)
}

func indexOf(names []string, s string) (int, error) {
	for i, n := range names {
		if n == s {
			return i, nil
		}
	}
	return 0, &NameError{Name: s, Known: names}
}

// NameError is the error of the Parse functions: a name that is not one of
// those known.
type NameError struct {
	Name  string
	Known []string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("%q is not one of %q", e.Name, e.Known)
}
