package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"gosup/policy"
	"gosup/spec"
)

// builder makes the tree of what was read.
type builder struct {
	r       *reader
	file    *file
	sup     spec.Supervisor
	grounds map[int]*ground // by instance
	names   map[string]place
	files   map[string]string // the process that writes each log file

	addresses map[string]string // the process that listens on each
	count     int               // processes
	spent     int               // of maxValues

	supplies map[string]place // the dependencies
	waiting  []waiting        // processes that name others
}

// build makes the tree of the main file and the members of all files.
func (r *reader) build(f *file, main *source) *spec.Tree {
	b := &builder{r: r, file: f, grounds: map[int]*ground{}, names: map[string]place{}, files: map[string]string{}, addresses: map[string]string{}}
	b.sup = r.supervisor(f.supervisor, main)
	b.ground(1)
	t := &spec.Tree{Supervisor: b.sup}
	t.Dependencies = b.dependencies(f.supplies)
	t.Root.Members = b.members(f.members, "", policy.OneForOne)
	b.link(t)
	if b.count == 0 && !r.failed() {
		r.problem(place{src: main, line: 1, col: 1, path: "processes"}, "names no process", emptyHint)
	}
	return t
}

// members makes the members of a group with the full name prefix, which ends
// in a slash unless it is empty.
func (b *builder) members(list []members, prefix string, strategy policy.Strategy) []spec.Member {
	var out []spec.Member
	for _, m := range list {
		for _, p := range b.r.pairs(m.n, form{"a mapping of names", "such as {web: {command: [bin/web]}}"}) {
			if !b.claim(p, prefix) {
				continue
			}
			name := prefix + p.key
			if m.groups {
				out = append(out, spec.Member{Group: b.group(name, p)})
			} else {
				for _, one := range b.process(name, prefix, p, strategy) {
					out = append(out, spec.Member{Process: one})
				}
			}
		}
	}
	return out
}

// claim reports whether a name is valid and still free.
func (b *builder) claim(p pair, prefix string) bool {
	if what, hint := badName(p.key); what != "" {
		b.r.problem(p.at, what, hint)
		return false
	}
	name := prefix + p.key
	if len(name) > maxFullNameBytes {
		b.r.problem(p.at, fmt.Sprintf("has a full name of %d bytes", len(name)),
			fmt.Sprintf("at most %d with its groups", maxFullNameBytes))
		return false
	}
	if first, taken := b.names[name]; taken {
		b.r.problem(p.at, "is defined twice", fmt.Sprintf("first at %s:%d; rename or remove one", first.src.name, first.line))
		return false
	}
	b.names[name] = p.at
	return true
}

func (b *builder) group(name string, p pair) *spec.Group {
	g := group{at: places{}}
	failedBefore := len(b.r.found)
	b.r.tables.group.read(b.r, p.value, &g, g.at)
	out := &spec.Group{Name: name, Strategy: g.strategy, OnExhausted: g.onExhausted}
	if g.restart != nil {
		s := g.restart.spec()
		out.Restart = &s
		b.checkEffect(g.restart, p.at.path)
		b.checkReach(g.restart, p.at)
	}
	out.Members = b.members(g.members, name+"/", g.strategy)
	if len(out.Members) == 0 && len(b.r.found) == failedBefore {
		b.r.problem(p.at, "is an empty group", "give it processes or groups, or remove it")
	}
	return out
}

// one makes one process of what was read.
func (b *builder) one(name, prefix string, d *process, p pair, strategy policy.Strategy) *spec.Process {
	b.count++
	out := b.spec(name, d, p)
	b.checkStop(d, out, p)
	b.checkEffect(&d.restart, p.at.path)
	b.checkReach(&d.restart, p.at)
	b.checkOnExit(&d.restart, p.at.path)
	b.checkOrdered(&d.restart, p.at.path, strategy)
	if len(d.dependsOn)+len(d.requires) > 0 {
		b.waiting = append(b.waiting, waiting{out, prefix, p.at, d.dependsOn, d.requires})
	}
	return out
}

// spec resolves what depends on the name, the file and other keys.
func (b *builder) spec(name string, d *process, p pair) *spec.Process {
	out := &spec.Process{
		Name: name, Description: d.description, Type: d.kind, Autostart: d.autostart, Essential: d.essential,
		Dir: d.directory, CleanEnv: d.cleanEnv, Rights: b.r.rights(&d.rights), Hooks: b.hooks(d, p),
		Restart: d.restart.spec(), Stop: d.stop.spec(), Logs: d.logs.Logs,
		Checks: b.checks(d, p), Readiness: b.readiness(d, p), Cgroup: d.cgroup,
	}
	if d.command.at.src != nil {
		out.Argv = b.r.argv(d)
	} else if p.value.mapping() || p.value.null() {
		b.r.problem(p.at.key("command"), "is missing", "such as command: [bin/"+p.key+"]")
	}
	if out.Dir == "" {
		out.Dir = p.at.src.dir
	}
	out.ReloadSignal, out.Hooks[spec.OnReload] = b.reload(d, p)
	out.Watch = b.watch(d, p)
	out.Sockets = b.sockets(name, d, p, out.Rights.User)
	out.StartOnConnection = d.onConnection && len(out.Sockets) > 0
	for _, v := range overlay(overlay(d.fileEnv, b.r.variables(d.envFiles)), d.env) {
		out.Env = append(out.Env, v.entry)
	}
	if out.Logs.File == "" {
		out.Logs.File = logFile(b.sup, name)
	}
	b.claimLog(out.Logs.File, name, d.logs.at, "file", p)
	if out.Logs.StderrFile != "" {
		b.claimLog(out.Logs.StderrFile, name, d.logs.at, "stderr_file", p)
	}
	return out
}

