package control

import (
	"context"

	"golang.org/x/sys/unix"
)

// processEnd returns a channel that is closed when the process of a pid has
// ended, or at once if it cannot be seen. It follows pidfd_open(2). The
// goroutine behind it ends with the process or with ctx.
func processEnd(ctx context.Context, pid int) <-chan struct{} {
	gone := make(chan struct{})
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		close(gone)
		return gone
	}
	go func() {
		defer unix.Close(fd)
		defer close(gone)
		const tick = 100 // milliseconds, to notice the end of ctx
		for ctx.Err() == nil {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, tick)
			if n > 0 || err != nil && err != unix.EINTR {
				return
			}
		}
	}()
	return gone
}
