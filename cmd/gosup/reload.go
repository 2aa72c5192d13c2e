package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gosup/config"
	"gosup/control"
	"gosup/journal"
	"gosup/spec"
	"gosup/tree"
)

// reloader applies the daemon's configuration file again.
type reloader struct {
	file    string
	options config.Options
	d       *daemon

	mu     sync.Mutex               // one reload at a time
	tree   *spec.Tree               // as it was last applied
	scaled map[string]journal.Scale // by the name of the process
	files  []string                 // paths and globs that the last load and the last good one have asked for

	last atomic.Pointer[reloadEnd] // of the last reload
}

// reloadEnd is how a reload ended.
type reloadEnd struct {
	ok      bool
	applied time.Time // when what holds now was
}

// reading is what one load of the file has found.
type reading struct {
	tree     *spec.Tree
	problems config.Problems
	inFile   map[string]int // how many instances the file has of each process
	files    []string
}

// load reads a file, "" for the daemon's own, with the wishes of ctl scale.
func (r *reloader) load(file string, scaled map[string]journal.Scale) (out reading) {
	o := r.options
	out.inFile = map[string]int{}
	o.Instances = func(name string, inFile int) int {
		out.inFile[name] = inFile
		if s, ok := scaled[name]; ok && s.InFile == inFile {
			return s.Wanted
		}
		return inFile
	}
	o.Reads = func(path string) {
		if !slices.Contains(out.files, path) {
			out.files = append(out.files, path)
		}
	}
	if file == "" {
		file = r.file
	}
	out.tree, out.problems = config.Load(file, o)
	return out
}

// read reads the file for the first time.
func (r *reloader) read() config.Problems {
	now := r.load("", nil)
	r.tree, r.files = now.tree, now.files
	r.last.Store(&reloadEnd{ok: true, applied: time.Now()})
	return now.problems
}

// LastReload is control.Reloader's.
func (r *reloader) LastReload() (ok bool, applied time.Time) {
	last := r.last.Load()
	return last.ok, last.applied
}

// remember reads the file once more if people wanted other numbers of instances
// from the daemon before this one.
func (r *reloader) remember(scaled map[string]journal.Scale) {
	if len(scaled) == 0 {
		return
	}
	now := r.load("", scaled)
	if now.problems.Failed() {
		return // it has changed just now, and is as it was without them
	}
	now.tree.Supervisor = r.tree.Supervisor // what this machine does not allow was left out
	r.tree, r.files, r.scaled = now.tree, now.files, maps.Clone(scaled)
	maps.DeleteFunc(r.scaled, func(name string, s journal.Scale) bool { return now.inFile[name] != s.InFile })
}

// Reload is control.Reloader's.
func (r *reloader) Reload(by, why string) (control.Plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.d.herald.Reloading()
	defer func() { r.d.herald.Reloaded(r.tree.Supervisor) }()
	now, plan := r.plan("", r.scaled)
	var door port
	if !plan.Rejected {
		var err error
		if door, err = openPort(now.tree.Supervisor, r.d.port); err != nil {
			plan = r.reject(plan, err)
		}
	}
	for _, p := range plan.Problems {
		r.d.log.Warn("reload", "problem", p)
	}
	if plan.Rejected {
		r.refused(now)
		return plan, nil
	}
	if err := r.apply(now, by, why); err != nil {
		door.discard(r.d.port)
		return plan, err
	}
	r.d.usePort(door)
	r.last.Store(&reloadEnd{ok: true, applied: time.Now()})
	return plan, nil
}

// reject returns a plan that does nothing, because of err.
func (r *reloader) reject(plan control.Plan, err error) control.Plan {
	return control.NewPlan(nil, append(plan.Problems, r.file+": "+err.Error()), true)
}

// refused takes note of a reload that has changed nothing.
func (r *reloader) refused(now reading) {
	r.d.log.Error("reload refused: nothing was changed")
	r.last.Store(&reloadEnd{ok: false, applied: r.last.Load().applied})
	// What was read up to the error may be where it is mended.
	for _, f := range now.files {
		if !slices.Contains(r.files, f) {
			r.files = append(r.files, f)
		}
	}
	r.watch()
}

// apply makes a reading the daemon's definition.
func (r *reloader) apply(now reading, by, why string) error {
	old := r.d.tree.Supervisor
	if now.tree.Supervisor.RuntimeDir != old.RuntimeDir || now.tree.Supervisor.Socket != old.Socket {
		r.d.log.Warn("runtime_dir and socket stay as they are until gosup is started anew")
	}
	if err := r.d.manager.Reload(context.Background(), tree.Reloaded{Tree: now.tree, By: by, Why: why}); err != nil {
		return err
	}
	r.tree, r.files = now.tree, now.files
	maps.DeleteFunc(r.scaled, func(name string, s journal.Scale) bool { return now.inFile[name] != s.InFile })
	r.d.manager.SaveScaled(r.scaled)
	r.watch()
	return nil
}

// Plan is control.Reloader's.
func (r *reloader) Plan(file string) (control.Plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, plan := r.plan(file, r.scaled)
	return plan, nil
}

// Scale is control.Reloader's.
func (r *reloader) Scale(name string, instances int, by, why string) (control.Plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, plan := r.plan("", r.scaled)
	switch {
	case plan.Rejected:
		return plan, nil
	case len(plan.Changes) > 0:
		return control.Plan{}, errors.New(
			"the file has changed since it was applied (see gosup ctl plan, then gosup ctl reload)")
	}
	name, err := scaledName(before.inFile, name)
	if err != nil {
		return control.Plan{}, err
	}
	scaled := maps.Clone(r.scaled)
	scaled[name] = journal.Scale{Wanted: instances, InFile: before.inFile[name]}
	now, plan := r.plan("", scaled)
	if plan.Rejected {
		return plan, nil
	}
	old := r.scaled
	r.scaled = scaled
	if err = r.apply(now, by, why); err != nil {
		r.scaled = old
	}
	return plan, err
}

// scaledName returns the one process that a person means.
func scaledName(inFile map[string]int, name string) (string, error) {
	names := slices.Sorted(maps.Keys(inFile))
	chosen, err := spec.Select(names, []string{name})
	switch {
	case err != nil:
		return "", err
	case len(chosen) != 1:
		return "", fmt.Errorf("%q means %d processes (name one)", name, len(chosen))
	}
	return names[chosen[0]], nil
}

// plan compares what a file says with what was last applied.
func (r *reloader) plan(file string, scaled map[string]journal.Scale) (reading, control.Plan) {
	now := r.load(file, scaled)
	lines := make([]string, len(now.problems))
	for i, p := range now.problems {
		lines[i] = p.String()
	}
	if now.problems.Failed() {
		return now, control.NewPlan(nil, lines, true)
	}
	plan := control.NewPlan(spec.Plan(r.tree, now.tree), lines, false)
	if s := now.tree.Supervisor; s.Listen != "" {
		if _, err := control.LoadSecurity(s); err != nil {
			return now, r.reject(plan, err)
		}
	}
	return now, plan
}
