package config

import (
	"maps"
	"slices"
	"strings"
	"time"

	"gosup/policy"
	"gosup/spec"
)

// leastInterval is how often something may be probed at most: more often is a
// mistake in the unit.
const leastInterval = 10 * time.Millisecond

// check is one health check while it is read.
type check struct {
	probe
	kind        string // http, exec, tcp or heartbeat; "" for none
	beat        spec.Heartbeat
	interval    time.Duration
	timeout     time.Duration
	unhealthy   int
	healthy     int
	startPeriod time.Duration
	slow        time.Duration
	action      spec.OnUnhealthy
	at          places
}

// health is the health: of a process while it is read: one check, or what
// several have in common.
type health struct {
	check
	several []namedCheck
}

// namedCheck is one of several checks, in all of its layers. They are read
// when all layers are known: what the checks have in common lies below them.
type namedCheck struct {
	name   string
	layers []node
}

func defaultCheck() check {
	return check{
		probe: defaultProbe(), beat: spec.Heartbeat{Timeout: 30 * time.Second, ErrorRate: 0.1},
		interval: 10 * time.Second, timeout: 5 * time.Second, unhealthy: 3, healthy: 1, at: places{},
	}
}

// checkKinds returns the keys of which a check has one.
func checkKinds() []string { return []string{"http", "exec", "tcp", "heartbeat"} }

const checkHint = "keep one; for several checks write checks: {a: {http: …}, b: {tcp: …}}"

func checkTable() table[check] {
	keys := lift(probeKeys(), func(c *check) *probe { return &c.probe })
	keys = append(keys,
		key[check]{
			name: "heartbeat", kind: mappingKind("heartbeat"), aka: []string{"watchdog", "watchdogsec"},
			doc: "Let the process report by itself, and miss its reports.",
			set: func(r *reader, n node, to *check) { r.tables.heartbeat.read(r, n, &to.beat, nil) },
		},
		periodKey("interval", "10s", "The time from one probe to the next.", leastInterval,
			func(c *check) *time.Duration { return &c.interval }),
		periodKey("timeout", "5s", "How long a probe may take, at most the interval: that is the default of a shorter one.",
			time.Millisecond, func(c *check) *time.Duration { return &c.timeout }),
		intKey("unhealthy_threshold", "3", "How many failed probes in a row make it unhealthy.", 1, 10_000,
			func(c *check) *int { return &c.unhealthy }),
		intKey("healthy_threshold", "1", "How many passed probes in a row make it healthy.", 1, 10_000,
			func(c *check) *int { return &c.healthy }),
		durationKey("start_period", "0s", "How long after the start failures do not count, unless a probe has passed before.",
			func(c *check) *time.Duration { return &c.startPeriod }),
		durationKey("degraded_latency", "0s", "A slower answer is degraded. 0: none is.",
			func(c *check) *time.Duration { return &c.slow }),
		key[check]{
			name: "on_unhealthy", kind: onUnhealthyKind(), def: "restart",
			doc: "What follows when it becomes unhealthy: the process is restarted, nothing, or a signal is sent to it.",
			set: func(r *reader, n node, to *check) { r.onUnhealthy(n, to) },
		},
	)
	aka := map[string][]string{
		"interval": {"period", "periodseconds", "every"}, "timeout": {"timeoutseconds"},
		"unhealthy_threshold": {"retries", "failure_threshold", "failurethreshold", "threshold"},
		"healthy_threshold":   {"success_threshold", "successthreshold"},
		"start_period":        {"initial_delay", "initialdelayseconds", "grace_period"},
	}
	for i := range keys {
		keys[i].aka = append(keys[i].aka, aka[keys[i].name]...)
	}
	return table[check]{
		name: "check",
		doc:  "One of several health checks: one of `http`, `exec`, `tcp` and `heartbeat`. What it does not say, the `health` around it does.",
		keys: keys,
	}
}

func healthTable(t table[check]) table[health] {
	keys := lift(t.keys, func(h *health) *check { return &h.check })
	keys = append(keys, key[health]{
		name: "checks", kind: namesKind("mapping of names to a check", "check", &subschema{Ref: "#/$defs/check"}, namePattern),
		doc: "Several checks by name, instead of one; the worst counts. The other keys here hold for all of them.",
		set: func(r *reader, n node, to *health) { r.checks(n, to) },
	})
	return table[health]{
		name: "health",
		doc: "How gosup finds out how the process is: one of `http`, `exec`, `tcp` and `heartbeat`, or several `checks`." +
			" The word `none` may stand instead of the mapping: no check, whatever `defaults` say.",
		keys: keys,
	}
}

