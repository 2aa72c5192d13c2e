package config

// file is a whole file while it is read. Included files add their members to
// that of the main file, where the include stands.
type file struct {
	supervisor *node
	defaults   *node
	env        *node
	envFiles   *node
	supplies   []node // dependencies:
	members    []members
}

func fileTable() table[file] {
	return table[file]{
		name:   "file",
		doc:    "The file itself. Keys that begin with `x-` are ignored: a place for anchors.",
		prefix: "x-",
		keys: []key[file]{
			{
				name: "supervisor", kind: mappingKind("supervisor"), aka: []string{"supervisord", "daemon", "gosup"},
				doc: "The daemon's own settings.",
				set: func(r *reader, n node, to *file) {
					if r.mainOnly(n) {
						to.supervisor = &n
					}
				},
			},
			{
				name: "include", kind: listKind("list of globs", &subschema{Type: types{"string"}}), def: "[]",
				doc: "Further files with processes, groups and dependencies, relative to this one; what a glob matches is read in the order" +
					" of the names, where the include stands. They may include others, and have no supervisor, env, env_files" +
					" and defaults of their own: the main file's hold for them.",
				set: func(r *reader, n node, to *file) { r.include(n, to) },
			},
			{
				name: "env", kind: envKind(), def: "{}", aka: []string{"environment"},
				doc: "Environment variables of all processes.",
				set: func(r *reader, n node, to *file) {
					if r.mainOnly(n) {
						to.env = &n
					}
				},
			},
			{
				name: "env_files", kind: listKind("list of paths", &subschema{Type: types{"string"}}), def: "[]",
				aka: []string{"env_file"},
				doc: "Files of KEY=value lines for all processes. A missing one is an error unless it is written with a ? before it." +
					" The later wins: env_files, env, the process's env_files, the process's env.",
				set: func(r *reader, n node, to *file) {
					if r.mainOnly(n) {
						to.envFiles = &n
					}
				},
			},
			{
				name: "defaults", kind: mappingKind("process"), doc: "Keys of a process that hold for all; merged below each" +
					" process, mappings deeply, lists whole.",
				set: func(r *reader, n node, to *file) {
					if r.mainOnly(n) {
						to.defaults = &n
					}
				},
			},
			{
				name: "dependencies", kind: namesKind("mapping of names to a dependency", "dependency",
					&subschema{Ref: "#/$defs/dependency"}, namePattern),
				doc: "What processes can require of the world outside, by name.",
				set: func(_ *reader, n node, to *file) { to.supplies = append(to.supplies, n) },
			},
			{
				name: "groups", kind: membersKind("group"), doc: "Groups by name, in the order of start.",
				set: func(_ *reader, n node, to *file) { to.members = append(to.members, members{groups: true, n: n}) },
			},
			{
				name: "processes", kind: membersKind("process"), aka: []string{"services", "programs", "program", "apps", "tasks"},
				doc: "Processes by name, in the order of start.",
				set: func(_ *reader, n node, to *file) { to.members = append(to.members, members{n: n}) },
			},
		},
	}
}

// mainOnly refuses in an included file what is the main file's to say.
func (r *reader) mainOnly(n node) bool {
	if n.at.src.main {
		return true
	}
	r.problem(n.at, "is not allowed in an included file", "move it to "+r.sources[0].name)
	return false
}
