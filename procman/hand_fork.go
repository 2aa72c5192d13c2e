package procman

import (
	"slices"
	"syscall"

	"gosup/spec"
)

// The hand forks by itself, and waits until the child executes its program.
// Meanwhile the kernel lets the parent sleep, and the child wait for a CPU.
// Where many wait to be started that is done by two forkers, so that the second
// child is made while the first is still about to execute. What they are at is
// in flight: while anything is, the hand does not know every child and so reaps
// none.

const (
	// crowd is how many starts that wait are worth two forkers.
	crowd = 8
	// maxForkers is how many forks may be in flight. With more, also where the
	// next are only made ready, nothing starts sooner.
	maxForkers = 2
)

// flight is a fork that a forker is at.
type flight struct {
	order  *startOrder
	child  *child
	cgroup int // a descriptor of the child's cgroup, -1 for none

	// How it ended:
	pid int
	err error
}

// delegate has a forker do the first start of the queue, if that is worth it.
// What is special is left to the hand, and what restarts: who crashes in a crowd
// would be reaped late, and a sound process with it.
func (h *hand) delegate() bool {
	o := h.queue[0]
	if o.alone || o.Restarts > 0 || o.Foreground || o.Cgroup != (spec.Cgroup{}) || h.flying == 0 && len(h.queue) < crowd {
		return false
	}
	_, cred, shim := h.rights(o.Rights)
	if shim || h.needsShim(o) {
		return false
	}
	path, _, err := lookPath(&o.launch, 0)
	if err != nil || !h.hire(maxForkers) {
		return false
	}
	c, attr, cgroup := h.newChild(&o.launch, cred)
	x := &flight{order: o, child: c, cgroup: cgroup}
	h.dequeue()
	h.flying++
	h.forkers.begin(forkRequest{path, o.Argv, attr, func(pid int, err error) {
		x.pid, x.err = pid, err
		h.mail.put(message{landed: x})
	}})
	return true
}

// landed takes the result of a forker. What it could not do, the hand does by
// itself, and finds out why.
func (h *hand) landed(x *flight) {
	h.flying--
	if x.cgroup >= 0 {
		syscall.Close(x.cgroup)
	}
	o, c := x.order, x.child
	if x.err != nil {
		h.kin.cgroups.drop(c.cgroup)
		o.alone = true
		h.queue = slices.Insert(h.queue, 0, o)
		return
	}
	delete(h.held, o.key())
	c.pid = x.pid
	h.born(o, c)
	h.tell(c)
}

// landAll waits until nothing is in flight. What else the hand is told meanwhile
// is not read.
func (h *hand) landAll() {
	for {
		for _, m := range h.mail.take() {
			if m.landed != nil {
				h.landed(m.landed)
			}
		}
		if h.flying == 0 {
			return
		}
		<-h.mail.wake
	}
}

// mayFork reports whether the next start of the queue may be done now. While a
// child has ended that may be one in flight, none is added to those.
func (h *hand) mayFork() bool {
	return len(h.queue) > 0 && (h.flying == 0 || h.flying < maxForkers && !h.dead)
}

// dequeue takes the first start out of the queue.
func (h *hand) dequeue() *startOrder {
	o := h.queue[0]
	h.queue[0] = nil // what it holds is no longer needed once it is forked
	h.queue = h.queue[1:]
	return o
}

// forkExec is syscall.ForkExec for a process that has run out of descriptors:
// the pipe over which the child would report needs two.
func (h *hand) forkExec(path string, argv []string, attr *syscall.ProcAttr) (int, error) {
	if len(h.runs) >= forkerFrom && !attr.Sys.Foreground && h.hire(1) {
		if pid, err := h.forkers.fork(path, argv, attr); err != errForker {
			return pid, err
		}
	}
	pid, err := syscall.ForkExec(path, argv, attr)
	if err == syscall.EMFILE || err == syscall.ENFILE {
		h.reserve.drop()
		pid, err = syscall.ForkExec(path, argv, attr)
		h.reserve.fill()
	}
	return pid, err
}

// hire sees to it that there are so many forkers, and reports whether there are
// any. They stay: the children of a thread that ends become the main thread's,
// where the orphans are looked for.
func (h *hand) hire(n int) bool {
	for h.forkers.count < n && !h.noForker {
		h.noForker = h.forkers.add() != nil
	}
	return h.forkers.count > 0
}