func heartbeatTable() table[spec.Heartbeat] {
	return table[spec.Heartbeat]{
		name: "heartbeat",
		doc: "The process sends `WATCHDOG=1` on `$NOTIFY_SOCKET`, as for systemd; `$WATCHDOG_USEC` tells it the timeout." +
			" With it, it can send `X_GOSUP_REQUESTS=n` and `X_GOSUP_ERRORS=n`, the totals of this run.",
		keys: []key[spec.Heartbeat]{
			periodKey("timeout", "30s", "A longer silence is unhealthy, at once.", time.Millisecond,
				func(h *spec.Heartbeat) *time.Duration { return &h.Timeout }),
			floatKey("error_rate", "0.1", "A share of failed requests above it is degraded.", 0, 1,
				func(h *spec.Heartbeat) *float64 { return &h.ErrorRate }),
		},
	}
}

// signalled is the mapping that on_unhealthy can be, while it is read.
type signalled struct{ signal int }

func onUnhealthyTable() table[signalled] {
	return table[signalled]{
		name: "on_unhealthy",
		doc:  "What follows when a process becomes unhealthy, where it is not `restart` or `none`.",
		keys: []key[signalled]{
			signalKey("signal", "", "The signal that the process is sent.", func(s *signalled) *int { return &s.signal }),
		},
	}
}

func onUnhealthyKind() kind {
	return kind{text: "restart | none | {signal: …}", ref: "on_unhealthy", literal: true, schema: orExpanded(&subschema{
		AnyOf: []*subschema{
			{Ref: "#/$defs/on_unhealthy"},
			{Enum: []string{spec.UnhealthyRestart.String(), spec.UnhealthyNone.String()}},
		},
	})}
}

func (r *reader) onUnhealthy(n node, to *check) {
	if n.mapping() {
		var s signalled
		given := places{}
		r.tables.onUnhealthy.read(r, n, &s, given)
		r.required(given, "signal", n.at, "such as signal: SIGUSR1")
		to.action = spec.OnUnhealthy{Action: spec.UnhealthySignal, Signal: s.signal}
		return
	}
	words := []string{spec.UnhealthyRestart.String(), spec.UnhealthyNone.String()}
	s, ok := r.scalar(n, form{"restart, none or {signal: …}", "write one of these"})
	switch {
	case !ok:
	case !slices.Contains(words, s.text):
		r.wrong(n, form{"restart, none or {signal: …}", "write one of these"})
	default:
		to.action = spec.OnUnhealthy{Action: spec.UnhealthyAction(slices.Index(words, s.text))}
	}
}

// orWords is a mapping of the table ref, or one of some words.
func orWords(ref string, words ...string) kind {
	return kind{text: "mapping or " + strings.Join(words, " or "), ref: ref, schema: orExpanded(&subschema{
		AnyOf: []*subschema{{Ref: "#/$defs/" + ref}, {Enum: words}},
	})}
}

// word returns which of the words stands for a mapping; "" where n is one. It
// reports false after a problem.
func (r *reader) word(n node, words ...string) (string, bool) {
	if n.mapping() || n.null() {
		return "", true
	}
	f := form{oneOf(append([]string{"a mapping"}, words...)), "write one of these"}
	s, ok := r.scalar(n, f)
	if ok && !slices.Contains(words, s.text) {
		r.wrong(n, f)
		return "", false
	}
	return s.text, ok
}

// health reads a health: over that of a process.
func (r *reader) health(n node, to *process) {
	if word, ok := r.word(n, "none"); !ok || word == "none" {
		to.health = nil
		return
	}
	h := health{check: defaultCheck()}
	if to.health != nil {
		h = *to.health
		h.check = h.check.clone()
	}
	layer := r.tables.health.over(r, n, &h, h.at)
	h.kind = r.choose(append(checkKinds(), "checks"), layer, h.kind, checkHint)
	to.health = &h
}

