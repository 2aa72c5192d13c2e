package sim

import (
	"time"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// probe answers a probe: of a run by how it is then, of a dependency by what
// Supply says.
func (w *World) probe(e tree.Probe) {
	p := tree.Probed{Node: e.Node, Run: e.Run, Check: e.Check, Dependency: e.Dependency}
	w.flight(p, +1)
	if w.Answer != nil {
		found, wait := w.Answer(e)
		p.Health, p.Reason, p.Latency = found.Health, found.Reason, found.Latency
		w.Post(w.now.Add(min(wait, e.Timeout)), p)
		return
	}
	if e.Dependency != "" {
		w.Post(w.now, result(p, w.sound(p, w.now)))
		return
	}
	r := w.run(e.Node)
	if r.number != e.Run || r.stage != alive {
		w.fault("a probe of run %d of %s, which does not run", e.Run, w.name(e.Node))
	}
	at := w.now.Add(min(r.life.Latency, e.Timeout))
	w.Post(at, result(p, r.life.Latency < e.Timeout && w.sound(p, at)))
}

// sound reports whether what a probe asks about is well at a time.
func (w *World) sound(p tree.Probed, at Time) bool {
	if p.Dependency != "" {
		return w.Supply == nil || w.Supply(p.Dependency)
	}
	r := w.run(p.Node)
	age := at.Sub(r.began)
	if p.Check < 0 {
		return r.life.Ready != Forever && age >= r.life.Ready
	}
	return r.life.Well == Forever || age < r.life.Well
}

func result(p tree.Probed, up bool) tree.Probed {
	p.Health, p.Reason = tree.Healthy, ""
	if !up {
		p.Health, p.Reason = tree.HealthBad, "connection refused"
	}
	return p
}

// flight counts the probes that are under way: of one check never two.
func (w *World) flight(p tree.Probed, by int) {
	p.Health, p.Reason, p.Latency = 0, "", 0
	if w.flying == nil {
		w.flying = map[tree.Probed]int{}
	}
	w.flying[p] += by
	switch w.flying[p] {
	case 0:
		delete(w.flying, p)
	case 1:
	default:
		w.fault("%d probes at once: %+v", w.flying[p], p)
	}
}

// hook answers a hook.
func (w *World) hook(e tree.RunHook) {
	r := w.run(e.Node)
	if e.Moment == spec.PreStart {
		// The run that begins with it has no life yet.
		if r.stage != none || e.Run != r.number+1 {
			w.fault("the hook before run %d of %s, at stage %d of run %d", e.Run, e.Process.Name, r.stage, r.number)
		}
		*r = run{number: e.Run, stage: none, proc: e.Process, doom: policy.Never, life: w.life(e.Process, e.Run)}
		r.hooked = true
		w.checks.started = append(w.checks.started, e.Node) // it begins here
	}
	if e.Moment == spec.PreStop {
		w.ordered(e.Node, r)
	}
	done := tree.HookDone{Node: e.Node, Run: e.Run, Moment: e.Moment}
	if r.life.HookFails {
		done.Why = "exited with code 1"
	}
	wait := r.life.Hook
	if limit := e.Process.Hooks[e.Moment].Timeout; wait == Forever || wait > limit {
		wait, done.Why = limit, "timed out"
	}
	w.hooks = append(w.hooks, done)
	w.Post(w.now.Add(wait), done)
}

// cancel ends the hooks of a run at once.
func (w *World) cancel(e tree.CancelHook) {
	for _, h := range w.hooks {
		if h.Node == e.Node && h.Run == e.Run {
			h.Why = "cancelled"
			w.Post(w.now, h)
		}
	}
}

// hookDone reports whether that hook was still running.
func (w *World) hookDone(e tree.HookDone) bool {
	for i, h := range w.hooks {
		if h.Node == e.Node && h.Run == e.Run && h.Moment == e.Moment {
			w.hooks = append(w.hooks[:i], w.hooks[i+1:]...)
			return true
		}
	}
	return false
}

// speak posts what a run says of itself once it has begun.
func (w *World) speak(id tree.NodeID, r *run) {
	if w.Mute {
		return
	}
	p := r.proc.Readiness
	if p != nil && (p.Notify || p.Log != "" || p.FD != 0) && r.life.Ready != Forever {
		w.Post(w.now.Add(r.life.Ready), tree.Notified{Node: id, Run: r.number, Ready: true})
	}
	if beat := r.beat(); beat > 0 {
		w.Post(w.now.Add(beat), tree.Notified{Node: id, Run: r.number, Beat: true})
	}
}

// beat returns the time between the heartbeats that a run sends: a third of
// what is asked of it.
func (r *run) beat() time.Duration {
	least := time.Duration(0)
	for i := range r.proc.Checks {
		if h := r.proc.Checks[i].Heartbeat; h != nil && (least == 0 || h.Timeout < least) {
			least = h.Timeout
		}
	}
	return least / 3
}

// heard reports whether a run can say that, and lets it beat on.
func (w *World) heard(e tree.Notified) bool {
	if w.Mute {
		return true
	}
	r := w.run(e.Node)
	if r.number != e.Run || r.stage != alive {
		return false
	}
	if !e.Beat {
		return true
	}
	if r.life.Well != Forever && w.now.Sub(r.began) >= r.life.Well {
		return false // it hangs
	}
	if beat := r.beat(); beat > 0 {
		w.Post(w.now.Add(beat), e)
	}
	return true
}
