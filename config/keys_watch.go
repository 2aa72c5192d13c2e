package config

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"gosup/spec"
)

// watch is the watch: of a process while it is read.
type watch struct {
	spec.Watch
	place place // where it was given last
	at    places
}

func watchTable() table[watch] {
	globs := listKind("list of paths and globs", &subschema{Type: types{"string"}})
	return table[watch]{
		name: "watch",
		doc: "Files that make a process restart or reload when they change, are made or go. gosup's own folders and the process's" +
			" logs never count. The word `none` may stand instead of the mapping, whatever `defaults` say.",
		keys: []key[watch]{
			{
				name: "paths", kind: globs, aka: []string{"path", "files", "include"},
				doc: "Files, folders with all that is in them, and globs, relative to the folder of the file; `**` is any number of" +
					" folders, also those that are made later. Hidden files and those that end in ~ count where they are named alone.",
				set: func(r *reader, n node, to *watch) {
					if v, ok := r.globs(n, false); ok {
						to.Paths = v
					}
				},
			},
			{
				name: "ignore", kind: globs, def: "[]", aka: []string{"exclude", "except"},
				doc: "Globs of what does not count, nor what lies in it. One without a slash is for a name in any folder.",
				set: func(r *reader, n node, to *watch) {
					if v, ok := r.globs(n, true); ok {
						to.Ignore = v
					}
				},
			},
			periodKey("debounce", "500ms", "How long nothing more must have changed; after ten times of that it is enough.", time.Millisecond,
				func(w *watch) *time.Duration { return &w.Debounce }),
			choiceKey("action", "restart", "`restart`, or `reload`: what its `reload` says.", []string{"restart", "reload"},
				func(w *watch, i int) { w.Action = spec.WatchAction(i) }),
		},
	}
}

// globs returns a list of globs as absolute ones.
func (r *reader) globs(n node, anywhere bool) ([]string, bool) {
	items, ok := r.items(n, form{"a list of paths and globs", "such as [src/**]"})
	if !ok {
		return nil, false
	}
	var out []string
	for _, item := range items {
		s, ok := r.str(item, form{"a path or glob", "such as src/**"})
		switch {
		case !ok:
		case s == "":
			r.problem(item.at, "is empty", "remove it")
		case !doublestar.ValidatePathPattern(s):
			r.problem(item.at, "is "+item.describe()+", not a glob", "a glob is made of * ? [a-z] {a,b} and **")
		case anywhere && !strings.Contains(s, "/"):
			out = append(out, "/**/"+s)
		default:
			out = append(out, absoluteGlob(item.at.src.dir, s))
		}
	}
	return out, true
}

// absoluteGlob is absolute for a glob, in which the folder stands for itself.
func absoluteGlob(dir, glob string) string {
	if filepath.IsAbs(glob) {
		return filepath.Clean(glob)
	}
	return filepath.Join(QuoteGlob(dir), glob)
}

// QuoteGlob returns the glob that matches one path alone.
func QuoteGlob(path string) string {
	for _, c := range `\*?[{` {
		path = strings.ReplaceAll(path, string(c), `\`+string(c))
	}
	return path
}

// watch reads a watch: over that of a process.
func (r *reader) watch(n node, to *process) {
	if word, ok := r.word(n, "none"); !ok || word == "none" {
		to.watch = nil
		return
	}
	w := watch{Watch: spec.Watch{Debounce: 500 * time.Millisecond}, at: places{}}
	if to.watch != nil {
		w = *to.watch
		w.at = places{}
		for k, v := range to.watch.at {
			w.at[k] = v
		}
	}
	w.place = n.at
	r.tables.watch.over(r, n, &w, w.at)
	to.watch = &w
}

// watch returns what is watched for a process; nil where only the defaults
// begin one.
func (b *builder) watch(d *process, p pair) *spec.Watch {
	w := d.watch
	if w == nil {
		return nil
	}
	if _, ok := w.at["paths"]; !ok {
		if strings.HasPrefix(w.place.path, p.at.path) {
			b.r.required(w.at, "paths", w.place, "such as paths: [src/**]")
		}
		return nil
	}
	if len(w.Paths) == 0 {
		return nil
	}
	if w.Action == spec.WatchReload && (d.reload == nil || d.reload.kind == "") {
		at, ok := own(w.at, "action", p.at.path)
		if !ok {
			at = p.at.key("watch")
		}
		b.r.problem(at, "is reload, and the process has none", "give it reload: {signal: SIGHUP}, or action: restart")
	}
	out := w.Watch
	out.Paths, out.Ignore = slices.Clone(out.Paths), slices.Clone(out.Ignore)
	return &out
}