// logFile returns the log of a process that names none.
func logFile(sup spec.Supervisor, name string) string {
	return filepath.Join(sup.LogDir, filepath.FromSlash(name)+".log")
}

// claimLog refuses a log file that is written by another process: each would
// rotate it under the other.
func (b *builder) claimLog(path, name string, at places, key string, p pair) {
	where, ok := at[key]
	if !ok {
		where = p.at.key("logs").key(key)
	}
	switch owner, taken := b.files[path]; {
	case !taken:
		b.files[path] = name
	case owner == name:
		b.r.problem(where, "is the same file twice", "leave stderr_file out to have both streams in one file")
	case instanceOf(owner) == instanceOf(name):
		b.r.problem(where, "is the same file for all instances", "put ${"+instanceVariable+"} into it")
	default:
		where.path = p.at.key("logs").key(key).path
		b.r.problem(where, "is the log of "+owner+" already", "give each process a file of its own")
	}
}

// own reports where a key was given by the process or group at path itself,
// not by the defaults.
func own(at places, key, path string) (place, bool) {
	where, ok := at[key]
	return where, ok && (path == "" || strings.HasPrefix(where.path, path+"."))
}

// checkStop warns of a stop that a shutdown cuts short.
func (b *builder) checkStop(d *process, out *spec.Process, p pair) {
	var sum time.Duration
	for _, s := range out.Stop.Steps {
		sum += min(s.Wait, 1<<61)
		sum = min(sum, 1<<61)
	}
	if sum <= b.sup.ShutdownTimeout {
		return
	}
	for _, key := range []string{"timeout", "signals"} {
		if at, ok := own(d.stop.at, key, p.at.path); ok {
			b.r.warning(at, "takes up to "+short(sum)+", longer than supervisor.shutdown_timeout ("+
				short(b.sup.ShutdownTimeout)+")", "at a shutdown it is killed sooner; raise shutdown_timeout")
		}
	}
}

// checkEffect warns of keys that the strategy does not use.
func (b *builder) checkEffect(t *restart, path string) {
	uses := map[string]bool{
		"delay":         t.curve == policy.Delayed,
		"initial_delay": t.curve == policy.Exponential,
		"max_delay":     t.curve == policy.Exponential,
		"multiplier":    t.curve == policy.Exponential,
		"jitter":        t.curve != policy.Immediate,
	}
	for _, k := range b.r.tables.restart.keys {
		used, known := uses[k.name]
		if at, ok := own(t.at, k.name, path); known && ok && !used {
			b.r.warning(at, "has no effect with strategy "+t.curve.String(), "remove it, or choose another strategy")
		}
	}
}

// checkReach warns of a budget that is never spent, and of none at all.
func (b *builder) checkReach(t *restart, at place) {
	if t.policy == policy.Not {
		return
	}
	for _, key := range []string{"max_restarts", "within_clock", "within", "strategy"} {
		if where, ok := own(t.at, key, at.path); ok {
			at = where
			break
		}
	}
	switch {
	case t.limit.Max == policy.Unlimited && t.spec().Backoff == policy.Backoff{}:
		b.r.warning(at, "restarts without delay and without limit", "a process that cannot start then spins; set a strategy with a delay, or a limit")
	case t.limit.Max > 0 && t.limit.Clock == policy.Wall && !t.reachable():
		b.r.warning(at, fmt.Sprintf("is never spent: the delays of %d restarts add up to %s or more, and within_clock is wall",
			t.limit.Max, short(t.limit.Within)), "raise within, lower the delays, or use within_clock: running")
	}
}

// reachable reports whether a process that crashes at once spends a budget of
// wall time. Delays only grow, so if the first restarts do not fill the window
// no later ones do.
func (t *restart) reachable() bool {
	delays := t.spec().Backoff
	var sum time.Duration
	for n := 1; n <= t.limit.Max; n++ {
		sum += delays.Delay(n)
		if sum >= t.limit.Within {
			return false
		}
	}
	return true
}

// checkOnExit warns of rules for what is no failure.
func (b *builder) checkOnExit(t *restart, path string) {
	at, ok := own(t.at, "on_exit", path)
	if !ok {
		return
	}
	s := t.spec()
	for _, code := range s.SuccessCodes {
		for _, rule := range s.OnExit {
			if rule.Class == fmt.Sprint(code) {
				b.r.warning(at.key(rule.Class), "is never used: it is a success exit code", "remove it, or take it out of success_exit_codes")
			}
		}
	}
}

// checkOrdered warns of a budget and delays of its own in a group where the
// group's are the only ones.
func (b *builder) checkOrdered(t *restart, path string, strategy policy.Strategy) {
	if !strategy.Ordered() {
		return
	}
	keys := []string{
		"strategy", "delay", "initial_delay", "max_delay", "multiplier", "jitter",
		"max_restarts", "within", "within_clock", "on_exhausted",
	}
	for _, key := range keys {
		if at, ok := own(t.at, key, path); ok {
			b.r.warning(at, "has no effect in a "+strategy.String()+" group", "set it in the restart of the group")
		}
	}
}
