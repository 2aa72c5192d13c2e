package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// Script is a file of tests that a user has written for a configuration. It
// has lines of the form "key: value"; several can share a line, with ";"
// between them, and "#" begins a comment:
//
//	config: gosup.yaml
//	test: a crash of db takes the api with it
//	given: exit db 1 at 3s,5s
//	for: 60s
//	expect: web running, api/worker restarted 2, daemon running
//
// What can be given:
//
//	exit NAME CODE|SIGNAL|oom at TIME,…   the run ends so
//	crash NAME after DURATION [CODE]      each run ends so; the code is 1 if none is given
//	fail NAME [COUNT]                     it cannot be started, COUNT times or for ever
//	hang NAME                             it ignores all but SIGKILL
//	slow NAME DURATION                    it takes so long to stop
//	unhealthy NAME after DURATION         its checks fail from then on in each run
//	down DEPENDENCY from TIME to TIME     its probes fail
//	start|stop|restart NAME at TIME,…     a person asks for it
//	shutdown at TIME                      of gosup
//
// What can be expected, at the end or at a TIME:
//
//	NAME STATE [at TIME]
//	NAME restarted COUNT [at TIME]        automatic restarts in all
//	NAME started COUNT [at TIME]          runs in all
//	daemon running [at TIME]
//	daemon exit CODE
//
// NAME is what ctl takes: a name, group, glob or base name, and what is
// expected is expected of each process that it means.
type Script struct {
	Config string // as written; "" for none
	Tests  []Test
}

// Test is one test of a Script.
type Test struct {
	Name   string
	For    time.Duration
	Line   int
	given  []given
	expect []expectation
}

// ScriptError is a mistake in a script.
type ScriptError struct {
	Line, Col int // from 1
	What      string
}

func (e *ScriptError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.What) }

// given is one thing that happens.
type given struct {
	verb   string
	name   string
	at     []time.Duration
	exit   tree.Exit
	after  time.Duration
	count  int // of fail; Forever for always
	line   int
	column int
}

// expectation is one thing that is to be so.
type expectation struct {
	text   string
	name   string
	what   string // a state, "restarted", "started", or of the daemon "running", "exit"
	count  int
	at     time.Duration // 0: at the end
	line   int
	column int
}

// defaultFor is how long a test goes on that does not say.
const defaultFor = time.Hour

// ParseScript reads a script. The error joins a *ScriptError for each mistake.
func ParseScript(text string) (*Script, error) {
	p := scriptParser{script: &Script{}}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		p.line, p.key = i+1, ""
		column := 1
		for part := range strings.SplitSeq(line, ";") {
			p.part(part, column)
			column += len(part) + 1
		}
	}
	if len(p.script.Tests) == 0 && p.errs == nil {
		p.line = 1
		p.fail(1, "there is no test in it")
	}
	return p.script, errors.Join(p.errs...)
}

type scriptParser struct {
	script *Script
	line   int
	key    string // of the parts that follow on the same line
	errs   []error
}

func (p *scriptParser) fail(column int, format string, args ...any) {
	p.errs = append(p.errs, &ScriptError{Line: p.line, Col: column, What: fmt.Sprintf(format, args...)})
}

// part reads "key: value", or a further value of the key before.
func (p *scriptParser) part(part string, column int) {
	if strings.TrimSpace(part) == "" {
		return
	}
	if key, value, ok := strings.Cut(part, ":"); ok && !strings.ContainsAny(strings.TrimSpace(key), " \t") {
		p.key = strings.TrimSpace(key)
		column += len(key) + 1
		part = value
	}
	column += len(part) - len(strings.TrimLeft(part, " \t"))
	value := strings.TrimSpace(part)
	switch p.key {
	case "config":
		p.script.Config = value
		return
	case "test":
		p.script.Tests = append(p.script.Tests, Test{Name: value, For: defaultFor, Line: p.line})
		return
	case "given", "expect", "for":
	case "":
		p.fail(column, "a line begins with config:, test:, given:, for: or expect:")
		return
	default:
		p.fail(column, "unknown key %q (use config, test, given, for or expect)", p.key)
		return
	}
	if len(p.script.Tests) == 0 {
		p.fail(column, "%s: comes before any test:", p.key)
		return
	}
	t := &p.script.Tests[len(p.script.Tests)-1]
	switch p.key {
	case "for":
		t.For = p.duration(value, column)
	case "given":
		p.given(t, value, column)
	case "expect":
		for one := range strings.SplitSeq(value, ",") {
			lead := len(one) - len(strings.TrimLeft(one, " \t"))
			p.expect(t, strings.TrimSpace(one), column+lead)
			column += len(one) + 1
		}
	}
}

