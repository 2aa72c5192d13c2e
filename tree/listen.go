package tree

import (
	"strings"
	"time"

	"gosup/spec"
)

// Listen opens the sockets of a process that is to start when somebody
// connects to one of them. Answered by exactly one Listened, and where that
// says that they are open, by one Knocked once somebody has.
type Listen struct {
	Node    NodeID
	Call    uint64 // counts the Listens of this node, from 1
	Process *spec.Process
}

// Listened answers a Listen.
type Listened struct {
	Node NodeID
	Call uint64
	Why  string // they cannot be opened, and why; "" for open
}

// Knocked reports that something has arrived at a socket of a process that
// waits for it. It has not been taken. One that is late is ignored.
type Knocked struct {
	Node NodeID
	Call uint64
}

func (Listen) effect()  {}
func (Listened) event() {}
func (Knocked) event()  {}

// ear is how far a process is that starts when somebody connects.
type ear uint8

const (
	deaf      ear = iota // it does not wait for that
	opening              // a Listen is out
	listening            // its sockets are open, and nobody has come
	called               // somebody has come: it starts as soon as it may
)

// idleRun is how long a run lasts at least that has served somebody and then
// ended for lack of work.
const idleRun = time.Second

// mute reports whether n, which could start, has to wait for a connection.
func (n *node) mute() bool {
	return n.proc.StartOnConnection && n.ear != called && !n.invited
}

// listens reports whether who connects has n started: it is as far up as it is
// to be for now.
func (n *node) listens() bool { return n.ear == listening && n.mute() }

// listen begins to wait for a connection.
func (t *Tree) listen(n *node) {
	if n.ear == deaf {
		n.call++
		n.ear, n.touched = opening, true
		t.do(Listen{Node: n.id, Call: n.call, Process: n.proc})
	}
}

// cease ends the wait of n for a connection if it has something else to do.
func (t *Tree) cease(n *node) {
	if n.ear != deaf && (n.rest != wanted || n.must || n.body != absent) {
		n.ear, n.touched = deaf, true
	}
}

// callOf returns the node that waits for the answer to a Listen; nil if none
// does any more.
func (t *Tree) callOf(id NodeID, call uint64, at ear) *node {
	i, ok := t.index[id]
	if !ok {
		return nil
	}
	n := t.runOf(id, t.nodes[i].run)
	if n.call != call || n.ear != at {
		return nil
	}
	return n
}

// listened takes the answer to a Listen.
func (t *Tree) listened(e Listened) {
	n := t.callOf(e.Node, e.Call, opening)
	switch {
	case n == nil:
	case e.Why == "":
		n.ear, n.touched = listening, true
	default:
		// It goes the way of any failed start, though nothing was started.
		n.ear = deaf
		t.recount(n)
		t.startFailed(n, StartFailed{Node: n.id, Run: n.run, Why: e.Why, Code: 1})
	}
}

// knocked lets a process start that somebody has connected to.
func (t *Tree) knocked(e Knocked) {
	if n := t.callOf(e.Node, e.Call, listening); n != nil {
		n.ear, n.touched = called, true
		c := &Cause{Kind: CauseConnected}
		if n.cause.Kind == CauseExit || n.cause.Kind == CauseRestart {
			c.Before = n.cause // why it did not run
		}
		n.cause = c
	}
}

// idles reports whether a run that starts when somebody connects has ended
// since there was nothing more to do. It waits for the next connection, at no
// cost. A run that is over at once may have left the connection where it was:
// then its end counts like any other, for it could be started without end.
func (n *node) idles(exit *Exit) bool {
	return n.proc.StartOnConnection && n.proc.Type == spec.Service && exit.Ran >= idleRun &&
		exit.Signal == 0 && n.proc.Restart.Success(exit.Code)
}

// expectant reports whether n waits for a connection and for nothing else.
func (t *Tree) expectant(n *node) bool {
	return (n.ear == opening || n.ear == listening) && n.waitFor == 0 && !n.unheard && n.turnAt == 0 && t.cutOff(n) == 0
}

// connectionCause says what n waits for.
func connectionCause(n *node) *Cause {
	names := make([]string, len(n.proc.Sockets))
	for i, s := range n.proc.Sockets {
		names[i] = s.Name
	}
	which := "first"
	if n.run > 0 {
		which = "next"
	}
	return &Cause{Kind: CauseConnection, Text: which + " connection on " + strings.Join(names, " or ")}
}
