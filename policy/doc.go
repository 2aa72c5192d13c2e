// Package policy is the arithmetic of supervision: how long to wait before a
// restart, how many restarts are granted, which siblings a failure touches,
// when a run of failing probes counts, when a breaker opens.
//
// It owns numbers and nothing else. There is no name in it, no process, no
// clock and no I/O: whoever calls passes the time. Package tree calls it from
// the supervisor's loop; the values are not safe for concurrent use.
package policy

import "time"

// Time is a point on the caller's monotonic clock, in nanoseconds since an
// origin that the caller chose. Differences are what counts; the wall clock
// never enters.
type Time int64

// Never is later than every time that a clock will show.
const Never Time = 1<<63 - 1

// Add returns the point d after t. It saturates at Never.
func (t Time) Add(d time.Duration) Time {
	s := t + Time(d)
	if d > 0 && s < t {
		return Never
	}
	return s
}

// Sub returns the time that passed from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Before reports whether t lies before u.
func (t Time) Before(u Time) bool { return t < u }
