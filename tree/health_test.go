package tree_test

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gosup/policy"
	"gosup/sim"
	"gosup/spec"
	"gosup/tree"
)

// What scenarios say of health, readiness and dependencies.
//
// Processes have these settings, with the defaults of the file:
//
//	check=10s,timeout=5s,fail=3,pass=1,start=0s,slow=1s,on=none,name=x
//	heartbeat=30s,rate=0.1
//	readiness=notify,timeout=30s      also probe, log, fd, and a delay as 2s
//	after=db:healthy:restart          depends_on; the condition may be left out
//	requires=pg
//
// A dependency is a line of its own, before the processes:
//
//	dependency pg every=5s fail=5 recovery=30s half=1 stop noprobe
//
// And these are the commands:
//
//	> probe TARGET ok|degraded|bad|none [takes D] [REASON]
//	    how probes end from now on: of a process "web", of one of its checks
//	    "web.x", of its readiness "web.ready", of a dependency
//	> tell a READY BEAT EXTEND=10s REQUESTS=100 ERRORS=13 STATUS=x
//	> beat a 10s 60s                  heartbeats at that interval, for so long
//	> trip pg, reset pg, guard pg, guarded pg ok|bad
//	> trace                           show the probes from now on
//	> pause 1h                        the daemon is not run for so long
//	> health                          what each check says
//	> breakers

// setHealth applies one setting of a process and reports whether it was one of
// those above.
func setHealth(p *spec.Process, key, value string) bool {
	switch key {
	case "check":
		p.Checks = append(p.Checks, parseCheck(value))
	case "heartbeat":
		p.Checks = append(p.Checks, parseHeartbeat(value))
	case "readiness":
		p.Readiness = parseReadiness(value)
	case "after":
		p.DependsOn = append(p.DependsOn, parseDependsOn(value))
	case "requires":
		p.Requires = append(p.Requires, value)
	default:
		return false
	}
	return true
}

// someProbe asks nobody: the world answers it.
var someProbe = spec.Probe{TCP: &spec.TCPProbe{Address: "127.0.0.1:1"}}

func parseCheck(value string) spec.Check {
	first, rest, _ := strings.Cut(value, ",")
	c := spec.Check{Probe: someProbe, Interval: must(time.ParseDuration(first)), Timeout: 5 * time.Second,
		Threshold: policy.Threshold{Failures: 3, Successes: 1}}
	c.Timeout = min(c.Timeout, c.Interval)
	eachOption(rest, func(key, value string) { setCheck(&c, key, value) })
	return c
}

func parseHeartbeat(value string) spec.Check {
	first, rest, _ := strings.Cut(value, ",")
	c := spec.Check{Threshold: policy.Threshold{Failures: 3, Successes: 1},
		Heartbeat: &spec.Heartbeat{Timeout: must(time.ParseDuration(first)), ErrorRate: 0.1}}
	eachOption(rest, func(key, value string) { setCheck(&c, key, value) })
	return c
}

func setCheck(c *spec.Check, key, value string) {
	switch key {
	case "timeout":
		c.Timeout = must(time.ParseDuration(value))
	case "fail":
		c.Threshold.Failures = must(strconv.Atoi(value))
	case "pass":
		c.Threshold.Successes = must(strconv.Atoi(value))
	case "start":
		c.StartPeriod = must(time.ParseDuration(value))
	case "slow":
		c.DegradedLatency = must(time.ParseDuration(value))
	case "rate":
		c.Heartbeat.ErrorRate = must(strconv.ParseFloat(value, 64))
	case "name":
		c.Name = value
	case "on":
		switch signal, ok := sim.ParseSignal(value); {
		case ok:
			c.OnUnhealthy = spec.OnUnhealthy{Action: spec.UnhealthySignal, Signal: signal}
		default:
			c.OnUnhealthy.Action = map[string]spec.UnhealthyAction{"none": spec.UnhealthyNone, "restart": spec.UnhealthyRestart}[value]
		}
	default:
		panic(fmt.Sprintf("unknown setting of a check: %q", key))
	}
}

func parseReadiness(value string) *spec.Readiness {
	kind, rest, _ := strings.Cut(value, ",")
	r := &spec.Readiness{Timeout: 30 * time.Second}
	switch kind {
	case "notify":
		r.Notify = true
	case "probe":
		r.Probe = someProbe
	case "log":
		r.Log = "ready"
	case "fd":
		r.FD = 3
	default:
		r.Delay = must(time.ParseDuration(kind))
	}
	eachOption(rest, func(_, value string) { r.Timeout = must(time.ParseDuration(value)) })
	return r
}

func parseDependsOn(value string) spec.DependsOn {
	words := strings.Split(value, ":")
	d := spec.DependsOn{Name: words[0]}
	for _, w := range words[1:] {
		if w == "restart" {
			d.Restart = true
			continue
		}
		for i, name := range spec.ConditionNames() {
			if name == w {
				d.Condition = spec.Condition(i)
			}
		}
	}
	return d
}

func parseDependency(words []string) spec.Dependency {
	d := spec.Dependency{Name: words[0], Probe: someProbe, Interval: 5 * time.Second, Timeout: 2 * time.Second,
		Breaker: policy.BreakerLimit{Failures: 5, Recovery: 30 * time.Second, HalfOpenFailures: 1}}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "every":
			d.Interval = must(time.ParseDuration(value))
			d.Timeout = min(d.Timeout, d.Interval)
		case "fail":
			d.Breaker.Failures = must(strconv.Atoi(value))
		case "recovery":
			d.Breaker.Recovery = must(time.ParseDuration(value))
		case "half":
			d.Breaker.HalfOpenFailures = must(strconv.Atoi(value))
		case "stop":
			d.StopOnOpen = true
		case "noprobe":
			d.Probe = spec.Probe{}
		default:
			panic(fmt.Sprintf("unknown setting of a dependency: %q", key))
		}
	}
	return d
}

