package config

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/kballard/go-shellquote"

	"gosup/spec"
)

// process is a process while it is read: first the defaults, then the
// process's own keys over them.
type process struct {
	command     command
	shell       bool
	description string
	kind        spec.Type
	autostart   bool
	directory   string // absolute; "" for the folder of the process's file
	env         []variable
	envFiles    []envFile
	cleanEnv    bool
	dependsOn   []need
	requires    []requirement
	restart     restart
	health      *health    // nil for none; replaced, never changed in place
	readiness   *readiness // likewise
	stop        stop
	logs        logs
	at          places
}

// command is what to run, as the file has it.
type command struct {
	words []string // of a list
	line  string   // of a string
	list  bool
	wrong bool  // and that has been said
	at    place // its src is nil if there is none
}

// variable is one of an environment. Its entry, NAME=value, is shared by all
// processes that have it.
type variable struct{ name, entry string }

// envFile is one entry of env_files.
type envFile struct {
	path     string // absolute
	shown    string // as it is named in messages
	optional bool
	at       place
}

func defaultProcess() process {
	return process{
		autostart: true, restart: production(), stop: defaultStop(), logs: defaultLogs(),
		at: places{},
	}
}

func processTable() table[process] {
	words := []string{spec.Service.String(), spec.Oneshot.String()}
	return table[process]{
		name: "process",
		doc:  "One process to supervise. The same keys in `defaults` hold for every process that does not say otherwise.",
		keys: []key[process]{
			{
				name: "command", kind: commandKind(), aka: []string{"cmd", "exec", "execstart", "args", "argv", "run"},
				doc: "What to run. A list is the program and its arguments; a string is split into words as a POSIX" +
					" shell would, with no shell run.",
				set: func(r *reader, n node, to *process) { to.command = r.command(n) },
			},
			boolKey("shell", "false", "Run the command, a string then, by `/bin/sh -c`.", func(p *process) *bool { return &p.shell }),
			stringKey("description", "", "What the process is, for people.", func(p *process) *string { return &p.description }),
			choiceKey("type", "service", "`service`: is meant to run for ever. `oneshot`: is meant to end, and its success is final.",
				words, func(p *process, i int) { p.kind = spec.Type(i) }),
			boolKey("autostart", "true", "Start it with gosup.", func(p *process) *bool { return &p.autostart }),
			{
				name: "directory", kind: stringKind("path"), def: ".",
				aka: []string{"cwd", "working_dir", "workingdirectory", "workdir", "dir", "chdir"},
				doc: "The folder it runs in, relative to the folder of the file.",
				set: func(r *reader, n node, to *process) {
					if v, ok := r.path(n); ok {
						to.directory = v
					}
				},
			},
			{
				name: "env", kind: envKind(), def: "{}", aka: []string{"environment", "environ", "variables"},
				doc: "Environment variables. They win over those of `env_files` and over the file's own `env`.",
				set: func(r *reader, n node, to *process) { to.env = r.env(n, to.env) },
			},
			{
				name: "env_files", kind: listKind("list of paths", &subschema{Type: types{"string"}}), def: "[]",
				aka: []string{"env_file", "environmentfile", "dotenv"},
				doc: "Files of KEY=value lines. A missing one is an error unless it is written with a ? before it; the later wins.",
				set: func(r *reader, n node, to *process) {
					if v, ok := r.envFileList(n); ok {
						to.envFiles = v
					}
				},
			},
			boolKey("clean_env", "false", "Inherit no variable from gosup's environment but PATH.",
				func(p *process) *bool { return &p.cleanEnv }),
			{
				name: "depends_on", kind: dependsOnKind(), def: "{}", aka: []string{"after", "depends", "wants", "needs"},
				doc: "The processes that it waits for before it starts, by name, each with the condition, or a list of names: `ready`." +
					" A name is looked for in its own group first. That of a group or of what has instances means all in it; globs" +
					" and a base name that is unique work too. It is stopped before them.",
				set: func(r *reader, n node, to *process) { r.dependsOn(n, to) },
			},
			{
				name: "requires", kind: listKind("list of names", &subschema{Type: types{"string"}}), def: "[]",
				aka: []string{"dependencies", "require"},
				doc: "The `dependencies` whose circuit breakers must be closed before it starts.",
				set: func(r *reader, n node, to *process) { r.requires(n, to) },
			},
			{
				name: "restart", kind: restartKind("restart", presetNames()), def: "production",
				aka: []string{"autorestart", "restart_policy", "backoff"},
				doc: "When, how fast and how often it is restarted.",
				set: func(r *reader, n node, to *process) { r.restart(n, &r.tables.restart, presetNames(), &to.restart) },
			},
			{
				name: "health", kind: orWords("health", "none"), aka: []string{"healthcheck", "health_check", "liveness", "livenessprobe", "probe"},
				doc: "How gosup finds out how it is, and what follows.",
				set: func(r *reader, n node, to *process) { r.health(n, to) },
			},
			{
				name: "readiness", kind: orWords("readiness", "notify", "none"), aka: []string{"ready", "readinessprobe", "startup", "startsecs"},
				doc: "When it counts as running, and those that depend on it may start. Without it: at once.",
				set: func(r *reader, n node, to *process) { r.readiness(n, to) },
			},
			{
				name: "stop", kind: mappingKind("stop"), aka: []string{"shutdown", "stopsignal", "stop_signal", "killsignal"},
				doc: "How it is stopped.",
				set: func(r *reader, n node, to *process) { r.stop(n, &to.stop) },
			},
			{
				name: "logs", kind: mappingKind("logs"), aka: []string{"logging", "log", "stdout_logfile", "log_location"},
				doc: "What becomes of its output.",
				set: func(r *reader, n node, to *process) { r.tables.logs.read(r, n, &to.logs, to.logs.at) },
			},
		},
	}
}

