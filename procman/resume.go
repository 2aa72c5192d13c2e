package procman

import (
	"log/slog"
	"os"
	"regexp"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gosup/tree"
)

// note records that a run has begun, for the next daemon.
func (o *outfitter) note(e tree.Started) {
	out := o.sinks[e.Node]
	if out == nil || out.last.Run != e.Run {
		return
	}
	start, inode := marksOf(e.PID)
	o.records.add(runRecord{Name: out.name, Node: e.Node, Run: e.Run, PID: e.PID, Start: start, Inode: inode, Boot: o.m.opt.Past.boot, StartedAt: o.m.Now()})
}

// resume gives a run of the daemon before this one what a run has beside its
// process: its output is read on, and what it says is heard.
func (o *outfitter) resume(r resumption) {
	e, p := r.start, r.start.Process
	log := o.m.log.With(slog.String("process", p.Name))
	out, err := o.outlet(e.Node, p)
	if err != nil {
		log.Warn("output of an adopted process is not read", slog.Any("err", err))
		return
	}
	out.sink.Mark(e.Run)
	out.last, out.over = e, make(chan struct{})
	if r.pid == 0 {
		return // it is over, and its output is about to be drained
	}
	o.descriptors.recover(p, r.pid)
	if f := o.inherit(e.Node, e.Run); f != nil {
		o.hearFrom(f, runKey{e.Node, e.Run})
	}
	if talks(p) {
		if _, err := o.listenTo(e); err != nil {
			log.Warn("an adopted process is not heard", slog.Any("err", err))
		} else {
			o.notes[e.Node].pid.Store(int64(r.pid))
		}
	}
	if p.Readiness != nil && p.Readiness.Log != "" && !r.ready {
		if pattern, err := regexp.Compile(p.Readiness.Log); err == nil { // it was when it was checked
			out.sink.Expect(pattern, func() { o.m.Tell(tree.Notified{Node: e.Node, Run: e.Run, Ready: true}) })
		}
	}
}

// sweep ends the taking over: what is nobody's goes.
func (o *outfitter) sweep() {
	o.m.opt.Pump.Sweep()
	if h := o.m.opt.Past.handoff; h != nil {
		o.descriptors.closer.Release(h.Outputs) // the pump has them open by now
	}
	for _, e := range o.inherited {
		o.descriptors.closer.Release([]int{e.FD})
	}
	o.inherited = nil
}

// inherit returns what the daemon before this one heard a node on: a pipe of
// that run, or with run 0 its $NOTIFY_SOCKET. It returns nil for nothing.
func (o *outfitter) inherit(id tree.NodeID, run uint64) *os.File {
	for i, e := range o.inherited {
		if e.Node == id && e.Run == run {
			o.inherited = slices.Delete(o.inherited, i, i+1)
			_ = unix.SetNonblock(e.FD, true) // or reads of it would hold a thread each
			return os.NewFile(uintptr(e.FD), "inherited")
		}
	}
	return nil
}

// retire ends the outfitter's goroutine once all that is queued is done, and
// leaves everything open.
func (o *outfitter) retire() {
	o.retired = true
	o.queue.end()
	<-o.done
}

// detach stops hearing processes, and returns what they were heard on.
func (o *outfitter) detach() (ears []heldEar, err error) {
	add := func(id tree.NodeID, run uint64, f syscall.Conn) {
		fd, dupErr := dupOf(f)
		if dupErr != nil {
			err = dupErr
			return
		}
		ears = append(ears, heldEar{id, run, fd})
	}
	for id, n := range o.notes {
		f, detachErr := n.socket.Detach()
		if detachErr != nil {
			err = detachErr
			continue
		}
		add(id, 0, f)
		f.Close()
	}
	for k, from := range o.pipes {
		_ = from.SetReadDeadline(time.Now()) // it is a pipe: its reader wakes up
		add(k.node, k.run, from)
	}
	return ears, err
}

// dupOf returns one more descriptor of a file, without changing how it is read.
func dupOf(f syscall.Conn) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	if ctlErr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3) }); ctlErr != nil {
		return -1, ctlErr
	}
	return fd, err
}