func eachOption(text string, f func(key, value string)) {
	for _, o := range strings.Split(text, ",") {
		if key, value, found := strings.Cut(o, "="); found {
			f(key, value)
		}
	}
}

// finding is how a target answers its probes.
type finding struct {
	health tree.Health
	reason string
	takes  time.Duration
}

// doHealth performs one of the commands above and reports whether it was one.
func (s *scenario) doHealth(verb string, words []string) bool {
	switch verb {
	case "probe":
		s.findings[words[0]] = parseFinding(words[1:])
	case "tell":
		s.w.Feed(s.notification(words[0], words[1:]))
		s.w.RunTo(s.w.Now())
	case "beat":
		interval, end := s.duration(words[1]), s.duration(words[2])
		for d := interval; d <= end; d += interval {
			s.w.Post(s.w.Now().Add(d), s.notification(words[0], []string{"BEAT"}))
		}
	case "trip", "reset", "guard":
		verbs := map[string]tree.Verb{"trip": tree.AskTrip, "reset": tree.AskReset, "guard": tree.AskGuard}
		s.asked++
		s.w.Feed(tree.Asked{ID: s.asked, Verb: verbs[verb], Names: words, By: "ann"})
		s.w.RunTo(s.w.Now())
	case "guarded":
		s.w.Feed(tree.Guarded{Dependency: words[0], OK: words[1] == "ok", Why: "the command exited with code 1"})
		s.w.RunTo(s.w.Now())
	case "trace":
		s.tracing = true
	case "pause":
		s.w.Pause(s.duration(words[0]))
	case "health":
		s.showHealth()
	case "breakers":
		s.showBreakers()
	default:
		return false
	}
	return true
}

func parseFinding(words []string) finding {
	f := finding{health: map[string]tree.Health{"ok": tree.Healthy, "degraded": tree.Degraded,
		"bad": tree.HealthBad, "none": tree.HealthUnknown}[words[0]]}
	words = words[1:]
	if len(words) > 1 && words[0] == "takes" {
		f.takes = must(time.ParseDuration(words[1]))
		words = words[2:]
	}
	f.reason = strings.Join(words, " ")
	if f.reason == "" && f.health == tree.HealthBad {
		f.reason = "connection refused"
	}
	return f
}

func (s *scenario) notification(name string, words []string) tree.Notified {
	n := s.w.Node(name)
	e := tree.Notified{Node: n.ID, Run: n.Run}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "READY":
			e.Ready = true
		case "BEAT":
			e.Beat = true
		case "RELOADING":
			e.Reloading = true
		case "STOPPING":
			e.Stopping = true
		case "TRIGGER":
			e.Broken = true
		case "EXTEND":
			e.Extend = s.duration(value)
		case "STATUS":
			e.Status = &value
		case "REQUESTS", "ERRORS":
			count := must(strconv.ParseUint(value, 10, 64))
			e.Beat = true
			if key == "REQUESTS" {
				e.Requests = &count
			} else {
				e.Errors = &count
			}
		case "RUN": // of an earlier run, by how many
			e.Run -= must(strconv.ParseUint(value, 10, 64))
		default:
			s.t.Fatalf("unknown notification %q", w)
		}
	}
	return e
}

// answer is sim.World.Answer.
func (s *scenario) answer(e tree.Probe) (tree.Probed, time.Duration) {
	target := s.target(e)
	if s.tracing {
		s.line("%s: probe", target)
	}
	process, _, _ := strings.Cut(target, ".")
	f, ok := s.findings[target]
	if !ok {
		f, ok = s.findings[process]
	}
	if !ok {
		f.health = tree.Healthy
	}
	if f.takes >= e.Timeout && f.health == tree.HealthBad {
		f.reason = "timed out"
	}
	return tree.Probed{Health: f.health, Reason: f.reason, Latency: min(f.takes, e.Timeout)}, f.takes
}

// target names what a probe asks.
func (s *scenario) target(e tree.Probe) string {
	if e.Dependency != "" {
		return e.Dependency
	}
	name := s.name(e.Node)
	if e.Check < 0 {
		return name + ".ready"
	}
	if check := s.w.Node(name).Process.Checks[e.Check].Name; check != "" {
		name += "." + check
	}
	return name
}

func (s *scenario) showHealth() {
	for _, n := range s.w.View() {
		if len(n.Checks) == 0 {
			continue
		}
		s.line("%s: %s", n.Name, join(n.State.String(), n.Health.String(), n.HealthReason, n.Status))
		for _, c := range n.Checks {
			at := "never"
			if c.At > 0 {
				at = "at " + c.At.Sub(start).String()
			}
			s.line("  %s", join(c.Name, c.Health.String(), c.Reason, at, "took "+c.Latency.String(), fmt.Sprintf("%d failed", c.Failed)))
		}
	}
}

func (s *scenario) showBreakers() {
	for _, b := range s.w.Tree().Breakers() {
		retry := ""
		if b.RetryAt > 0 {
			retry = "retry in " + b.RetryAt.Sub(s.w.Now()).String()
		}
		s.line("%s: %s", b.Name, join(b.State.String(), fmt.Sprintf("%d/%d", b.Failures, b.Limit.Failures), retry, b.Reason,
			strings.Join(b.RequiredBy, ",")))
	}
}