// checks notes the mappings of several checks.
func (r *reader) checks(n node, to *health) {
	all := slices.Clone(to.several)
	for _, p := range r.pairs(n, form{"a mapping of names", "such as {api: {http: {url: …}}, port: {tcp: {address: …}}}"}) {
		if what, hint := badName(p.key); what != "" {
			r.problem(p.at, what, hint)
			continue
		}
		i := slices.IndexFunc(all, func(c namedCheck) bool { return c.name == p.key })
		if i < 0 {
			all = append(all, namedCheck{name: p.key})
			i = len(all) - 1
		}
		all[i].layers = append(slices.Clone(all[i].layers), p.value)
	}
	to.several = all
}

// checks returns the health checks of a process.
func (b *builder) checks(d *process, p pair) []spec.Check {
	h := d.health
	if h == nil {
		return nil
	}
	switch h.kind {
	case "checks":
		return b.several(h)
	case "":
		if at, ok := own(d.at, "health", p.at.path); ok {
			b.r.problem(at, "names no check", "give it one of "+oneOf(checkKinds())+", or checks")
		}
		return nil
	default:
		return []spec.Check{b.check("", &h.check, p.at.key("health").path)}
	}
}

// several returns the checks that have names.
func (b *builder) several(h *health) []spec.Check {
	if len(h.several) == 0 {
		b.r.problem(h.at["checks"], "names no check", "such as {api: {http: {url: …}}}")
	}
	var out []spec.Check
	beats := 0
	for _, named := range h.several {
		c := h.check.clone()
		c.kind = ""
		var last place
		for _, layer := range named.layers {
			given := b.r.tables.check.over(b.r, layer, &c, c.at)
			c.kind = b.r.choose(checkKinds(), given, c.kind, "keep one, and give the other a name of its own")
			last = layer.at
		}
		switch c.kind {
		case "":
			b.r.problem(last, "names no check", "give it one of "+oneOf(checkKinds()))
			continue
		case "heartbeat":
			if beats++; beats > 1 {
				b.r.problem(c.at["heartbeat"], "is a second heartbeat", "a process has one $NOTIFY_SOCKET; keep one")
			}
		}
		out = append(out, b.check(named.name, &c, last.path))
	}
	return out
}

// check returns one check, and complains of what contradicts itself in it.
// What its kind does not use is zero, so that two which behave alike are equal.
func (b *builder) check(name string, c *check, path string) spec.Check {
	out := spec.Check{
		Name: name, Threshold: policy.Threshold{Failures: c.unhealthy, Successes: c.healthy},
		StartPeriod: c.startPeriod, OnUnhealthy: c.action,
	}
	if c.kind == "heartbeat" {
		beat := c.beat
		out.Heartbeat = &beat
		for _, key := range []string{"interval", "timeout", "unhealthy_threshold", "degraded_latency"} {
			if at, ok := own(c.at, key, path); ok {
				b.r.warning(at, "has no effect on a heartbeat", "remove it; the silence allowed is heartbeat.timeout")
			}
		}
		return out
	}
	out.Probe = b.r.probe(&c.probe, c.kind, c.at[c.kind])
	out.Interval = c.interval
	out.Timeout = b.r.probeTimeout(c.at, c.interval, c.timeout, path)
	out.DegradedLatency = c.slow
	if at, ok := own(c.at, "degraded_latency", path); ok && c.slow >= out.Timeout {
		b.r.warning(at, "is never reached: a probe has failed after timeout ("+short(out.Timeout)+")", "lower it or raise timeout")
	}
	return out
}

// probeTimeout returns the timeout of a probe that is repeated, which may not
// be longer than the interval; the default is shortened to it.
func (r *reader) probeTimeout(given places, interval, timeout time.Duration, path string) time.Duration {
	at, ok := given["timeout"]
	if !ok {
		return min(timeout, interval)
	}
	if timeout <= interval {
		return timeout
	}
	if every, ok := own(given, "interval", path); ok && !strings.HasPrefix(at.path, path+".") {
		r.problem(every, "is "+short(interval)+", below timeout ("+short(timeout)+")", "raise it or lower timeout")
	} else {
		r.problem(at, "is "+short(timeout)+", above interval ("+short(interval)+")", "lower it or raise interval")
	}
	return interval
}

// clone returns a copy that another layer can be read over.
func (c check) clone() check {
	c.probe = c.probe.clone()
	c.at = maps.Clone(c.at)
	return c
}
