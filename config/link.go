package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gosup/policy"
	"gosup/spec"
)

// What all names of one load may cost together.
const (
	maxArcs     = 250_000    // processes that others depend on
	maxSearched = 20_000_000 // names that patterns are held against
	maxGuesses  = 300_000    // names that unknown ones are compared with
)

// linker finds what the names in depends_on and requires mean, once all
// processes are known.
type linker struct {
	b         *builder
	names     []string // of the processes, in the order of the tree
	processes []*spec.Process
	spans     map[string]span // by the name of a process, of all instances of one, or of a group
	words     []string        // the names in spans
	arcs      [][]arc         // by process: whom it depends on

	count    int // of arcs
	searched int
	guessed  int
}

// span is a range of processes.
type span struct{ lo, hi int }

// arc leads from a process to one that it depends on.
type arc struct {
	to   int
	need *need
}

// waiting is a process whose names have to be resolved.
type waiting struct {
	process  *spec.Process
	prefix   string // of the names in its group
	at       place
	needs    []need
	requires []requirement
}

// link resolves all names and checks that nothing waits for itself.
func (b *builder) link(t *spec.Tree) {
	if len(b.waiting) == 0 {
		return
	}
	l := &linker{b: b, spans: map[string]span{}}
	l.enter(&t.Root)
	l.arcs = make([][]arc, len(l.names))
	index := make(map[*spec.Process]int, len(l.processes))
	for i, p := range l.processes {
		index[p] = i
	}
	for i := range b.waiting {
		w := &b.waiting[i]
		l.supply(w)
		l.depend(w, index[w.process])
	}
	b.r.checkCircles(&t.Root, l)
}

// enter notes the names of a group and all below it.
func (l *linker) enter(g *spec.Group) {
	lo := len(l.names)
	for _, m := range g.Members {
		if m.Group != nil {
			l.enter(m.Group)
			continue
		}
		i := len(l.names)
		l.names = append(l.names, m.Process.Name)
		l.processes = append(l.processes, m.Process)
		l.note(m.Process.Name, i, i+1)
		if base, _, ok := strings.Cut(m.Process.Name, "@"); ok {
			l.note(base, i, i+1)
		}
	}
	if g.Name != "" {
		l.note(g.Name, lo, len(l.names))
	}
}

// note adds processes to what a name means.
func (l *linker) note(name string, lo, hi int) {
	s, ok := l.spans[name]
	if !ok {
		s.lo = lo
		l.words = append(l.words, name)
	}
	s.hi = hi
	l.spans[name] = s
}

// supply resolves requires.
func (l *linker) supply(w *waiting) {
	for _, v := range w.requires {
		if _, ok := l.b.supplies[v.name]; ok {
			w.process.Requires = append(w.process.Requires, v.name)
			continue
		}
		hint := "define it in dependencies, at the top of the file"
		if near := l.guess(v.name, slices.Sorted(maps.Keys(l.b.supplies))); near != "" {
			hint = "did you mean " + near + "?"
		} else if _, ok := l.spans[v.name]; ok {
			hint = "that is one of gosup's own: write depends_on: [" + v.name + "]"
		}
		l.b.r.problem(v.at, fmt.Sprintf("names no dependency %q", v.name), hint)
	}
}

// guess returns the one of names that word may have been meant to be.
func (l *linker) guess(word string, names []string) string {
	if l.guessed += len(names); l.guessed > maxGuesses {
		return ""
	}
	return nearest(word, names)
}

// target is one process that another depends on.
type target struct {
	arc
	breadth int // how many processes the name means
}

// depend resolves the depends_on of process number self.
func (l *linker) depend(w *waiting, self int) {
	var targets []target
	index := map[int]int{} // by process, in targets
	for i := range w.needs {
		d := &w.needs[i]
		found, breadth := l.find(w, d, self)
		for _, to := range found {
			t := target{arc{to, d}, breadth}
			k, again := index[to]
			switch {
			case !again:
				index[to] = len(targets)
				targets = append(targets, t)
			case targets[k].breadth == t.breadth && l.own(w, targets[k].need) == l.own(w, d):
				l.b.r.problem(d.at, "names "+l.names[to]+" a second time", "remove one")
			case targets[k].breadth >= t.breadth:
				targets[k] = t // what is said of one alone wins over what is said of its group
			}
		}
	}
	warned := map[*need]bool{}
	for _, t := range targets {
		w.process.DependsOn = append(w.process.DependsOn,
			spec.DependsOn{Name: l.names[t.to], Condition: t.need.condition, Restart: t.need.restart})
		l.arcs[self] = append(l.arcs[self], t.arc)
		if !warned[t.need] {
			warned[t.need] = l.checkCondition(w.process, l.processes[t.to], t.need)
		}
	}
}

