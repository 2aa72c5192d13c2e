package spec

import (
	"reflect"
	"slices"
	"strings"
)

// Effect is what a change of a definition does to a process.
type Effect uint8

// The effects.
const (
	Untouched Effect = iota
	InPlace          // it takes effect in the run that there is
	Anew             // it takes a new run
	Added
	Removed
)

var effectNames = [...]string{"none", "in_place", "restart", "new", "removed"}

// String returns the name that people and the API use.
func (e Effect) String() string { return effectNames[e] }

// Change is what a reload does to one process.
type Change struct {
	Name    string
	Effect  Effect
	Fields  []FieldChange // of Anew and InPlace
	Drags   []string      // who restarts with it, by depends_on
	IsGroup bool          // a group's own settings
}

// FieldChange is one key that is different. The values of env are secrets, so
// they are not in it.
type FieldChange struct {
	Field  string
	From   string
	To     string
	Effect Effect
}

// Plan says what a reload from one definition to another would do, in the
// order of the new one, what is removed last. What stays as it is is left out.
func Plan(from, to *Tree) []Change {
	before, after := from.Processes(), to.Processes()
	old := map[string]*Process{}
	for _, p := range before {
		old[p.Name] = p
	}
	drags := dragged(after)
	var plan []Change
	for _, p := range after {
		q := old[p.Name]
		delete(old, p.Name)
		switch {
		case q == nil:
			plan = append(plan, Change{Name: p.Name, Effect: Added})
		case !q.Equal(p):
			c := Change{Name: p.Name, Effect: InPlace, Fields: fieldChanges(q, p)}
			if !q.SameRun(p) {
				c.Effect, c.Drags = Anew, drags[p.Name]
			}
			plan = append(plan, c)
		}
	}
	plan = append(plan, groupChanges(from, to)...)
	for _, p := range before {
		if old[p.Name] != nil {
			plan = append(plan, Change{Name: p.Name, Effect: Removed})
		}
	}
	return plan
}

// Processes returns all processes of a tree, in its order.
func (t *Tree) Processes() []*Process {
	var all []*Process
	t.Root.each(func(g *Group) {}, func(p *Process) { all = append(all, p) })
	return all
}

func (g *Group) each(group func(*Group), process func(*Process)) {
	for _, m := range g.Members {
		if m.Group != nil {
			group(m.Group)
			m.Group.each(group, process)
			continue
		}
		process(m.Process)
	}
}

// dragged returns for each process who restarts when it does.
func dragged(all []*Process) map[string][]string {
	direct := map[string][]string{}
	for _, p := range all {
		for _, d := range p.DependsOn {
			if d.Restart {
				direct[d.Name] = append(direct[d.Name], p.Name)
			}
		}
	}
	drags := map[string][]string{}
	for name := range direct {
		seen := []string{}
		for queue := slices.Clone(direct[name]); len(queue) > 0; queue = queue[1:] {
			if !slices.Contains(seen, queue[0]) {
				seen = append(seen, queue[0])
				queue = append(queue, direct[queue[0]]...)
			}
		}
		drags[name] = seen
	}
	return drags
}

// groupChanges compares the settings of the groups that both trees have.
func groupChanges(from, to *Tree) (plan []Change) {
	old := map[string]*Group{}
	from.Root.each(func(g *Group) { old[g.Name] = g }, func(*Process) {})
	to.Root.each(func(g *Group) {
		if h := old[g.Name]; h != nil && !h.Same(g) {
			plan = append(plan, Change{Name: g.Name, Effect: InPlace, IsGroup: true, Fields: differences(h.fields(), g.fields(), InPlace)})
		}
	}, func(*Process) {})
	return plan
}

// fieldChanges compares two processes key by key, and says for each whether it
// alone would take a new run.
func fieldChanges(from, to *Process) (fields []FieldChange) {
	a, b := reflect.ValueOf(from).Elem(), reflect.ValueOf(to).Elem()
	for i := range a.NumField() {
		alone := *from
		reflect.ValueOf(&alone).Elem().Field(i).Set(b.Field(i))
		effect := Anew
		if from.SameRun(&alone) {
			effect = InPlace
		}
		key := topKey(a.Type().Field(i).Name)
		fields = append(fields, differences(appendFields(nil, a.Field(i), key), appendFields(nil, b.Field(i), key), effect)...)
	}
	return fields
}

// differences compares the values of keys. A key that stands several times is
// compared as a whole.
func differences(from, to []Field, effect Effect) (fields []FieldChange) {
	a, b := joined(from), joined(to)
	for _, f := range append(slices.Clone(from), to...) {
		x, y := a[f.Key], b[f.Key]
		if x == y || slices.ContainsFunc(fields, func(c FieldChange) bool { return c.Field == f.Key }) {
			continue
		}
		if x.secret != y.secret {
			x.Value, y.Value = "", ""
		}
		fields = append(fields, FieldChange{f.Key, x.Value, y.Value, effect})
	}
	return fields
}

func joined(all []Field) map[string]Field {
	m := make(map[string]Field, len(all))
	for _, f := range all {
		if g, ok := m[f.Key]; ok && !strings.HasPrefix(f.Key, "env.") {
			f.Value, f.secret = g.Value+"; "+f.Value, g.secret+f.secret
		}
		m[f.Key] = f
	}
	return m
}