func commandKind() kind {
	one := 1
	return kind{text: "list or string", schema: &subschema{AnyOf: []*subschema{
		{Type: types{"string"}},
		{Type: types{"array"}, Items: wordSchema(), MinItems: &one},
	}}}
}

// command reads a command: of a process or of what runs for it.
func (r *reader) command(n node) command {
	f := form{"a command", "a list such as [bin/web, --port, \"8080\"], or a string"}
	c := command{at: n.at}
	if n.list() {
		items, _ := r.items(n, f)
		c.list = true
		for _, item := range items {
			w, ok := r.text(item)
			c.wrong = c.wrong || !ok
			c.words = append(c.words, w)
		}
	} else {
		s, ok := r.str(n, f)
		c.line, c.wrong = s, !ok
	}
	return c
}

// argv returns the words of a process's command, or records why it has none.
func (r *reader) argv(p *process) []string {
	c := p.command
	switch {
	case !p.shell || c.wrong:
		return r.words(c, "set shell: true")
	case c.list:
		r.problem(c.at, "is a list, and with shell: true it must be a string", "write it as a string, or shell: false")
		return nil
	case strings.TrimSpace(c.line) == "":
		r.problem(c.at, "names no program", "such as bin/web --port 8080")
		return nil
	}
	return []string{"/bin/sh", "-c", c.line}
}

// words returns the words of a command that no shell runs, or records why it
// has none. The hint is how a shell is had.
func (r *reader) words(c command, hint string) []string {
	var words []string
	var err error
	switch {
	case c.wrong:
		return nil
	case c.list:
		words = c.words
	default:
		words, err = shellquote.Split(c.line)
	}
	switch {
	case errors.Is(err, shellquote.UnterminatedEscapeError):
		r.problem(c.at, "ends in a backslash", "remove it, or write two")
		return nil
	case err != nil:
		r.problem(c.at, "has a quote that is not closed", "close it, or write the command as a list")
		return nil
	case len(words) == 0 || words[0] == "":
		such := "such as bin/web --port 8080"
		if c.list {
			such = `such as [bin/web, --port, "8080"]`
		}
		r.problem(c.at, "names no program", such)
		return nil
	case c.list:
		return words
	}
	for _, w := range words {
		if slices.Contains([]string{"|", "||", "&&", "&", ";", ">", ">>", "<", "2>&1", "2>"}, w) {
			r.warning(c.at, "has the word "+w+", which only a shell understands, and none is run", hint)
			break
		}
	}
	return words
}

func envKind() kind {
	return namesKind("mapping of names to values", "", wordSchema(), "^[^=]+$")
}

// env returns the variables of base with those of the mapping n over them.
func (r *reader) env(n node, base []variable) []variable {
	var own []variable
	for _, p := range r.pairs(n, form{"a mapping of variables", "such as {TZ: UTC}"}) {
		if p.key == "" || strings.ContainsAny(p.key, "=\x00") {
			r.problem(p.at, "is no name of a variable", "a name is not empty and holds no =")
			continue
		}
		if v, ok := r.text(p.value); ok {
			own = append(own, variable{p.key, p.key + "=" + v})
		}
	}
	return overlay(base, own)
}

// overlay returns base and top in this order, each name once: where both
// have one, top's. Neither has a name twice.
func overlay(base, top []variable) []variable {
	if len(base) == 0 {
		return top
	}
	over := make(map[string]bool, len(top))
	for _, v := range top {
		over[v.name] = true
	}
	var out []variable
	for _, v := range base {
		if !over[v.name] {
			out = append(out, v)
		}
	}
	return append(out, top...)
}

// clone returns a copy that another layer can be read over.
func (p process) clone() process {
	p.restart, p.stop, p.logs = p.restart.clone(), p.stop.clone(), p.logs.clone()
	p.at = maps.Clone(p.at)
	return p // its slices are replaced, never changed in place
}
