package config

import (
	"maps"
	"strings"

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
	essential   bool
	instances   int
	directory   string // absolute; "" for the folder of the process's file
	env         []variable
	envFiles    []envFile
	cleanEnv    bool
	fileEnv     []variable // of the file, below all of these
	rights      rights
	dependsOn   []need
	requires    []requirement
	restart     restart
	health      *health    // nil for none; replaced, never changed in place
	readiness   *readiness // likewise
	stop        stop
	hooks       hooks
	reload      *reload // nil for none; replaced, never changed in place
	watch       *watch  // likewise
	logs        logs
	cgroup      spec.Cgroup
	sockets     []socket // each name once
	at          places

	onConnection bool
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
		autostart: true, instances: 1, restart: production(), stop: defaultStop(), logs: defaultLogs(),
		at: places{},
	}
}

func processTable() table[process] {
	words := []string{spec.Service.String(), spec.Oneshot.String()}
	return table[process]{
		name: "process",
		doc:  "One process to supervise. The same keys in `defaults` hold for every process that does not say otherwise.",
		keys: append([]key[process]{
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
			boolKey("essential", "false", "When it ends for good, gosup stops everything and exits with its code.",
				func(p *process) *bool { return &p.essential }),
			{
				name: "instances", kind: intKind(1, maxInstances), def: "1", aka: []string{"numprocs", "replicas", "scale", "count"},
				doc: "How many of it run. From 2 on they are named `web@1`, `web@2` and so on, and `web` means them all." +
					" `${GOSUP_INSTANCE}` in its strings is the number of each, also with 1.",
				set: func(r *reader, n node, to *process) {
					if v, ok := r.integer(n, 1, maxInstances); ok {
						to.instances = v
					}
				},
			},
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
				name: "hooks", kind: mappingKind("hooks"), aka: []string{"hook", "lifecycle", "execstartpre", "execstartpost", "execstoppost"},
				doc: "What runs before and after it.",
				set: func(r *reader, n node, to *process) { r.tables.hooks.read(r, n, &to.hooks, nil) },
			},
			{
				name: "reload", kind: orWords("reload", "none"), aka: []string{"execreload"},
				doc: "What `gosup ctl reload NAME` does: without it, nothing.",
				set: func(r *reader, n node, to *process) { r.reload(n, to) },
			},
			{
				name: "watch", kind: orWords("watch", "none"), aka: []string{"watchfiles", "reload_on_change", "develop"},
				doc: "Files that make it restart or reload when they change.",
				set: func(r *reader, n node, to *process) { r.watch(n, to) },
			},
			{
				name: "cgroup", kind: mappingKind("cgroup"), aka: []string{"resources", "cgroups", "deploy"},
				doc: "What it, with all that it starts, may use. Needs a cgroup v2 that was delegated to gosup, with the controllers;" +
					" elsewhere it does not start.",
				set: func(r *reader, n node, to *process) { r.tables.cgroup.read(r, n, &to.cgroup, nil) },
			},
			{
				name: "logs", kind: mappingKind("logs"), aka: []string{"logging", "log", "stdout_logfile", "log_location"},
				doc: "What becomes of its output.",
				set: func(r *reader, n node, to *process) { r.tables.logs.read(r, n, &to.logs, to.logs.at) },
			},
		}, append(socketKeys(), rightsKeys()...)...),
	}
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
