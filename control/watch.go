package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gosup/tree"
)

// watch follows what becomes of a wish, from snapshot to snapshot.
type watch struct {
	verb    tree.Verb
	asked   []tree.Result
	results []ActionResult // of the same length; those with no Outcome are still open
}

func newWatch(verb tree.Verb, asked []tree.Result, noWait bool) *watch {
	w := &watch{verb: verb, asked: asked, results: make([]ActionResult, len(asked))}
	for i, a := range asked {
		w.results[i].Name = a.Name
		switch {
		case a.Err != "":
			w.results[i].Outcome, w.results[i].Message = OutcomeFailed, a.Err
		case noWait:
			w.results[i].Outcome = OutcomeAccepted
		}
	}
	return w
}

// see looks at a snapshot and reports whether everything is settled.
func (w *watch) see(snap *tree.Snapshot) bool {
	nodes := make(map[tree.NodeID]*tree.Node, len(snap.Nodes))
	for _, n := range snap.Nodes {
		nodes[n.ID] = n
	}
	settled := true
	for i := range w.asked {
		n := nodes[w.asked[i].Node]
		r := &w.results[i]
		if r.Outcome == "" {
			w.judge(r, &w.asked[i], n)
			w.judgeWaiting(r, &w.asked[i], n, snap)
			settled = settled && r.Outcome != ""
		}
		if n != nil {
			r.State, r.PID = n.State.String(), n.PID
		}
		if r.Outcome == OutcomeAccepted && r.Message == "" {
			r.Message = acceptedWords(w.verb)
		}
	}
	return settled
}

// acceptedWords says what became of a wish that nobody waits for.
func acceptedWords(v tree.Verb) string {
	switch v {
	case tree.AskFreeze:
		return "frozen"
	case tree.AskThaw:
		return "goes on"
	case tree.AskFailHealth:
		return "its checks fail from now on"
	case tree.AskSignal, tree.AskReload:
		return v.String() + " sent"
	default:
		return v.String() + " is on its way"
	}
}

// judge sets the outcome for one process once it is known.
func (w *watch) judge(r *ActionResult, a *tree.Result, n *tree.Node) {
	switch {
	case n == nil:
		r.Outcome, r.Message = OutcomeOvertaken, "it was removed by a reload"
		if w.verb == tree.AskStop {
			r.Outcome = OutcomeDone
		}
	case n.Orders < a.Order:
		// The snapshot is older than the wish.
	case w.verb == tree.AskStop:
		judgeStop(r, a, n)
	default:
		judgeStart(r, a, n, w.verb)
	}
}

func judgeStop(r *ActionResult, a *tree.Result, n *tree.Node) {
	switch n.State {
	case tree.StateStopped, tree.StateExited, tree.StateFailed:
		r.Outcome, r.Message = OutcomeDone, "stopped"
		if !a.Changed {
			r.Outcome, r.Message = OutcomeUnchanged, "was "+n.State.String()+" already"
		}
	default:
		judgeOvertaken(r, a, n)
	}
}

// judgeStart judges start and restart. A process that ran and ended between
// two snapshots shows in its count of failures.
func judgeStart(r *ActionResult, a *tree.Result, n *tree.Node, verb tree.Verb) {
	fresh := verb == tree.AskStart || n.Run > a.Run // a restart wants another run
	switch {
	case n.State == tree.StateRunning && fresh:
		r.Outcome, r.Message = OutcomeDone, fmt.Sprintf("running (pid %d)", n.PID)
		if !a.Changed && n.Run == a.Run {
			r.Outcome, r.Message = OutcomeUnchanged, fmt.Sprintf("was running already (pid %d)", n.PID)
		}
	case n.State == tree.StateExited && fresh && n.Failures == a.Failures:
		r.Outcome, r.Message = OutcomeDone, "done: "+lastEnd(n)
	case n.Orders > a.Order:
		judgeOvertaken(r, a, n)
	case n.State == tree.StateFailed, n.State == tree.StateStopped, n.State == tree.StateExited && fresh:
		r.Outcome, r.Message = OutcomeFailed, describe(n)
	case n.Failures > a.Failures:
		r.Outcome, r.Message = OutcomeFailed, "first attempt failed: "+failure(n)+"; retries go on"
	}
}

// judgeWaiting gives up a start that waits for a process which is not on its
// way to where it should be: that takes another wish.
func (w *watch) judgeWaiting(r *ActionResult, a *tree.Result, n *tree.Node, snap *tree.Snapshot) {
	if r.Outcome != "" || n == nil || n.State != tree.StateWaiting || n.Orders != a.Order || w.verb == tree.AskStop {
		return
	}
	byName := make(map[string]*tree.Node, len(snap.Nodes))
	for _, m := range snap.Nodes {
		byName[m.Name] = m
	}
	if stuckOn := atRest(n, byName, map[string]bool{}); stuckOn != "" {
		r.Outcome, r.Message = OutcomeFailed, describe(n)+"; it starts when "+stuckOn+" does"
	}
}

// atRest returns a process that n waits for, maybe by way of others, and that
// nobody wants to run; "" if there is none.
func atRest(n *tree.Node, byName map[string]*tree.Node, seen map[string]bool) string {
	for _, name := range n.WaitingOn {
		m := byName[name]
		if m == nil || seen[name] {
			continue
		}
		seen[name] = true
		switch m.State {
		case tree.StateStopped, tree.StateFailed, tree.StateExited:
			return name
		case tree.StateWaiting:
			if further := atRest(m, byName, seen); further != "" {
				return further
			}
		}
	}
	return ""
}

// failure says what failed, without what is done about it.
func failure(n *tree.Node) string {
	c := n.Cause
	for c != nil && c.Before != nil {
		c = c.Before
	}
	if words := c.String(); words != "" {
		return words
	}
	return n.Reason
}

func judgeOvertaken(r *ActionResult, a *tree.Result, n *tree.Node) {
	if n.Orders > a.Order {
		r.Outcome, r.Message = OutcomeOvertaken, "overtaken by a later wish: "+describe(n)
	}
}

// nameDependents says of what was stopped who runs on without it.
func (w *watch) nameDependents() {
	for i := range w.results {
		r, names := &w.results[i], w.asked[i].Without
		switch {
		case r.Outcome != OutcomeDone:
		case len(names) == 1:
			r.Message += "; " + names[0] + " runs on without it"
		case len(names) > 1:
			r.Message += "; " + strings.Join(names, ", ") + " run on without it"
		}
	}
}

func lastEnd(n *tree.Node) string {
	if n.LastExit == nil {
		return n.State.String()
	}
	return n.LastExit.String()
}

// giveUp settles what is still open when the wait is over.
func (w *watch) giveUp(snap *tree.Snapshot, err error, timeout time.Duration) {
	for i := range w.results {
		r := &w.results[i]
		if r.Outcome != "" {
			continue
		}
		r.Outcome = OutcomeFailed
		r.Message = "gosup is shutting down"
		if replaced(err) {
			r.Message = err.Error()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			r.Outcome = OutcomeTimeout
			r.Message = fmt.Sprintf("not yet after %v", timeout)
		}
		for _, n := range snap.Nodes {
			if n.ID == w.asked[i].Node {
				r.Message += ": it is " + describe(n)
			}
		}
	}
}
