package config

import (
	"maps"
	"slices"
	"strings"
	"time"

	"gosup/spec"
)

// hooks are the hooks of a process while they are read, by their moment; nil
// for none. Each is replaced, never changed in place.
type hooks [len(spec.Hooks{})]*hook

// hook is one of them.
type hook struct {
	commands []command
	timeout  time.Duration
	ignore   bool
	place    place // where it was given last
	at       places
}

// reload is the reload: of a process while it is read.
type reload struct {
	hook
	kind   string // signal or command; "" for none
	signal int
}

func hooksTable() table[hooks] {
	docs := [...]string{
		spec.PreStart:  "Before each start.",
		spec.PostStart: "Once it is ready.",
		spec.PreStop:   "Before the first signal of every stop that gosup orders: by a person, for a group, for its health.",
		spec.PostStop:  "After every end, crash or not, and after a start that failed.",
	}
	var keys []key[hooks]
	for m, doc := range docs {
		keys = append(keys, key[hooks]{
			name: spec.Moment(m).String(), kind: orWords("hook", "none"), doc: doc,
			set: func(r *reader, n node, to *hooks) { r.hook(n, spec.Moment(m), to) },
		})
	}
	return table[hooks]{
		name: "hooks",
		doc: "Commands that run before and after a process, as its user, in its directory and environment, with `$GOSUP_HOOK`," +
			" `$GOSUP_EXIT_CODE`, `$GOSUP_EXIT_SIGNAL`, `$GOSUP_EXIT_REASON` and `$GOSUP_PID` besides.",
		keys: keys,
	}
}

func hookTable() table[hook] {
	return table[hook]{
		name: "hook",
		doc:  "One hook. The word `none` may stand instead of the mapping: no hook, whatever `defaults` say.",
		keys: []key[hook]{
			{
				name: "command", kind: commandsKind(), aka: []string{"cmd", "exec", "run", "args"},
				doc: "What to run, as the `command` of a process; a list of lists is several, in this order, each only after success" +
					" of the one before. No shell is run.",
				set: func(r *reader, n node, to *hook) { to.commands = r.commands(n) },
			},
			periodKey("timeout", "10s", "How long all of it may take; what runs then is killed, and the hook has failed.", time.Millisecond,
				func(h *hook) *time.Duration { return &h.timeout }),
			choiceKey("on_failure", "", "What follows if it fails: `abort`: the start has failed, as if the process had; `ignore`: it is noted."+
				" The default of `pre_start` and `post_start` is `abort`; the others cannot call off a stop: theirs is `ignore`.",
				[]string{"abort", "ignore"}, func(h *hook, i int) { h.ignore = i == 1 }),
		},
	}
}

func reloadTable(t table[hook]) table[reload] {
	own := slices.DeleteFunc(slices.Clone(t.keys), func(k key[hook]) bool { return k.name == "on_failure" })
	keys := lift(own, func(l *reload) *hook { return &l.hook })
	return table[reload]{
		name: "reload",
		doc:  "What makes a process reload itself: a signal, or a command that runs as its hooks do.",
		keys: append([]key[reload]{
			signalKey("signal", "", "The signal that it is sent.", func(l *reload) *int { return &l.signal }),
		}, keys...),
	}
}

func commandsKind() kind {
	k := commandKind()
	one := 1
	several := &subschema{Type: types{"array"}, MinItems: &one, Items: &subschema{
		Type: types{"array"}, Items: wordSchema(), MinItems: &one,
	}}
	k.text = "list, string or list of lists"
	k.schema = &subschema{AnyOf: append(slices.Clone(k.schema.AnyOf), several)}
	return k
}

// commands returns the one command that n is, or those of a list of lists.
func (r *reader) commands(n node) []command {
	if !n.list() || len(n.y.Content) == 0 || !r.node(n.y.Content[0], n.at).list() {
		return []command{r.command(n)}
	}
	var out []command
	items, _ := r.items(n, form{"a list of commands", "such as [[bin/a], [bin/b]]"})
	for _, item := range items {
		if item.list() {
			out = append(out, r.command(item))
		} else {
			r.wrong(item, form{"a command", "in a list of lists, each command is a list"})
		}
	}
	return out
}

// hook reads one hook over that of a process.
func (r *reader) hook(n node, m spec.Moment, to *hooks) {
	if word, ok := r.word(n, "none"); !ok || word == "none" {
		to[m] = nil
		return
	}
	h := hook{timeout: 10 * time.Second, ignore: m != spec.PreStart && m != spec.PostStart, at: places{}}
	if to[m] != nil {
		h = to[m].clone()
	}
	h.place = n.at
	r.tables.hook.over(r, n, &h, h.at)
	to[m] = &h
}

// hooks returns the hooks of a process.
func (b *builder) hooks(d *process, p pair) (out spec.Hooks) {
	for m, h := range d.hooks {
		if h == nil {
			continue
		}
		out[m] = b.hook(h, p)
		stopping := spec.Moment(m) == spec.PreStop || spec.Moment(m) == spec.PostStop
		if at, ok := own(h.at, "on_failure", p.at.path); ok && stopping && !h.ignore {
			b.r.warning(at, "has no effect on a stop, which goes on", "remove it")
		}
	}
	return out
}

// hook returns one hook; nil where only the defaults begin one.
func (b *builder) hook(h *hook, p pair) *spec.Hook {
	if _, ok := h.at["command"]; !ok {
		if strings.HasPrefix(h.place.path, p.at.path) {
			b.r.required(h.at, "command", h.place, "such as command: [bin/prepare]")
		}
		return nil
	}
	out := &spec.Hook{Timeout: h.timeout, MayFail: h.ignore}
	for _, c := range h.commands {
		out.Commands = append(out.Commands, b.r.words(c, shellHint))
	}
	return out
}

// reload reads a reload: over that of a process.
func (r *reader) reload(n node, to *process) {
	if word, ok := r.word(n, "none"); !ok || word == "none" {
		to.reload = nil
		return
	}
	l := reload{hook: hook{timeout: 10 * time.Second, ignore: true, at: places{}}}
	if to.reload != nil {
		l = *to.reload
		l.hook = l.hook.clone()
	}
	l.place = n.at
	layer := r.tables.reload.over(r, n, &l, l.at)
	l.kind = r.choose([]string{"signal", "command"}, layer, l.kind, "keep one")
	to.reload = &l
}

// reload returns what makes a process reload itself: a signal, a command, or
// neither.
func (b *builder) reload(d *process, p pair) (signal int, h *spec.Hook) {
	l := d.reload
	switch {
	case l == nil:
	case l.kind == "signal":
		if at, ok := own(l.at, "timeout", p.at.path); ok {
			b.r.warning(at, "has no effect on a signal", "remove it")
		}
		return l.signal, nil
	case l.kind == "command":
		return 0, b.hook(&l.hook, p)
	case strings.HasPrefix(l.place.path, p.at.path):
		b.r.problem(l.place, "does not say by what", "give it signal or command")
	}
	return 0, nil
}

// clone returns a copy that another layer can be read over.
func (h hook) clone() hook {
	h.at = maps.Clone(h.at)
	return h
}
