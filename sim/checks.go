package sim

import (
	"fmt"

	"gosup/spec"
	"gosup/tree"
)

// checks is what the world remembers to see whether the tree keeps its
// promises.
type checks struct {
	asked    int // wishes in this Step
	answers  int
	exits    int  // ends in this Step that have to be noted
	busy     int  // failed starts that may be noted
	exitsIn  int  // notes of an end
	personal bool // a signal in this Step may be a person's
	started  []tree.NodeID
	atOnce   bool // a shutdown kills without order
	version  uint64
	layout   []place
	laid     bool
}

// place is where a node stands in the tree, by index in the view.
type place struct {
	parent int // -1 at the top
	end    int
}

func (w *World) fault(format string, args ...any) {
	panic(fmt.Sprintf("sim: at %d, step %d: %s", w.now, w.steps, fmt.Sprintf(format, args...)))
}

// before looks at what goes into a Step.
func (w *World) before() {
	c := &w.checks
	*c = checks{atOnce: c.atOnce, version: c.version, layout: c.layout, laid: c.laid, started: c.started[:0]}
	for _, e := range w.events {
		switch e := e.(type) {
		case tree.Asked:
			c.asked++
			if e.Verb == tree.AskSignal {
				c.personal = true
				w.expectEarly()
			}
		case tree.Started:
			r := w.run(e.Node)
			c.personal = c.personal || r.early
			r.early = false
		case tree.Exited:
			c.exits++
		case tree.StartFailed:
			if e.Busy {
				c.busy++
			} else {
				c.exits++
			}
		case tree.Listened:
			if e.Why != "" {
				c.busy++ // that is a failed start, unless it was overtaken
			}
		case tree.HookDone:
			if e.Moment == spec.PreStart && e.Why != "" {
				c.busy++
			}
		case tree.Shutdown:
			c.atOnce = c.atOnce || e.Urgency == tree.AtOnce
		case tree.Reloaded:
			c.laid = false
		}
	}
}

// expectEarly takes note that whatever is being started may have a signal once
// it has.
func (w *World) expectEarly() {
	for i := range w.runs {
		if r := &w.runs[i]; r.stage == spawning {
			r.early = true
		}
	}
}

// after looks at what came out of it.
func (w *World) after() {
	c := &w.checks
	if c.answers != c.asked {
		w.fault("%d answers to %d wishes", c.answers, c.asked)
	}
	if c.exitsIn < c.exits || c.exitsIn > c.exits+c.busy {
		w.fault("%d ends, %d notes of an end", c.exits, c.exitsIn)
	}
	if w.Unchecked {
		return
	}
	w.tree.Check()
	if w.exiting != nil {
		return
	}
	view := w.View()
	w.lay(view)
	if v := w.tree.Version(); v != c.version || len(c.started) > 0 {
		c.version = v
		for _, n := range view {
			w.checkNode(n)
		}
	}
	for _, id := range c.started {
		w.checkStartOrder(view, id)
	}
}

// checkNode compares what the tree shows with what is there.
func (w *World) checkNode(n *tree.Node) {
	if n.HasBudget && n.Limit.Max >= 0 && n.Restarts(w.now) > n.Limit.Max && !w.reloadedLately() {
		w.fault("%s: %d restarts of %d", n.Name, n.Restarts(w.now), n.Limit.Max)
	}
	if n.IsGroup {
		return
	}
	r := w.run(n.ID)
	if (n.PID != 0) != (r.stage == alive) {
		w.fault("%s is shown with pid %d, its run is at stage %d", n.Name, n.PID, r.stage)
	}
	switch n.State {
	case tree.StateRunning:
		if r.stage != alive {
			w.fault("%s is shown as running and is not", n.Name)
		}
	case tree.StateStopped, tree.StateBackoff:
		if r.stage == alive || r.stage == spawning {
			w.fault("%s is shown as %s and runs", n.Name, n.State)
		}
		if n.State == tree.StateStopped && r.stage == left {
			w.fault("%s is shown as stopped, and something of it is left", n.Name)
		}
	}
}

// reloadedLately reports whether a limit may just have become smaller.
func (w *World) reloadedLately() bool { return w.reloads > 0 }

// noted counts the notes that tell of an end.
func (w *World) noted(n tree.Note) {
	if n.Exit != nil {
		w.checks.exitsIn++
	}
	if n.Type == tree.NoteDaemon && n.To == "killing" {
		w.checks.atOnce = true
	}
}

// lay finds the place of each node in the view.
func (w *World) lay(view []*tree.Node) {
	c := &w.checks
	if c.laid && len(c.layout) == len(view) {
		return
	}
	c.laid = true
	c.layout = c.layout[:0]
	above := []int{} // the groups around, innermost last
	for i, n := range view {
		for len(above) > 0 && view[above[len(above)-1]].Name != n.Group {
			above = above[:len(above)-1]
		}
		p := place{parent: -1, end: i + 1}
		if len(above) > 0 {
			p.parent = above[len(above)-1]
		}
		c.layout = append(c.layout, p)
		for _, a := range above {
			c.layout[a].end = i + 1
		}
		if n.IsGroup {
			above = append(above, i)
		}
	}
}

// ordered checks the order of stopping: the stop of a run, by its hook or its
// first signal, begins for a
// member of an ordered group only when none of the later members is stopping.
func (w *World) ordered(id tree.NodeID, r *run) {
	if r.stopping || r.stage != alive {
		return
	}
	r.stopping = true
	if w.checks.atOnce || !w.checks.laid {
		return
	}
	view := w.view
	i := indexOf(view, id)
	for i >= 0 {
		p := w.checks.layout[i].parent
		if p >= 0 && view[p].Strategy.Ordered() {
			for j := w.checks.layout[i].end; j < w.checks.layout[p].end; j++ {
				if later := w.run(view[j].ID); later.stage == alive && later.stopping {
					w.fault("%s is stopped before %s is down", w.name(id), view[j].Name)
				}
			}
		}
		i = p
	}
}

// isReaction reports whether a signal is what on_unhealthy may send: no stop.
func isReaction(p *spec.Process, signal int) bool {
	for i := range p.Checks {
		if o := p.Checks[i].OnUnhealthy; o.Action == spec.UnhealthySignal && o.Signal == signal {
			return true
		}
	}
	return false
}

// checkStartOrder checks the order of starting: a member of an ordered group
// starts only when all members before it that should be up are.
func (w *World) checkStartOrder(view []*tree.Node, id tree.NodeID) {
	first := indexOf(view, id)
	for i := first; i >= 0; {
		p := w.checks.layout[i].parent
		if p >= 0 && view[p].Strategy.Ordered() {
			for j := p + 1; j < i; j++ {
				switch view[j].State {
				case tree.StateStarting, tree.StateWaiting, tree.StateBackoff:
					listens := view[j].State == tree.StateWaiting && !view[j].IsGroup && view[j].Process.StartOnConnection
					if !view[j].IsGroup && !listens {
						w.fault("%s is started while %s is %s", view[first].Name, view[j].Name, view[j].State)
					}
				}
			}
		}
		i = p
	}
}

func indexOf(view []*tree.Node, id tree.NodeID) int {
	for i, n := range view {
		if n.ID == id {
			return i
		}
	}
	return -1
}
