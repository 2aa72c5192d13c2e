package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/policy"
	"gosup/spec"
)

// parse returns the tree of a text that must be right, named as if it lay in
// /srv/app.
func parse(t *testing.T, text string) *spec.Tree {
	t.Helper()
	tree, problems := Parse("/srv/app/gosup.yaml", []byte(text), testOptions())
	if tree == nil {
		t.Fatalf("refused:\n%v\n%s", problems, text)
	}
	checkTree(t, tree)
	return tree
}

// processes returns the processes of a tree in its order.
func processes(g *spec.Group) []*spec.Process {
	var out []*spec.Process
	for _, m := range g.Members {
		if m.Process != nil {
			out = append(out, m.Process)
		} else {
			out = append(out, processes(m.Group)...)
		}
	}
	return out
}

// one returns the process of a name.
func one(t *testing.T, tree *spec.Tree, name string) *spec.Process {
	t.Helper()
	for _, p := range processes(&tree.Root) {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("no process %s", name)
	return nil
}

// checkTree checks what every tree promises.
func checkTree(t *testing.T, tree *spec.Tree) {
	t.Helper()
	check := func(ok bool, what string, args ...any) {
		t.Helper()
		if !ok {
			t.Errorf(what, args...)
		}
	}
	s := tree.Supervisor
	for _, path := range []string{s.RuntimeDir, s.StateDir, s.LogDir, s.Socket} {
		check(filepath.IsAbs(path), "path %q", path)
	}
	all := processes(&tree.Root)
	check(len(all) > 0, "no processes")
	seen := map[string]bool{}
	for _, p := range all {
		check(!seen[p.Name], "two of %s", p.Name)
		seen[p.Name] = true
	}
	supplies := map[string]bool{}
	for _, d := range tree.Dependencies {
		supplies[d.Name] = true
		probed := d.Probe != spec.Probe{}
		check(!probed || d.Timeout > 0 && d.Timeout <= d.Interval, "%s: times %+v", d.Name, d)
		check(d.Breaker.Failures > 0 && d.Breaker.Recovery > 0 && d.Breaker.HalfOpenFailures > 0, "%s: breaker %+v", d.Name, d)
	}
	for _, p := range all {
		for i, d := range p.DependsOn {
			check(seen[d.Name] && d.Name != p.Name, "%s: depends on %q", p.Name, d.Name)
			for _, e := range p.DependsOn[:i] {
				check(e.Name != d.Name, "%s: depends on %q twice", p.Name, d.Name)
			}
		}
		for _, name := range p.Requires {
			check(supplies[name], "%s: requires %q", p.Name, name)
		}
		check(len(p.Argv) > 0 && p.Argv[0] != "", "%s: argv %q", p.Name, p.Argv)
		check(filepath.IsAbs(p.Dir) && filepath.IsAbs(p.Logs.File), "%s: dir %q, log %q", p.Name, p.Dir, p.Logs.File)
		check(len(p.Stop.Steps) > 0, "%s: no stop", p.Name)
		for _, step := range p.Stop.Steps {
			check(step.Signal > 0 && step.Wait >= 0, "%s: step %+v", p.Name, step)
		}
		b, l := p.Restart.Backoff, p.Restart.Limit
		check(l.Within > 0 && l.Max >= policy.Unlimited, "%s: limit %+v", p.Name, l)
		check(b.Initial >= 0 && b.Jitter >= 0 && b.Jitter <= 1, "%s: backoff %+v", p.Name, b)
		check(b.Curve != policy.Exponential || b.Multiplier >= 1 && b.Initial <= b.Max, "%s: backoff %+v", p.Name, b)
		checkProbes(t, p)
		for m, h := range p.Hooks {
			check(h == nil || len(h.Commands) > 0 && h.Timeout > 0, "%s: hook %d %+v", p.Name, m, h)
		}
		for _, e := range p.Env {
			check(strings.Index(e, "=") > 0 && !strings.Contains(e, "\x00"), "%s: env %q", p.Name, e)
		}
	}
}

// checkProbes checks what the checks and the readiness of a process promise.
func checkProbes(t *testing.T, p *spec.Process) {
	t.Helper()
	kinds := func(q spec.Probe, more ...bool) (n int) {
		for _, set := range append(more, q.HTTP != nil, q.Exec != nil, q.TCP != nil) {
			if set {
				n++
			}
		}
		return n
	}
	for _, c := range p.Checks {
		if kinds(c.Probe, c.Heartbeat != nil) != 1 || c.Threshold.Failures < 1 || c.Threshold.Successes < 1 {
			t.Errorf("%s: check %+v", p.Name, c)
		}
		if c.Heartbeat == nil && (c.Timeout <= 0 || c.Timeout > c.Interval) || c.Heartbeat != nil && c.Heartbeat.Timeout <= 0 {
			t.Errorf("%s: times of check %+v", p.Name, c)
		}
		if e := c.Probe.Exec; e != nil && len(e.Argv) == 0 {
			t.Errorf("%s: a check without a command", p.Name)
		}
	}
	if r := p.Readiness; r != nil {
		if kinds(r.Probe, r.Notify, r.Log != "", r.FD > 0, r.Delay > 0) != 1 || r.Delay == 0 && r.Timeout <= 0 {
			t.Errorf("%s: readiness %+v", p.Name, *r)
		}
	}
}

func TestLoadFull(t *testing.T) {
	t.Parallel()
	tree, problems := Load("testdata/good/full.yaml", testOptions())
	if tree == nil {
		t.Fatal(problems)
	}
	checkTree(t, tree)
	dir, err := filepath.Abs("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	wantSupervisor := spec.Supervisor{
		Name: "full", RuntimeDir: dir + "/run", StateDir: "/var/lib/full", LogDir: dir + "/logs",
		Socket: "/tmp/full.sock", SocketMode: 0o660, SocketGroup: "adm",
		Listen: "[::1]:9900", TLS: spec.TLS{Cert: dir + "/tls/full.pem", Key: "/etc/full/key.pem", ClientCA: dir + "/tls/clients.pem"},
		TokensFile: dir + "/tokens",
		LogLevel:   "debug", LogFormat: "json", ShutdownTimeout: 24 * time.Hour,
		ExitOn: spec.ExitAllDone, ParallelStarts: 8, WatchConfig: true,
	}
	if d := cmp.Diff(wantSupervisor, tree.Supervisor); d != "" {
		t.Errorf("supervisor (-want +got):\n%s", d)
	}
	fileEnv := []string{"ONLY_FILE=a\n${b}", "TZ=UTC", "FROM_FILE=over", "PORT=8080", "NUMBER=5", "YES=true", "DEFAULT=1"}
	wantWeb := &spec.Process{
		Name: "web", Argv: []string{"bin/web", "--port", "8080", "true"},
		Description: "the $web on $HOST $(date) port 8080", Type: spec.Oneshot, Autostart: true,
		Dir: dir + "/srv", CleanEnv: true,
		Env: []string{
			"ONLY_FILE=a\n${b}", "TZ=UTC", "FROM_FILE=over", "PORT=8080", "NUMBER=5", "YES=true",
			"WEB=1", "DEFAULT=1", "SHARED=own",
		},
		Restart: spec.Restart{
			Policy: policy.OnFailure,
			Backoff: policy.Backoff{
				Curve: policy.Exponential, Initial: 250 * time.Millisecond, Max: 90 * time.Second, Multiplier: 3, Jitter: 0.25,
			},
			Limit:        policy.Limit{Max: 7, Within: 24 * time.Hour, Clock: policy.Wall},
			SuccessCodes: []int{0, 3},
			OnExit: []spec.ExitRule{
				{Class: "78", Never: true},
				{Class: "75", Delay: 30 * time.Second},
				{Class: "oom", Delay: time.Minute},
				{Class: "SIGSEGV", Never: true},
			},
			OnExhausted: policy.Escalate,
		},
		Stop: spec.Stop{Steps: []spec.StopStep{{Signal: int(syscall.SIGINT), Wait: 3 * time.Second}}, Kill: spec.KillGroup},
		Logs: spec.Logs{
			Output: spec.OutputBoth, File: dir + "/web.log", StderrFile: dir + "/web.err",
			Format: spec.FormatJSON, ConsoleFormat: spec.FormatRaw, MaxSizeBytes: 1_500_000_000, MaxFiles: 9,
			MaxAge: 14 * 24 * time.Hour, Compress: spec.CompressZstd, BlockOnFull: true,
		},
	}
	if d := cmp.Diff(wantWeb, one(t, tree, "web")); d != "" {
		t.Errorf("web (-want +got):\n%s", d)
	}
	line := one(t, tree, "line")
	if want := []string{"sh", "-c", `echo "a  b"`, "x y", ""}; !slices.Equal(line.Argv, want) {
		t.Errorf("line: argv %q, want %q", line.Argv, want)
	}
	if want := append(fileEnv, "SHARED=default"); !slices.Equal(line.Env, want) {
		t.Errorf("line: env %q, want %q", line.Env, want)
	}
	if got, want := line.Stop.Steps, []spec.StopStep{{Signal: 37, Wait: time.Second}, {Signal: 15, Wait: 10 * time.Second}}; !slices.Equal(got, want) {
		t.Errorf("line: stop %v, want %v", got, want)
	}
	if got, want := one(t, tree, "shell").Argv, []string{"/bin/sh", "-c", "echo $HOME | cat"}; !slices.Equal(got, want) {
		t.Errorf("shell: argv %q, want %q", got, want)
	}
}

// TestOrder checks that members come in the order of the file: an include
// where it stands, groups before processes where they are written before.
func TestOrder(t *testing.T) {
	t.Parallel()
	tree, problems := Load("testdata/good/full.yaml", testOptions())
	if tree == nil {
		t.Fatal(problems)
	}
	var got []string
	for _, p := range processes(&tree.Root) {
		got = append(got, p.Name)
	}
	want := []string{"first", "first-group/one", "second", "web", "line", "shell", "checked", "several", "hooked",
		"worker@1", "worker@2", "listener@1", "listener@2", "limited", "api/inner/worker", "api/gateway"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
	dir, _ := filepath.Abs("testdata/good")
	first := one(t, tree, "first")
	if first.Dir != dir+"/conf.d" {
		t.Errorf("an included process runs in %s", first.Dir)
	}
	if got, want := one(t, tree, "first-group/one").Logs.File, dir+"/logs/first-group/one.log"; got != want {
		t.Errorf("log %s, want %s", got, want)
	}
	if n := len(first.Env); first.Env[n-1] != "A=own" || slices.Contains(first.Env, "B=base") {
		t.Errorf("a merge key mixed the mappings below it: %q", first.Env)
	}
}

// TestFullHasEveryKey keeps the file at what it says of itself.
func TestFullHasEveryKey(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/good/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range newTables().sections() {
		for _, f := range s.fields {
			if !regexp.MustCompile(`\b`+f.name+`: `).Match(text) && !regexp.MustCompile(`(?m)^ *`+f.name+`:$`).Match(text) {
				t.Errorf("%s: no key %s", s.name, f.name)
			}
		}
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	tree := parse(t, `
groups:
  api:
    strategy: rest_for_one
    restart: {max_restarts: unlimited, within: 10s, strategy: delayed, delay: 2s}
    on_exhausted: shutdown
    processes: {a: {command: a}}
    groups:
      inner: {restart: strict, on_exhausted: escalate, processes: {b: {command: b}}}
`)
	api := tree.Root.Members[0].Group
	inner := api.Members[1].Group
	if api.Name != "api" || api.Strategy != policy.RestForOne || api.OnExhausted != policy.Shutdown {
		t.Errorf("api: %+v", api)
	}
	if inner.Name != "api/inner" || inner.Strategy != policy.OneForOne || inner.OnExhausted != policy.Escalate {
		t.Errorf("inner: %+v", inner)
	}
	if got, want := api.Restart.Limit, (policy.Limit{Max: policy.Unlimited, Within: 10 * time.Second}); got != want {
		t.Errorf("api: limit %+v, want %+v", got, want)
	}
	if got, want := api.Restart.Backoff, (policy.Backoff{Curve: policy.Delayed, Initial: 2 * time.Second}); got != want {
		t.Errorf("api: backoff %+v, want %+v", got, want)
	}
	if got, want := inner.Restart.Limit, (policy.Limit{Max: 3, Within: 30 * time.Second}); got != want {
		t.Errorf("inner: limit %+v, want %+v", got, want)
	}
	if tree.Root.Restart != nil || tree.Root.Name != "" || tree.Root.Strategy != policy.OneForOne {
		t.Errorf("root: %+v", tree.Root)
	}
}

func TestPresets(t *testing.T) {
	t.Parallel()
	exponential := func(first, most time.Duration, by float64) policy.Backoff {
		return policy.Backoff{Curve: policy.Exponential, Initial: first, Max: most, Multiplier: by}
	}
	delayed := func(d time.Duration) policy.Backoff { return policy.Backoff{Curve: policy.Delayed, Initial: d} }
	production := exponential(time.Second, 30*time.Second, 2)
	five := policy.Limit{Max: 5, Within: time.Minute}
	for _, tt := range []struct {
		restart string
		policy  policy.When
		backoff policy.Backoff
		limit   policy.Limit
	}{
		{"{}", policy.Always, production, five},
		{"production", policy.Always, production, five},
		{"strict", policy.Always, delayed(10 * time.Second), policy.Limit{Max: 3, Within: 30 * time.Second}},
		{"lenient", policy.Always, exponential(500*time.Millisecond, 2*time.Minute, 1.5), policy.Limit{Max: 20, Within: 10 * time.Minute}},
		{"development", policy.Always, policy.Backoff{}, policy.Limit{Max: 10, Within: 30 * time.Second}},
		{"delayed", policy.Always, delayed(5 * time.Second), five},
		{"never", policy.Not, production, five},
	} {
		t.Run(tt.restart, func(t *testing.T) {
			t.Parallel()
			got := one(t, parse(t, "processes: {a: {command: a, restart: "+tt.restart+"}}"), "a").Restart
			want := spec.Restart{Policy: tt.policy, Backoff: tt.backoff, Limit: tt.limit, SuccessCodes: []int{0}}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("restart (-want +got):\n%s", d)
			}
		})
	}
}

// TestDefaultsBelow checks what of a process and what of the defaults holds.
func TestDefaultsBelow(t *testing.T) {
	t.Parallel()
	tree := parse(t, `
defaults:
  env: {A: default, B: default}
  env_files: ["?default.env"]
  restart: strict
  stop: {signals: [{signal: INT}]}
  logs: {max_size: 1MB, max_files: 2}
  command: [default]
processes:
  plain: {}
  refined:
    env: {A: own}
    restart: {max_restarts: 9}
    logs: {max_files: 3}
    stop: {kill: process}
    command: own
  replaced:
    restart: development
    stop: {timeout: 2s}
`)
	plain, refined, replaced := one(t, tree, "plain"), one(t, tree, "refined"), one(t, tree, "replaced")
	if got := plain.Argv; !slices.Equal(got, []string{"default"}) {
		t.Errorf("plain: argv %q", got)
	}
	if got, want := refined.Env, []string{"B=default", "A=own"}; !slices.Equal(got, want) {
		t.Errorf("refined: env %q, want %q", got, want)
	}
	if r := refined.Restart; r.Limit.Max != 9 || r.Limit.Within != 30*time.Second || r.Backoff.Curve != policy.Delayed {
		t.Errorf("refined: a mapping does not refine the preset: %+v", r)
	}
	if l := refined.Logs; l.MaxSizeBytes != 1e6 || l.MaxFiles != 3 {
		t.Errorf("refined: logs %+v", l)
	}
	if s := refined.Stop; s.Kill != spec.KillProcess || s.Steps[0].Signal != int(syscall.SIGINT) {
		t.Errorf("refined: stop %+v", s)
	}
	if r := replaced.Restart; r.Limit.Max != 10 || r.Backoff.Curve != policy.Immediate {
		t.Errorf("replaced: restart %+v", r)
	}
	if s := replaced.Stop; len(s.Steps) != 1 || s.Steps[0] != (spec.StopStep{Signal: 15, Wait: 2 * time.Second}) {
		t.Errorf("replaced: stop %+v", s)
	}
	if plain.Restart.Limit.Max != 3 || plain.Logs.MaxFiles != 2 {
		t.Error("a process changed the defaults of another")
	}
}

// TestWrittenDefaults gives every key the default that the reference shows.
func TestWrittenDefaults(t *testing.T) {
	t.Parallel()
	all := newTables()
	const probe = "tcp: {address: 'h:1'}, "
	for _, section := range []struct {
		name, before, after string
		fields              []field
	}{
		{"supervisor", "supervisor: {", "}\nprocesses: {a: {command: a}}", all.supervisor.fields()},
		{"process", "processes: {a: {command: a, ", "}}", all.process.fields()},
		{"restart", "processes: {a: {command: a, restart: {", "}}}", all.restart.fields()},
		{"stop", "processes: {a: {command: a, stop: {", "}}}", all.stop.fields()},
		{"logs", "processes: {a: {command: a, logs: {", "}}}", all.logs.fields()},
		{"file", "", "\nprocesses: {a: {command: a}}", all.file.fields()},
		{"health", "processes: {a: {command: a, health: {" + probe, "}}}", all.health.fields()},
		{"check", "processes: {a: {command: a, health: {checks: {a: {" + probe, "}}}}}", all.check.fields()},
		{"http", "processes: {a: {command: a, health: {http: {url: 'http://h', ", "}}}}", all.http.fields()},
		{"exec", "processes: {a: {command: a, health: {exec: {command: b, ", "}}}}", all.exec.fields()},
		{"heartbeat", "processes: {a: {command: a, health: {heartbeat: {", "}}}}", all.heartbeat.fields()},
		{"readiness", "processes: {a: {command: a, readiness: {" + probe, "}}}", all.readiness.fields()},
		{"depends_on", "processes: {b: {command: b}, a: {command: a, depends_on: {b: {", "}}}}", all.need.fields()},
		{"dependency", "processes: {a: {command: a}}\ndependencies: {b: {" + probe, "}}", all.dependency.fields()},
		{"hook", "processes: {a: {command: a, hooks: {pre_start: {command: b, ", "}}}}", all.hook.fields()},
		{"reload", "processes: {a: {command: a, reload: {command: b, ", "}}}", all.reload.fields()},
		{"capabilities", "processes: {a: {command: a, capabilities: {", "}}}", all.capabilities.fields()},
		{"breaker", "processes: {a: {command: a}}\ndependencies: {b: {breaker: {", "}}}", all.breaker.fields()},
	} {
		plain := parse(t, section.before+section.after)
		for _, f := range section.fields {
			if f.def == "" || strings.Contains(f.def, "<") || strings.Contains(f.def, " for a file under ") {
				continue
			}
			t.Run(section.name+"."+f.name, func(t *testing.T) {
				t.Parallel()
				got := parse(t, section.before+f.name+": "+f.def+section.after)
				if d := cmp.Diff(plain, got); d != "" {
					t.Errorf("the default is not %s (-default +written):\n%s", f.def, d)
				}
			})
		}
	}
}

func TestFolders(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ file, run, state, log string }{
		{"/srv/app/gosup.yaml", "/srv/app/.gosup/run", "/srv/app/.gosup/state", "/srv/app/.gosup/log"},
		{"/etc/gosup/gosup.yaml", "/run/gosup", "/var/lib/gosup", "/var/log/gosup"},
		{"/etc/gosup.yaml", "/run/gosup", "/var/lib/gosup", "/var/log/gosup"},
		{"/etcetera/gosup.yaml", "/etcetera/.gosup/run", "/etcetera/.gosup/state", "/etcetera/.gosup/log"},
	} {
		tree, problems := Parse(tt.file, []byte("processes: {a: {command: a}}"), testOptions())
		if tree == nil {
			t.Fatal(problems)
		}
		s := tree.Supervisor
		if s.RuntimeDir != tt.run || s.StateDir != tt.state || s.LogDir != tt.log || s.Socket != tt.run+"/gosup.sock" {
			t.Errorf("%s: %+v", tt.file, s)
		}
		if p := one(t, tree, "a"); p.Logs.File != tt.log+"/a.log" || p.Dir != filepath.Dir(tt.file) {
			t.Errorf("%s: log %s, dir %s", tt.file, p.Logs.File, p.Dir)
		}
	}
	s, problems := Supervisor(testOptions())
	if problems != nil || s.RuntimeDir != "/run/gosup" || s.Socket != "/run/gosup/gosup.sock" {
		t.Errorf("without a file: %+v %v", s, problems)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	opt := testOptions()
	opt.Settings = func(key string) (value, origin string, ok bool) {
		switch key {
		case "state_dir":
			return "here", "--state-dir", true
		case "log_level":
			return "loud", "GOSUP_LOG_LEVEL", true
		case "shutdown_timeout":
			return "5", "--shutdown-timeout", true
		case "name":
			return "${PORT}", "--name", true
		case "tls.key":
			return "key.pem", "--tls-key", true
		}
		return "", "", false
	}
	text := []byte("supervisor: {state_dir: there, log_format: json}\nprocesses: {a: {command: a}}")
	tree, problems := Parse("/srv/app/gosup.yaml", text, opt)
	want := "--name: supervisor.name: has '$' in its name (a name is made of A-Z a-z 0-9 . _ -)\n" +
		"GOSUP_LOG_LEVEL: supervisor.log_level: is \"loud\", not debug, info, warn or error (write one of these)\n" +
		"--shutdown-timeout: supervisor.shutdown_timeout: is \"5\", a duration without a unit (write 5s for seconds)\n" +
		"--tls-key: supervisor.tls.key: has no cert beside it (set tls.cert to the file of its certificate)"
	if tree != nil || problems.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", problems, want)
	}
	inner := opt.Settings
	opt.Settings = func(key string) (value, origin string, ok bool) {
		if key != "state_dir" {
			return "", "", false
		}
		return inner(key)
	}
	tree, problems = Parse("/srv/app/gosup.yaml", text, opt)
	if tree == nil {
		t.Fatal(problems)
	}
	if got, want := tree.Supervisor.StateDir, filepath.Join(workingDir(), "here"); got != want || tree.Supervisor.LogFormat != "json" {
		t.Errorf("state_dir %s, want %s", got, want)
	}
}

func TestSupervisorKeys(t *testing.T) {
	t.Parallel()
	keys := SupervisorKeys()
	if len(keys) == 0 || keys[0].Name != "name" {
		t.Fatalf("keys %+v", keys)
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.Name)
		if k.Type == "" || k.Doc == "" {
			t.Errorf("%s: %+v", k.Name, k)
		}
	}
	for _, want := range []string{"listen", "tls.cert", "tls.key", "tls.client_ca", "tokens_file"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s among %v", want, names)
		}
	}
	if slices.Contains(names, "tls") {
		t.Error("a mapping is no setting")
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	tree, problems := Command("sleep", []string{"sleep", "${X}"}, []Setting{
		{"restart.policy", "on_failure", "--restart"},
		{"restart.max_restarts", "unlimited", "--max-restarts"},
		{"restart.within", "1d", "--within"},
	}, testOptions())
	if tree == nil {
		t.Fatal(problems)
	}
	checkTree(t, tree)
	sup, _ := Supervisor(testOptions())
	want := DefaultProcess("sleep", []string{"sleep", "${X}"}, sup)
	want.Restart.Policy = policy.OnFailure
	want.Restart.Limit = policy.Limit{Max: policy.Unlimited, Within: 24 * time.Hour}
	if d := cmp.Diff(&want, one(t, tree, "sleep")); d != "" {
		t.Errorf("process (-want +got):\n%s", d)
	}
	tree, problems = Command("sleep", []string{"sleep"}, []Setting{
		{"health.exec.command", "check 'a b'", "--health-exec"},
		{"health.interval", "2s", "--health-interval"},
	}, testOptions())
	if tree == nil {
		t.Fatal(problems)
	}
	checkTree(t, tree)
	c := one(t, tree, "sleep").Checks[0]
	if !slices.Equal(c.Probe.Exec.Argv, []string{"check", "a b"}) || c.Interval != 2*time.Second || c.Timeout != 2*time.Second {
		t.Errorf("check %+v %+v", c, c.Probe.Exec)
	}
	_, problems = Command("sleep", []string{"sleep"}, []Setting{{"health.http.url", "h:80", "--health-http"}}, testOptions())
	if got := problems.Error(); !strings.HasPrefix(got, `--health-http: health.http.url: is "h:80", not a URL`) {
		t.Errorf("got %v", got)
	}
	_, problems = Command("sleep", []string{"sleep"}, []Setting{{"restart.within", "0s", "--within"}}, testOptions())
	wantProblem := `--within: restart.within: is "0s" and must be above 0 (for no limit write max_restarts: unlimited)`
	if problems.Error() != wantProblem {
		t.Errorf("got %v, want %s", problems, wantProblem)
	}
}

func TestDefaultProcess(t *testing.T) {
	t.Parallel()
	tree := parse(t, "processes: {a: {command: [a, b]}}")
	want := *one(t, tree, "a")
	got := DefaultProcess("a", []string{"a", "b"}, tree.Supervisor)
	want.Dir = got.Dir
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("process (-file +default):\n%s", d)
	}
}
