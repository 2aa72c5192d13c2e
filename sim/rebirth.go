package sim

import (
	"slices"

	"gosup/journal"
	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// Save returns what the daemon of this world would have on disk now.
func (w *World) Save() []byte {
	defined := map[string]journal.Definition{}
	for _, n := range w.View() {
		if !n.IsGroup {
			defined[n.Name] = journal.DefinitionOf(n.Process, "")
		}
	}
	var s journal.Saver
	data, err := s.Encode(&journal.State{Image: w.tree.Image(), Processes: defined})
	if err != nil {
		w.fault("%v", err)
	}
	return data
}

// Rebirth kills the daemon and begins another one, with the definition s and
// what was saved at some time. Processes live on, and what was only on its way
// to the daemon is lost. Each thing that may have happened just before or during
// the death has happened if toss says so.
func (w *World) Rebirth(s *spec.Tree, seed uint64, saved []byte, toss func() bool) {
	state, err := journal.Decode(saved)
	if err != nil {
		w.fault("%v", err)
	}
	runs := w.die(toss)
	past := state.Past(s, state.Boot, 0)
	defined := map[string]bool{}
	for _, p := range s.Processes() {
		defined[p.Name] = true
	}
	for _, name := range w.names(runs) {
		if !defined[name] {
			past.Orphaned = append(past.Orphaned, runs[name].proc)
		}
	}
	w.tree = tree.Restore(s, seed, w.now, past)
	w.checks, w.hooks, w.flying = checks{}, nil, nil
	w.runs = w.runs[:0]
	w.reloads++ // limits may be smaller than what was granted
	w.adopt(runs)
}

// Lose ends a run in a way that no daemon sees. It is for just before Rebirth.
func (w *World) Lose(id tree.NodeID) { w.run(id).stage = none }

// die ends what the daemon had under way, and returns the runs that are still
// there by the names of their processes.
func (w *World) die(toss func() bool) map[string]*run {
	names := map[tree.NodeID]string{}
	for _, n := range w.View() {
		names[n.ID] = n.Name
	}
	runs := map[string]*run{}
	for i := range w.runs {
		r := w.runs[i]
		if r.stage == spawning { // was it forked?
			r.stage = none
			if toss() && r.life.Fails == "" {
				r.stage, r.began = alive, w.now
			}
		}
		if r.stage != none {
			runs[names[tree.NodeID(i)]] = &r
		}
	}
	w.pending = queue{}
	return runs
}

// names returns the names of runs in an order that does not change.
func (w *World) names(runs map[string]*run) (list []string) {
	for i := range w.runs {
		if p := w.runs[i].proc; p != nil && runs[p.Name] != nil && !slices.Contains(list, p.Name) {
			list = append(list, p.Name)
		}
	}
	return list
}

// adopt tells the new daemon of the runs that are there, and of those that it
// thinks are, as package procman does.
func (w *World) adopt(runs map[string]*run) {
	var events []tree.Event
	expected := map[tree.NodeID]tree.Expected{}
	for _, e := range w.tree.Expected() {
		expected[e.Node] = e
	}
	for _, n := range w.View() {
		if n.IsGroup {
			continue
		}
		e, known := expected[n.ID]
		old := runs[n.Name]
		r := w.run(n.ID)
		*r = run{number: n.Run, proc: n.Process, doom: policy.Never, life: w.life(n.Process, n.Run)}
		known = known && old != nil && e.Run == old.number
		switch {
		case old != nil && old.stage == alive && old.number >= n.Run:
			*r = *old
			r.proc = n.Process
			r.stopping = r.number == n.Run && n.State == tree.StateStopping
			w.pids++
			events = append(events, tree.Adopted{Node: n.ID, Run: r.number, PID: w.pids, StartedAt: r.began})
			w.goOn(n.ID, r)
		case known && e.Leaving:
			*r = *old
			w.goOn(n.ID, r)
		case known:
			// Its first process has ended while nobody was there.
			*r = *old
			if n.Process.Stop.Kill == spec.KillProcess {
				r.stage = none // nobody goes after what is left any more
			}
			w.goOn(n.ID, r)
			events = append(events, tree.Exited{Node: n.ID, Run: e.Run, Left: r.stage == left,
				Exit: tree.Exit{Code: -1, At: w.now, Cause: tree.Ended, Unseen: true}})
		case expected[n.ID].Leaving:
			events = append(events, tree.Gone{Node: n.ID, Run: e.Run})
		case expected[n.ID].Run > 0:
			r.ended = w.steps + 1
			events = append(events, tree.Exited{Node: n.ID, Run: e.Run,
				Exit: tree.Exit{Code: -1, At: w.now, Cause: tree.Ended, Unseen: true}})
		}
	}
	w.events = append(w.events[:0], events...)
	w.events = append(w.events, tree.Reborn{How: "died"})
	w.feed()
	for _, n := range w.View() {
		if r := w.run(n.ID); n.State != tree.StateStopping {
			r.stopping = false // its hook before the stop had begun, and begins again
		}
	}
}

// goOn lets a run go on as it was about to.
func (w *World) goOn(id tree.NodeID, r *run) {
	if r.stage != none && r.doom != policy.Never {
		if r.doom = max(r.doom, w.now); r.stage == left {
			w.Post(r.doom, tree.Gone{Node: id, Run: r.number})
		} else {
			w.Post(r.doom, tree.Exited{Node: id, Run: r.number})
		}
	} else if r.stage == alive && r.life.Runs != Forever {
		w.end(id, r, max(w.now, r.began.Add(r.life.Runs)), r.life.Exit)
	}
	if r.stage == alive {
		w.speak(id, r)
	}
}
