package main

import (
	"os"
	"sync/atomic"
	"time"
)

// copier copies the output of a command to a file of ours.
type copier struct {
	to, from *os.File
	over     atomic.Bool // the command has ended
	done     chan struct{}
}

func newCopier(to, from *os.File) *copier {
	return &copier{to: to, from: from, done: make(chan struct{})}
}

// lastWait is how long output may take to come once the command has ended: what
// got away from it may hold the other end for ever.
const lastWait = 250 * time.Millisecond

// copy ends at the end of the output. A terminal ends with EIO, which is no
// error. When nobody takes what it writes, it closes its end, and the command
// gets a SIGPIPE.
func (c *copier) copy() {
	defer close(c.done)
	defer c.from.Close()
	buf := make([]byte, 64<<10)
	for {
		if c.over.Load() {
			c.from.SetReadDeadline(time.Now().Add(lastWait))
		}
		n, err := c.from.Read(buf)
		if n > 0 {
			if _, err := c.to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil && !(os.IsTimeout(err) && !c.over.Load()) {
			return
		}
	}
}

// finish waits until what the command wrote is copied.
func (c *copier) finish() {
	c.over.Store(true)
	c.from.SetReadDeadline(time.Now().Add(lastWait))
	<-c.done
}
