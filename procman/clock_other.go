//go:build !linux

package procman

import (
	"time"

	"gosup/tree"
)

// monotonic stands in for the time since boot: no state outlives the daemon
// here, so any origin serves.
func monotonic() tree.Time { return tree.Time(time.Hour) }
