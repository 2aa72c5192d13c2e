package config

import (
	"maps"
	"slices"
	"strings"

	"gosup/policy"
	"gosup/spec"
)

// key is one row of a table: a key that a mapping may have.
type key[T any] struct {
	name string
	kind kind
	def  string   // the default, as one would write it; "" for none
	doc  string   // one or two sentences for the reference and the schema
	aka  []string // what other tools call it; only ever a hint
	set  func(r *reader, n node, to *T)
}

// table is everything that one kind of mapping may hold.
type table[T any] struct {
	name string // of the mapping in the reference and the schema
	doc  string
	keys []key[T]
	// prefix, if not "", begins keys that are ignored.
	prefix string
}

// places tells where each key of a mapping was last given.
type places map[string]place

// read sets in to what the mapping n says, and nothing else, so that several
// mappings can be read one over the other. It notes in at where each key
// stood.
func (t *table[T]) read(r *reader, n node, to *T, at places) {
	for _, p := range r.pairs(n, form{"a mapping", "with keys such as " + t.keys[0].name}) {
		k := t.find(p.key)
		switch {
		case k != nil:
			if at != nil {
				at[k.name] = p.value.at
			}
			k.set(r, p.value, to)
		case t.prefix != "" && strings.HasPrefix(p.key, t.prefix):
		case r.first(p.at):
			r.problem(p.at, "unknown key", t.suggestion(p.key, r.tables))
		}
	}
}

// over reads the mapping n, one layer of several, over to. It returns where
// the keys of this layer stood, and notes them in at, which has those of the
// layers below.
func (t *table[T]) over(r *reader, n node, to *T, at places) places {
	layer := places{}
	t.read(r, n, to, layer)
	maps.Copy(at, layer)
	return layer
}

// first reports whether a place has not been asked about before: what several
// aliases use is read as often, and a suggestion is dear.
func (r *reader) first(at place) bool {
	at.path = ""
	if r.visited[at] {
		return false
	}
	r.visited[at] = true
	return !r.full()
}

func (t *table[T]) find(name string) *key[T] {
	for i := range t.keys {
		if t.keys[i].name == name {
			return &t.keys[i]
		}
	}
	return nil
}

// suggestion says what may have been meant by an unknown key.
func (t *table[T]) suggestion(word string, all *tables) string {
	var names []string
	for _, k := range t.keys {
		names = append(names, k.name)
	}
	if near := nearest(word, names); near != "" {
		return "did you mean " + near + "?"
	}
	for _, like := range []func(aka []string) bool{
		func(aka []string) bool { return slices.Contains(aka, strings.ToLower(word)) },
		func(aka []string) bool { return nearest(word, aka) != "" },
	} {
		for _, k := range t.keys {
			if like(k.aka) {
				return "did you mean " + k.name + "?"
			}
		}
	}
	// A right key one level too high.
	for _, k := range t.keys {
		for _, inner := range all.fields(k.kind.ref) {
			if inner.name == word {
				return "did you mean " + k.name + "." + word + "?"
			}
		}
	}
	return "known here: " + strings.Join(names, ", ")
}

// field is what a row says to people and programs, without its setter.
type field struct {
	name string
	kind kind
	def  string
	doc  string
}

func (t *table[T]) fields() []field {
	out := make([]field, len(t.keys))
	for i, k := range t.keys {
		out[i] = field{k.name, k.kind, k.def, k.doc}
	}
	return out
}

// section is a table without its type: what the schema and the reference
// need of it.
type section struct {
	name   string
	doc    string
	prefix string
	fields []field
}

func (t *table[T]) section() section {
	return section{t.name, t.doc, t.prefix, t.fields()}
}

// tables holds every table there is.
type tables struct {
	file         table[file]
	supervisor   table[supervisor]
	tls          table[spec.TLS]
	process      table[process]
	restart      table[restart]
	rule         table[rule]
	stop         table[stop]
	step         table[step]
	logs         table[logs]
	group        table[group]
	groupRestart table[restart]
	health       table[health]
	check        table[check]
	http         table[httpProbe]
	exec         table[execProbe]
	tcp          table[tcpProbe]
	heartbeat    table[spec.Heartbeat]
	onUnhealthy  table[signalled]
	readiness    table[readiness]
	need         table[need]
	dependency   table[dependency]
	breaker      table[policy.BreakerLimit]
	hooks        table[hooks]
	hook         table[hook]
	reload       table[reload]
	watch        table[watch]
	cgroup       table[spec.Cgroup]
	capabilities table[rights]
	socket       table[socket]
}

func newTables() *tables {
	t := &tables{
		file:       fileTable(),
		supervisor: supervisorTable(),
		tls:        tlsTable(),
		process:    processTable(),
		restart:    restartTable(),
		rule:       ruleTable(),
		stop:       stopTable(),
		step:       stepTable(),
		logs:       logsTable(),
		group:      groupTable(),

		check:       checkTable(),
		http:        httpTable(),
		exec:        execTable(),
		tcp:         tcpTable(),
		heartbeat:   heartbeatTable(),
		onUnhealthy: onUnhealthyTable(),
		readiness:   readinessTable(),
		need:        needTable(),
		dependency:  dependencyTable(),
		breaker:     breakerTable(),

		hooks:        hooksTable(),
		hook:         hookTable(),
		watch:        watchTable(),
		cgroup:       cgroupTable(),
		capabilities: capabilitiesTable(),
		socket:       socketTable(),
	}
	t.groupRestart = groupRestartTable(t.restart)
	t.health = healthTable(t.check)
	t.reload = reloadTable(t.hook)
	return t
}

// sections returns all tables in the order of the reference.
func (t *tables) sections() []section {
	return []section{
		t.file.section(), t.supervisor.section(), t.tls.section(), t.process.section(), t.need.section(), t.restart.section(),
		t.rule.section(), t.health.section(), t.check.section(), t.http.section(), t.exec.section(),
		t.tcp.section(), t.heartbeat.section(), t.onUnhealthy.section(), t.readiness.section(),
		t.stop.section(), t.step.section(), t.hooks.section(), t.hook.section(), t.reload.section(),
		t.socket.section(), t.watch.section(), t.cgroup.section(), t.capabilities.section(), t.logs.section(), t.group.section(), t.groupRestart.section(),
		t.dependency.section(), t.breaker.section(),
	}
}

// fields returns the rows of the table of a name; none for "".
func (t *tables) fields(name string) []field {
	if name == "" {
		return nil
	}
	for _, s := range t.sections() {
		if s.name == name {
			return s.fields
		}
	}
	return nil
}
