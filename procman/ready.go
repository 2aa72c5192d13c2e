package procman

import (
	"bytes"
	"fmt"
	"os"
	"regexp"

	"gosup/spec"
	"gosup/tree"
)

// maxReadyBytes is how much a process may write on the descriptor of its
// readiness before the newline. What it writes beyond that is not read.
const maxReadyBytes = 64 << 10

// expectReady makes gosup hear when a run says that it is ready, where it does
// so by a line of output or on a descriptor of its own, as for s6.
func (o *outfitter) expectReady(e tree.Start, out *outlet, l *launch) error {
	r := e.Process.Readiness
	if r == nil {
		return nil
	}
	ready := func() { o.m.Tell(tree.Notified{Node: e.Node, Run: e.Run, Ready: true}) }
	switch {
	case r.Log != "":
		pattern, err := regexp.Compile(r.Log)
		if err != nil {
			return fmt.Errorf("readiness.log: %w", err)
		}
		out.sink.Expect(pattern, ready)
	case r.FD != 0:
		return o.hearOn(r.FD, runKey{e.Node, e.Run}, l)
	}
	return nil
}

// hearOn gives a run the writing end of a pipe as descriptor fd.
func (o *outfitter) hearOn(fd int, k runKey, l *launch) error {
	from, to, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("readiness.fd: %w", err)
	}
	for len(l.Files) <= fd {
		l.Files = append(l.Files, closedFile)
	}
	l.Files[fd] = int(to.Fd())
	o.lent[k] = append(o.lent[k], to)
	o.hearFrom(from, k)
	return nil
}

// hearFrom takes a newline out of a pipe for the word of a run that it is ready.
func (o *outfitter) hearFrom(from *os.File, k runKey) {
	o.pipes[k] = from
	go func() { // ends with the newline, the run, or what it writes instead
		if hasNewline(from) {
			o.m.Tell(tree.Notified{Node: k.node, Run: k.run, Ready: true})
		}
		// The pipe stays open for the run: a second word must not kill it.
	}()
}

// hasNewline reads until there is a newline, and reports whether there was one.
func hasNewline(from *os.File) bool {
	buf := make([]byte, 512)
	for left := maxReadyBytes; left > 0; {
		n, err := from.Read(buf)
		if bytes.IndexByte(buf[:n], '\n') >= 0 {
			return true
		}
		if err != nil {
			return false
		}
		left -= n
	}
	return false
}

// unhear closes the pipe of a run that is over.
func (o *outfitter) unhear(k runKey) {
	if from := o.pipes[k]; from != nil {
		from.Close()
		delete(o.pipes, k)
	}
}

// talks reports whether a process is given a $NOTIFY_SOCKET.
func talks(p *spec.Process) bool {
	return p.Readiness != nil && p.Readiness.Notify || heartbeat(p) != nil || len(p.Sockets) > 0
}
