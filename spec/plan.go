package spec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
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
	before, after := from.processes(), to.processes()
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

// processes returns all processes of a tree, in its order.
func (t *Tree) processes() []*Process {
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
			c := Change{Name: g.Name, Effect: InPlace, IsGroup: true}
			compare(reflect.ValueOf(*h), reflect.ValueOf(*g), "", func(field, a, b string) {
				c.Fields = append(c.Fields, FieldChange{field, a, b, InPlace})
			})
			plan = append(plan, c)
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
		name := fileKey(a.Type().Field(i).Name)
		compare(a.Field(i), b.Field(i), name, func(field, x, y string) {
			fields = append(fields, FieldChange{field, x, y, effect})
		})
	}
	return fields
}

// compare reports each part in which two values differ.
func compare(a, b reflect.Value, path string, report func(field, from, to string)) {
	if reflect.DeepEqual(a.Interface(), b.Interface()) {
		return
	}
	switch {
	case path == "env":
		for _, name := range changedNames(a.Interface().([]string), b.Interface().([]string)) {
			report("env."+name, "", "")
		}
	case path == "members":
	case a.Kind() == reflect.Struct && !isText(a):
		for i := range a.NumField() {
			compare(a.Field(i), b.Field(i), join(path, fileKey(a.Type().Field(i).Name)), report)
		}
	case a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil():
		compare(a.Elem(), b.Elem(), path, report)
	default:
		report(path, text(a), text(b))
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func isText(v reflect.Value) bool {
	_, ok := v.Interface().(fmt.Stringer)
	return ok
}

// text writes a value of a definition for people.
func text(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String()
	case fmt.Stringer:
		return x.String()
	case []string:
		return strings.Join(x, " ")
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "none"
		}
		return text(v.Elem())
	}
	return fmt.Sprint(v.Interface())
}

// changedNames returns the names of the variables that differ.
func changedNames(from, to []string) (names []string) {
	a, b := variables(from), variables(to)
	for _, kv := range append(slices.Clone(from), to...) {
		name, _, _ := strings.Cut(kv, "=")
		x, inA := a[name]
		y, inB := b[name]
		if (inA != inB || x != y) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func variables(env []string) map[string]string {
	m := make(map[string]string, len(env))
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		m[name] = value
	}
	return m
}

// fileKeys are the names of fields in configuration files, where they are not
// the same in other letters.
var fileKeys = map[string]string{
	"Argv": "command", "Dir": "directory", "SuccessCodes": "success_exit_codes", "MaxSizeBytes": "max_size",
	"StderrFile": "stderr_file", "OnExit": "on_exit", "BlockOnFull": "on_full", "DependsOn": "depends_on",
	"CleanEnv": "clean_env", "Checks": "health", "Curve": "strategy", "Initial": "initial_delay",
	"MaxFiles": "max_files", "MaxAge": "max_age", "ConsoleFormat": "console_format",
	"ReloadSignal": "reload.signal", "OnExhausted": "on_exhausted",
}

func fileKey(field string) string {
	if key, ok := fileKeys[field]; ok {
		return key
	}
	return strings.ToLower(field)
}
