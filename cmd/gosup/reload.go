package main

import (
	"context"
	"sync"

	"gosup/config"
	"gosup/control"
	"gosup/spec"
	"gosup/tree"
)

// reloader applies the daemon's configuration file again.
type reloader struct {
	load func(file string) (*spec.Tree, config.Problems) // "" for the daemon's own
	d    *daemon

	mu   sync.Mutex // one reload at a time
	tree *spec.Tree // as it was last applied
}

// Reload is control.Reloader's.
func (r *reloader) Reload(by, why string) (control.Plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, plan := r.plan("")
	for _, p := range plan.Problems {
		r.d.log.Warn("reload", "problem", p)
	}
	if plan.Rejected {
		r.d.log.Error("reload refused: nothing was changed")
		return plan, nil
	}
	old := r.d.tree.Supervisor
	if t.Supervisor.RuntimeDir != old.RuntimeDir || t.Supervisor.Socket != old.Socket {
		r.d.log.Warn("runtime_dir and socket stay as they are until gosup is started anew")
	}
	if err := r.d.manager.Reload(context.Background(), tree.Reloaded{Tree: t, By: by, Why: why}); err != nil {
		return control.Plan{}, err
	}
	r.tree = t
	return plan, nil
}

// Plan is control.Reloader's.
func (r *reloader) Plan(file string) (control.Plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, plan := r.plan(file)
	return plan, nil
}

// plan compares what a file says with what was last applied.
func (r *reloader) plan(file string) (*spec.Tree, control.Plan) {
	t, problems := r.load(file)
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	if problems.Failed() {
		return nil, control.NewPlan(nil, lines, true)
	}
	return t, control.NewPlan(spec.Plan(r.tree, t), lines, false)
}
