package procman

import (
	"slices"
	"syscall"
	"time"

	"gosup/spec"
	"gosup/tree"
)

const (
	// reapBatch bounds how many children are reaped before their ends are told,
	// so that the first of a thousand does not wait for the last.
	reapBatch = 64
	// surveyTries bounds how often the orphans are looked at again because one
	// of them was just ending.
	surveyTries = 16
	// rush is how soon after another a child ends where many may be ending.
	rush = time.Millisecond
)

// reap collects the children that have ended, finds out what is left of their
// runs, and tells. It does one batch; if there may be more, h.dead says so.
func (h *hand) reap() {
	alone := h.isAlone()
	ended := h.survey()
	if !h.dead && h.told != 0 {
		h.told = 0
		if alone && len(ended) == 1 {
			h.keepStill()
		} else {
			h.waiter.next()
		}
	}
	for _, c := range ended {
		if c.preparing {
			continue // the shim's report is on its way
		}
		if c.failure != nil {
			h.emit(startFailed(c.runKey, c.failure))
			h.forget(c)
			continue
		}
		c.looked = true
		left := h.kin.left(c)
		h.emit(tree.Exited{Node: c.node, Run: c.run, Exit: c.exit, Left: left})
		if left {
			h.fading = append(h.fading, c)
		} else {
			h.forget(c)
		}
	}
	h.fading = slices.DeleteFunc(h.fading, func(c *child) bool {
		if h.kin.left(c) {
			return false
		}
		h.emit(tree.Gone{Node: c.node, Run: c.run})
		h.forget(c)
		return true
	})
}

// survey collects those that have ended, and the orphans that they have left.
func (h *hand) survey() (ended []*child) {
	rushed := h.now().Sub(h.reaped) < rush
	ended = append(h.collect(h.late, h.told != 0 && !rushed), h.farEnded()...)
	h.late = nil
	if len(ended) == 0 && len(h.fading) == 0 {
		return nil
	}
	// An orphan that is seen to be ending has handed its own children to this
	// process, maybe after the list was read: look again once it is reaped.
	settled := h.kin.adopt(false)
	for try := 1; !settled && try < surveyTries; try++ {
		ended = h.collect(ended, false)
		settled = h.kin.adopt(false)
	}
	h.dead = h.dead || !settled
	return ended
}

// collect reaps up to a batch of children and adds the runs whose first
// process was among them to ended. With one it reaps just the child that the
// waiter has told of: to look for others takes the kernel the longer the more
// there are, and if there are any, the waiter will tell.
func (h *hand) collect(ended []*child, one bool) []*child {
	known := h.told
	for range reapBatch {
		pid, status, usage, ok := h.reapOne(known)
		if !ok {
			return ended
		}
		known = 0
		if c := h.over(pid); c != nil {
			c.exit = h.exitOf(c, status, usage)
			h.reaped = c.exit.At
			ended = append(ended, c)
		}
		if one {
			return ended
		}
	}
	h.dead = true
	return ended
}

// over returns the run that is over, or goes on in nobody any more, since a child
// was reaped; nil if it was nobody's.
func (h *hand) over(pid int) *child {
	c := h.leaders[pid]
	if c == nil {
		return h.bereft(pid)
	}
	delete(h.leaders, pid)
	c.over = true
	if c.tty >= 0 {
		takeTerminal(c.tty)
		syscall.Close(c.tty)
		c.tty = -1
	}
	return c
}

// pinned is called while a child that has ended is a zombie, which keeps its
// number from being given to anybody else, also as a group's. Now the rest of
// the group of a run that is being killed can be killed at once.
func (h *hand) pinned(pid int) {
	c := h.leaders[pid]
	if c == nil {
		if !h.kin.dying(pid) {
			h.strays.Add(1)
		}
		return
	}
	if c.killing {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
}

// exitOf says how a run's first process ended.
func (h *hand) exitOf(c *child, status syscall.WaitStatus, usage *syscall.Rusage) tree.Exit {
	at := h.now()
	e := tree.Exit{
		At:     at,
		Ran:    at.Sub(c.started),
		User:   time.Duration(usage.Utime.Nano()),
		System: time.Duration(usage.Stime.Nano()),
		MaxRSS: maxRSSBytes(usage),
		Cause:  tree.Ended,
	}
	if readStatus(&e, status); status.Signaled() {
		e.OOM = status.Signal() == syscall.SIGKILL && !c.killed && h.ooms.grew()
	}
	return e
}

// readStatus takes over what wait(2) says of an end.
func readStatus(e *tree.Exit, status syscall.WaitStatus) {
	e.Code = status.ExitStatus() // -1 after a signal
	if status.Signaled() {
		e.Signal, e.Core, e.Cause = int(status.Signal()), status.CoreDump(), tree.Signalled
		e.Name = spec.SignalName(e.Signal)
	}
}

// forget drops a run of which nothing is left that counts.
func (h *hand) forget(c *child) {
	delete(h.runs, c.runKey)
	h.kin.forget(c)
}