func (p *scriptParser) duration(s string, column int) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		p.fail(column, "%q is no duration (such as 1m30s)", s)
	}
	return d
}

// times reads "3s,5s".
func (p *scriptParser) times(s string, column int) (out []time.Duration) {
	for one := range strings.SplitSeq(s, ",") {
		out = append(out, p.duration(strings.TrimSpace(one), column))
	}
	return out
}

func (p *scriptParser) count(s string, column int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		p.fail(column, "%q is no count", s)
	}
	return n
}

func (p *scriptParser) exit(s string, column int) tree.Exit {
	if s == "oom" {
		e := Killed(sigkill)
		e.OOM = true
		return e
	}
	if n, ok := ParseSignal(s); ok {
		return Killed(n)
	}
	code, err := strconv.Atoi(s)
	if err != nil || code < 0 || code > 255 {
		p.fail(column, "%q is neither an exit code, nor a signal, nor oom", s)
	}
	return tree.Exit{Code: code}
}

func (p *scriptParser) given(t *Test, value string, column int) {
	what, at, timed := strings.Cut(value, " at ")
	f := strings.Fields(what)
	g := given{verb: f[0], line: p.line, column: column}
	if timed {
		g.at = p.times(at, column)
	}
	if len(f) > 1 {
		g.name = f[1]
	}
	switch {
	case g.verb == "exit" && len(f) == 3 && timed:
		g.exit = p.exit(f[2], column)
	case g.verb == "crash" && (len(f) == 4 || len(f) == 5) && f[2] == "after" && !timed:
		g.after, g.exit = p.duration(f[3], column), tree.Exit{Code: 1}
		if len(f) == 5 {
			g.exit = p.exit(f[4], column)
		}
	case g.verb == "fail" && len(f) == 2 && !timed:
		g.count = int(Forever)
	case g.verb == "fail" && len(f) == 3 && !timed:
		g.count = p.count(f[2], column)
	case g.verb == "hang" && len(f) == 2 && !timed:
	case g.verb == "slow" && len(f) == 3 && !timed:
		g.after = p.duration(f[2], column)
	case g.verb == "unhealthy" && len(f) == 4 && f[2] == "after" && !timed:
		g.after = p.duration(f[3], column)
	case g.verb == "down" && len(f) == 6 && f[2] == "from" && f[4] == "to" && !timed:
		g.at = []time.Duration{p.duration(f[3], column), p.duration(f[5], column)}
	case (g.verb == "start" || g.verb == "stop" || g.verb == "restart") && len(f) == 2 && timed:
	case g.verb == "shutdown" && len(f) == 1 && timed:
	default:
		p.fail(column, "%q cannot be given (see gosup test --help)", value)
		return
	}
	t.given = append(t.given, g)
}

func (p *scriptParser) expect(t *Test, value string, column int) {
	what, at, timed := strings.Cut(value, " at ")
	f := strings.Fields(what)
	e := expectation{text: value, line: p.line, column: column}
	if timed {
		e.at = p.duration(strings.TrimSpace(at), column)
	}
	if len(f) >= 2 {
		e.name, e.what = f[0], f[1]
	}
	counted := e.what == "restarted" || e.what == "started" || e.name == "daemon" && e.what == "exit"
	switch {
	case counted && len(f) == 3:
		e.count = p.count(f[2], column)
	case len(f) == 2 && e.name == "daemon" && e.what == "running":
	case len(f) == 2 && e.name != "daemon" && isState(e.what):
	default:
		p.fail(column, "%q cannot be expected (see gosup test --help)", value)
		return
	}
	t.expect = append(t.expect, e)
}

func isState(s string) bool {
	for _, name := range tree.States() {
		if s == name {
			return true
		}
	}
	return false
}

// Check reports the names in a test that mean nothing in a configuration, as
// *ScriptErrors.
func (t *Test) Check(s *spec.Tree) error {
	names := Processes(s)
	var errs []error
	check := func(name string, line, column int) {
		if _, err := spec.Select(names, []string{name}); err != nil {
			errs = append(errs, &ScriptError{Line: line, Col: column, What: err.Error()})
		}
	}
	for _, g := range t.given {
		switch g.verb {
		case "shutdown":
		case "down":
			known := false
			for _, d := range s.Dependencies {
				known = known || d.Name == g.name
			}
			if !known {
				errs = append(errs, &ScriptError{Line: g.line, Col: g.column, What: fmt.Sprintf("no dependency %q", g.name)})
			}
		default:
			check(g.name, g.line, g.column)
		}
	}
	for _, e := range t.expect {
		if e.name != "daemon" {
			check(e.name, e.line, e.column)
		}
	}
	return errors.Join(errs...)
}
