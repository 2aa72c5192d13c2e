package procman

import (
	"testing"
	"time"
	"unsafe"
)

// setWall moves the wall clock's part of a reading and leaves the monotonic
// one: so readings look to each other when somebody has set the clock between.
func setWall(t *testing.T, at time.Time, by time.Duration) time.Time {
	t.Helper()
	moved := at
	// See package time: the seconds are in the bits 30 to 62 of the first word.
	*(*uint64)(unsafe.Pointer(&moved)) += uint64(int64(by/time.Second)) << 30
	if got := moved.Round(0).Sub(at.Round(0)); got != by || moved.Sub(at) != 0 {
		t.Fatalf("the clock was set by %v, not %v", got, by)
	}
	return moved
}

// TestClockJump sets the wall clock forth and back between the start and now.
func TestClockJump(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{0, 24 * time.Hour, -24 * time.Hour, 1000 * time.Hour} {
		c := newClock()
		// Set by jump since then: the start lies that much further back.
		c.started = setWall(t, c.started, -jump)
		now := c.now()
		if passed := now.Sub(c.origin); passed < 0 || passed > patience {
			t.Errorf("set by %v: %v have passed", jump, passed)
		}
		// What people read is by the clock of today.
		if off := time.Since(c.wall(now)); off < 0 || off > patience {
			t.Errorf("set by %v: now is told as %v ago", jump, off)
		}
	}
}
