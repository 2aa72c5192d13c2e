package procman

import (
	"golang.org/x/sys/unix"

	"gosup/tree"
)

// monotonic reads CLOCK_MONOTONIC, which Go's own clock follows.
func monotonic() tree.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 1
	}
	return tree.Time(ts.Nano())
}
