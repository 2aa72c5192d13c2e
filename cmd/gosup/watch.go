package main

import (
	"context"
	"slices"
	"time"

	"gosup/config"
	"gosup/spec"
	"gosup/tree"
)

// byWatch is who reloads and restarts because files have changed.
const byWatch = "watch"

// configDebounce is how long the configuration must have been left alone.
const configDebounce = 500 * time.Millisecond

// watch has the watcher watch what the definition says.
func (r *reloader) watch() {
	var list []config.Watched
	if r.tree.Supervisor.WatchConfig {
		list = append(list, config.Watched{
			// No process has this name.
			Name: "", Paths: r.files, Debounce: configDebounce,
			Changed: func(path string) {
				_, _ = r.Reload(byWatch, path+" has changed") // it is logged there
			},
		})
	}
	for _, p := range r.tree.Processes() {
		if p.Watch == nil {
			continue
		}
		list = append(list, config.Watched{
			Name: p.Name, Paths: p.Watch.Paths, Debounce: p.Watch.Debounce,
			Ignore:  slices.Concat(p.Watch.Ignore, ownFiles(r.d.tree.Supervisor, p)),
			Changed: func(path string) { r.d.fileChanged(p, path) },
		})
	}
	r.d.watcher.Watch(list)
}

// ownFiles are globs of what changes because the process runs: that must not
// make it run anew.
func ownFiles(s spec.Supervisor, p *spec.Process) (globs []string) {
	for _, dir := range []string{s.RuntimeDir, s.StateDir, s.LogDir} {
		if dir != "" {
			globs = append(globs, config.QuoteGlob(dir))
		}
	}
	for _, file := range []string{p.Logs.File, p.Logs.StderrFile} {
		if file != "" {
			// Beside it lie its index and the rotated ones.
			globs = append(globs, config.QuoteGlob(file)+"*")
		}
	}
	return globs
}

// fileChanged restarts or reloads a process. One that a person has stopped
// stays so.
func (d *daemon) fileChanged(p *spec.Process, path string) {
	for _, n := range d.manager.Snapshot().Nodes {
		if n.Name == p.Name && n.State == tree.StateStopped {
			return
		}
	}
	verb := tree.AskRestart
	if p.Watch.Action == spec.WatchReload {
		verb = tree.AskReload
	}
	ans, err := d.manager.Ask(context.Background(), tree.Asked{
		Verb: verb, Names: []string{p.Name}, By: byWatch, Why: path + " has changed",
	})
	switch {
	case err != nil: // gosup is ending
	case ans.Err != nil:
		d.log.Debug("watch", "process", p.Name, "err", ans.Err) // a reload was faster
	default:
		for _, r := range ans.Results {
			if r.Err != "" {
				d.log.Info("watch: not "+verb.String()+"ed", "process", r.Name, "reason", r.Err)
			}
		}
	}
}
