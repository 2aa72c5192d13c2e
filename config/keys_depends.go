package config

import (
	"slices"

	"gosup/spec"
)

// need is one entry of depends_on while it is read.
type need struct {
	name      string // as the file has it
	condition spec.Condition
	restart   bool
	at        place
}

// requirement is one entry of requires.
type requirement struct {
	name string
	at   place
}

func needTable() table[need] {
	return table[need]{
		name: "depends_on",
		doc:  "How a process depends on another. A condition may stand instead of the mapping.",
		keys: []key[need]{
			choiceKey("condition", "ready", "What the other must be before this one starts: `ready`: past its readiness; `started`;"+
				" `healthy`: its health checks passed; `completed`: a oneshot that has ended with success.",
				spec.ConditionNames(), func(d *need, i int) { d.condition = spec.Condition(i) }),
			boolKey("restart", "false", "Restart this one whenever the other is restarted.", func(d *need) *bool { return &d.restart }),
		},
	}
}

func dependsOnKind() kind {
	one := orExpanded(&subschema{AnyOf: []*subschema{{Ref: "#/$defs/depends_on"}, {Enum: spec.ConditionNames()}}})
	k := namesKind("mapping of names to a condition, or list of names", "depends_on", one, "")
	k.schema = &subschema{AnyOf: []*subschema{k.schema, {Type: types{"array"}, Items: &subschema{Type: types{"string"}}}}}
	return k
}

// dependsOn reads a depends_on: over that of a process. A mapping refines what
// a lower layer says, a list replaces it.
func (r *reader) dependsOn(n node, to *process) {
	if n.list() {
		if names, ok := r.nameList(n); ok {
			to.dependsOn = nil
			for _, v := range names {
				to.dependsOn = append(to.dependsOn, need{name: v.name, at: v.at})
			}
		}
		return
	}
	needs := slices.Clone(to.dependsOn)
	for _, p := range r.pairs(n, form{"a mapping or list of names", "such as {db: ready} or [db]"}) {
		i := slices.IndexFunc(needs, func(d need) bool { return d.name == p.key })
		if i < 0 {
			needs = append(needs, need{name: p.key})
			i = len(needs) - 1
		}
		d := &needs[i]
		d.at = p.at
		if p.value.mapping() || p.value.null() {
			r.tables.need.read(r, p.value, d, nil)
		} else if c, ok := r.choice(p.value, spec.ConditionNames()); ok {
			d.condition = spec.Condition(c)
		} else {
			needs = slices.Delete(needs, i, i+1)
		}
	}
	to.dependsOn = needs
}

func (r *reader) requires(n node, to *process) {
	if names, ok := r.nameList(n); ok {
		to.requires = names
	}
}

// nameList returns the names of a list, which has each once.
func (r *reader) nameList(n node) ([]requirement, bool) {
	items, ok := r.items(n, form{"a list of names", "such as [db]"})
	if !ok {
		return nil, false
	}
	seen := map[string]bool{}
	out := []requirement{}
	for _, item := range items {
		s, ok := r.str(item, form{"a name", "such as db"})
		if ok && seen[s] {
			r.problem(item.at, "is named twice", "remove one")
		} else if ok {
			seen[s] = true
			out = append(out, requirement{s, item.at})
		}
	}
	return out, true
}
