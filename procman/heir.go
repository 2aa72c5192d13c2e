package procman

import (
	"slices"
	"time"

	"gosup/tree"
)

// A process can name another as its main one, by MAINPID= on $NOTIFY_SOCKET:
// one that forks itself into the background does so before its first process
// ends. Then the run goes on in its heir, and ends with that.
//
// Only one that is known to be of the run can be an heir: an orphan that is a
// child of gosup by then, so its pid is as safe as a first process's.

// inheritance asks the hand to let a run whose first process has left others go
// on in one of those.
type inheritance struct {
	runKey
	pid int
}

// inherit orders that. It is answered by exactly one tree.Moved, with PID 0
// where the run does not go on: its end stands. It never blocks.
func (h *hand) inherit(k runKey, pid int) { h.mail.put(message{heir: &inheritance{k, pid}}) }

func (h *hand) appoint(i *inheritance) {
	moved := tree.Moved{Node: i.node, Run: i.run}
	c := h.runs[i.runKey]
	if c != nil && !c.killing && slices.Contains(h.fading, c) {
		if _, ours := c.left[i.pid]; ours {
			h.fading = slices.DeleteFunc(h.fading, func(other *child) bool { return other == c })
			c.heir, moved.PID = i.pid, i.pid
			h.heirs[i.pid] = c
		}
	}
	h.emit(moved)
}

// bereft takes the end of an heir as the end of its run.
func (h *hand) bereft(pid int) *child {
	c := h.heirs[pid]
	if c != nil {
		delete(h.heirs, pid)
		c.heir = 0
	}
	return c
}

// mourn holds back the end of a run that may have an heir, until the hand has
// said whether it has. It reports whether it does.
func (o *outfitter) mourn(e tree.Exited) bool {
	n := o.notes[e.Node]
	if n == nil || !e.Left {
		return false
	}
	// The word on the heir may still be on its way.
	_ = n.socket.Flush(flushTime) // then it comes too late
	pid := int(n.main.Load())
	if pid == 0 || n.run.Load() != e.Run {
		return false
	}
	n.main.Store(0)
	o.mourned[runKey{e.Node, e.Run}] = e
	o.hand.inherit(runKey{e.Node, e.Run}, pid)
	return true
}

// moved tells the tree what the hand has said of an heir.
func (o *outfitter) moved(e tree.Moved) {
	k := runKey{e.Node, e.Run}
	exited, held := o.mourned[k]
	delete(o.mourned, k)
	switch {
	case e.PID != 0:
		if n := o.notes[e.Node]; n != nil {
			n.pid.Store(int64(e.PID))
		}
		o.note(tree.Started(e))
		o.m.Tell(e)
	case held:
		o.bury(exited)
	}
}

// bury tells the tree of the end of a run.
func (o *outfitter) bury(e tree.Exited) {
	o.unhear(runKey{e.Node, e.Run})
	if out := o.sinks[e.Node]; out != nil {
		out.ended = e.Run
		if out.over != nil {
			close(out.over)
			out.over = nil
		}
		out.sink.Drain()
	}
	o.m.Tell(e)
	if !e.Left { // the next run need not wait for that: of a run that is over a record tells nothing
		o.records.drop(runKey{e.Node, e.Run})
	}
}

// gone tells the tree that nothing of a run is left, after its end.
func (o *outfitter) gone(e tree.Gone) {
	k := runKey{e.Node, e.Run}
	if exited, held := o.mourned[k]; held {
		delete(o.mourned, k)
		o.bury(exited)
	}
	o.records.drop(k)
	o.m.Tell(e)
}

// flushTime is how long is waited for what a run has said to be heard.
const flushTime = 200 * time.Millisecond