// own reports whether the process itself says d, not the defaults.
func (l *linker) own(w *waiting, d *need) bool {
	return strings.HasPrefix(d.at.path, w.at.path+".")
}

// find returns the processes that an entry of depends_on means, without the
// process itself, and how many it means with it.
func (l *linker) find(w *waiting, d *need, self int) (found []int, breadth int) {
	r := l.b.r
	if r.full() {
		return nil, 0
	}
	found, name, err := l.lookup(w.prefix, d.name)
	if err != nil {
		what, hint := l.unknown(w, d.name, err)
		r.problem(d.at, what, hint)
		return nil, 0
	}
	breadth = len(found)
	if l.count += len(found); l.count > maxArcs {
		at := d.at
		at.path = "depends_on"
		r.problem(at, fmt.Sprintf("comes to more than %d dependencies", maxArcs), "groups that depend on groups multiply; name less")
		return nil, 0
	}
	i := slices.Index(found, self)
	switch {
	case i < 0:
		return found, breadth
	case !l.own(w, d):
		return nil, 0 // what all others depend on does not depend on itself
	case name == "":
		return slices.Delete(found, i, i+1), breadth
	case name == w.process.Name:
		r.problem(d.at, "is the process itself", "remove it")
	case strings.HasPrefix(w.process.Name, name+"@"):
		r.problem(d.at, "means its own instances", "remove it")
	default:
		r.problem(d.at, "is a group that it is in itself", "name the members that it waits for")
	}
	return nil, 0
}

// lookup returns the processes that a name means, in the group with the prefix
// or else in the whole tree, and its full name: "" for a pattern.
func (l *linker) lookup(prefix, name string) (found []int, full string, err error) {
	scopes := []string{prefix + name}
	if prefix != "" {
		scopes = append(scopes, name)
	}
	for _, full := range scopes {
		if s, ok := l.spans[full]; ok {
			for i := s.lo; i < s.hi; i++ {
				found = append(found, i)
			}
			return found, full, nil
		}
	}
	for _, pattern := range scopes {
		if l.searched += len(l.names); l.searched > maxSearched {
			return nil, "", errTooDear
		}
		if found, err = spec.Select(l.names, []string{pattern}); err == nil {
			return found, "", nil
		}
	}
	return nil, "", err
}

var errTooDear = errors.New("cannot be looked for: too many names are not full ones")

// unknown says why a name means no process.
func (l *linker) unknown(w *waiting, name string, err error) (what, hint string) {
	var u *spec.UnknownError
	switch {
	case !errors.As(err, &u):
		return err.Error(), "write full names"
	case len(u.Similar) > 0:
		return fmt.Sprintf("names %q, which could be %s", name, oneOf(u.Similar)), "write the full name"
	}
	what = fmt.Sprintf("names no process or group %q", name)
	if _, ok := l.b.supplies[name]; ok {
		return what, "that is a dependency: write requires: [" + name + "]"
	}
	var here []string
	for _, full := range l.words {
		if rest, ok := strings.CutPrefix(full, w.prefix); ok && w.prefix != "" {
			here = append(here, rest)
		}
	}
	for _, known := range [][]string{here, l.words} {
		if near := l.guess(name, known); near != "" {
			return what, "did you mean " + near + "?"
		}
	}
	return what, "define it, or remove it here"
}

// checkCondition refuses to wait for what cannot come, and warns of what will
// hardly. It reports whether it said something.
func (l *linker) checkCondition(p, other *spec.Process, d *need) bool {
	r := l.b.r
	before := len(r.found)
	switch d.condition {
	case spec.Healthy:
		if len(other.Checks) == 0 {
			r.problem(d.at, "waits for "+other.Name+" to be healthy, and that has no health check", "give it one, or wait for ready")
		}
	case spec.Completed:
		switch {
		case other.Type == spec.Oneshot:
		case other.Restart.Policy == policy.Always:
			r.problem(d.at, "waits for "+other.Name+" to complete, and that is a service, restarted whenever it ends",
				"make it type: oneshot, or wait for ready")
		default:
			r.warning(d.at, "waits for "+other.Name+" to complete, and that is a service, meant to run for ever", "make it type: oneshot")
		}
	case spec.Ready:
		if other.Type == spec.Oneshot && other.Readiness == nil {
			r.warning(d.at, "waits for "+other.Name+" to be ready, which a oneshot is as soon as it runs", "wait for completed")
		}
	}
	if p.Autostart && !other.Autostart {
		r.warning(d.at, "waits for "+other.Name+", which is not started with gosup (autostart: false)", "it waits until somebody starts that one")
	}
	return len(r.found) > before
}
