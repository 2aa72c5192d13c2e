package tree_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"gosup/policy"
	"gosup/sim"
	"gosup/spec"
)

// parseTree reads a tree as scenarios write it: one node a line, members
// indented below their group, "-" before the name of a process, words and
// key=value behind it. "#" begins a comment. So:
//
//	shutdown_timeout=30s
//	api one_for_all max=5 within=60s exhausted=escalate
//	  - web delayed=5s max=3 within=30s stop=10s
//	  - init oneshot restart=never
func parseTree(t *testing.T, text string) *spec.Tree {
	t.Helper()
	s := &spec.Tree{}
	s.Supervisor.ShutdownTimeout = 30 * time.Second
	type open struct {
		indent int
		group  *spec.Group
	}
	stack := []open{{-1, &s.Root}}
	for _, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if d, ok := strings.CutPrefix(words[0], "shutdown_timeout="); ok {
			s.Supervisor.ShutdownTimeout = must(time.ParseDuration(d))
			continue
		}
		if words[0] == "dependency" {
			s.Dependencies = append(s.Dependencies, parseDependency(words[1:]))
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		for stack[len(stack)-1].indent >= indent {
			stack = stack[:len(stack)-1]
		}
		parent := stack[len(stack)-1].group
		prefix := ""
		if parent.Name != "" {
			prefix = parent.Name + "/"
		}
		if words[0] == "-" {
			p := parseProcess(prefix+words[1], words[2:])
			parent.Members = append(parent.Members, spec.Member{Process: p})
			continue
		}
		g := parseGroup(prefix+words[0], words[1:])
		parent.Members = append(parent.Members, spec.Member{Group: g})
		stack = append(stack, open{indent, g})
	}
	return s
}

func production() spec.Restart {
	return spec.Restart{
		Backoff:      policy.Backoff{Curve: policy.Exponential, Initial: time.Second, Max: 30 * time.Second, Multiplier: 2},
		Limit:        policy.Limit{Max: 5, Within: time.Minute},
		SuccessCodes: []int{0},
	}
}

func parseProcess(name string, words []string) *spec.Process {
	p := &spec.Process{Name: name, Argv: []string{name}, Autostart: true, Restart: production()}
	p.Stop.Steps = []spec.StopStep{{Signal: 15, Wait: 10 * time.Second}}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "oneshot":
			p.Type = spec.Oneshot
		case "essential":
			p.Essential = true
		case "noautostart":
			p.Autostart = false
		case "sockets": // sockets=http,admin: it starts when somebody connects
			for _, s := range strings.Split(value, ",") {
				p.Sockets = append(p.Sockets, spec.Socket{Name: s, Address: "127.0.0.1:80"})
			}
			p.StartOnConnection = true
		case "argv": // a change that needs a new run
			p.Argv = append(p.Argv, value)
		case "stop":
			p.Stop.Steps = p.Stop.Steps[:0]
			for _, step := range strings.Split(value, ",") {
				p.Stop.Steps = append(p.Stop.Steps, parseStep(step))
			}
		case "kill":
			p.Stop.Kill = map[string]spec.Kill{"tree": spec.KillTree, "group": spec.KillGroup, "process": spec.KillProcess}[value]
		default:
			if !setHealth(p, key, value) {
				parseRestart(&p.Restart, key, value)
			}
		}
	}
	return p
}

// parseStep reads "10s" or "INT:10s".
func parseStep(s string) spec.StopStep {
	name, wait, found := strings.Cut(s, ":")
	if !found {
		return spec.StopStep{Signal: 15, Wait: must(time.ParseDuration(s))}
	}
	signal, _ := sim.ParseSignal(name)
	return spec.StopStep{Signal: signal, Wait: must(time.ParseDuration(wait))}
}

func parseGroup(name string, words []string) *spec.Group {
	g := &spec.Group{Name: name}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		if s, err := policy.ParseStrategy(key); err == nil {
			g.Strategy = s
			continue
		}
		if key == "exhausted" {
			g.OnExhausted = must(policy.ParseOnExhausted(value))
			continue
		}
		if g.Restart == nil {
			r := production()
			g.Restart = &r
		}
		parseRestart(g.Restart, key, value)
	}
	return g
}

func parseRestart(r *spec.Restart, key, value string) {
	switch key {
	case "restart":
		r.Policy = must(policy.ParseWhen(value))
	case "immediate":
		r.Backoff = policy.Backoff{}
	case "delayed":
		r.Backoff = policy.Backoff{Curve: policy.Delayed, Initial: must(time.ParseDuration(value))}
	case "backoff": // backoff=1s,30s,2: the first delay, the longest, the multiplier
		f := strings.Split(value, ",")
		r.Backoff = policy.Backoff{Curve: policy.Exponential, Initial: must(time.ParseDuration(f[0])),
			Max: must(time.ParseDuration(f[1])), Multiplier: must(strconv.ParseFloat(f[2], 64))}
	case "jitter":
		r.Backoff.Jitter = must(strconv.ParseFloat(value, 64))
	case "max":
		r.Limit.Max = policy.Unlimited
		if value != "unlimited" {
			r.Limit.Max = must(strconv.Atoi(value))
		}
	case "within":
		r.Limit.Within = must(time.ParseDuration(value))
	case "clock":
		r.Limit.Clock = must(policy.ParseWithinClock(value))
	case "success":
		r.SuccessCodes = append(r.SuccessCodes, must(strconv.Atoi(value)))
	case "exhausted":
		r.OnExhausted = must(policy.ParseOnExhausted(value))
	case "never": // never=78: on_exit
		r.OnExit = append(r.OnExit, spec.ExitRule{Class: value, Never: true})
	case "atleast": // atleast=75:30s: on_exit
		class, d, _ := strings.Cut(value, ":")
		r.OnExit = append(r.OnExit, spec.ExitRule{Class: class, Delay: must(time.ParseDuration(d))})
	default:
		panic(fmt.Sprintf("unknown setting %q", key))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
