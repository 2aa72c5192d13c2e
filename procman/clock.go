package procman

import (
	"time"

	"gosup/tree"
)

// clock reads the time of the tree: nanoseconds on the monotonic clock of this
// boot, so that what is saved means the same to the next daemon.
type clock struct {
	started time.Time // carries Go's monotonic reading
	origin  tree.Time // of the tree's clock at started
}

func newClock() clock { return clock{started: time.Now(), origin: monotonic()} }

func (c clock) now() tree.Time { return c.origin.Add(time.Since(c.started)) }

// wall returns the wall time of t by today's wall clock: a clock that was set
// in between moves what people read, and nothing else.
func (c clock) wall(t tree.Time) time.Time {
	now := time.Now()
	return now.Add(t.Sub(c.origin.Add(now.Sub(c.started)))).Round(0)
}

// at returns a moment of today's wall clock on the clock of the tree.
func (c clock) at(wall time.Time) tree.Time {
	now := time.Now()
	return c.origin.Add(now.Sub(c.started)).Add(wall.Sub(now.Round(0)))
}
