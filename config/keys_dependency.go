package config

import (
	"fmt"
	"strings"
	"time"

	"gosup/policy"
	"gosup/spec"
)

// dependency is one entry of dependencies: while it is read.
type dependency struct {
	probe
	interval   time.Duration
	timeout    time.Duration
	breaker    policy.BreakerLimit
	stopOnOpen bool
	at         places
}

func dependencyTable() table[dependency] {
	keys := lift(probeKeys(), func(d *dependency) *probe { return &d.probe })
	keys = append(keys,
		periodKey("interval", "5s", "The time from one probe to the next.", leastInterval,
			func(d *dependency) *time.Duration { return &d.interval }),
		periodKey("timeout", "2s", "How long a probe may take, at most the interval: that is the default of a shorter one.",
			time.Millisecond, func(d *dependency) *time.Duration { return &d.timeout }),
		key[dependency]{
			name: "breaker", kind: mappingKind("breaker"), aka: []string{"circuit_breaker", "circuitbreaker"},
			doc: "When its circuit breaker opens and closes.",
			set: func(r *reader, n node, to *dependency) { r.tables.breaker.read(r, n, &to.breaker, nil) },
		},
		choiceKey("on_open", "keep", "What becomes of running processes that require it when the breaker opens: they are kept, or stopped.",
			[]string{"keep", "stop"}, func(d *dependency, i int) { d.stopOnOpen = i == 1 }),
	)
	return table[dependency]{
		name: "dependency",
		doc: "Something outside of gosup that processes require, behind a circuit breaker: while that is open, they are not started" +
			" and spend no budget. It is asked by one of `http`, `exec` and `tcp`, or by none: then only `gosup ctl guard` feeds the breaker.",
		keys: keys,
	}
}

func breakerTable() table[policy.BreakerLimit] {
	return table[policy.BreakerLimit]{
		name: "breaker",
		doc:  "The circuit breaker of a dependency.",
		keys: []key[policy.BreakerLimit]{
			intKey("failure_threshold", "5", "How many failures in a row open it.", 1, 10_000,
				func(l *policy.BreakerLimit) *int { return &l.Failures }),
			periodKey("recovery_timeout", "30s", "How long after the last failure it is half open: one trial at a time may pass.",
				time.Millisecond, func(l *policy.BreakerLimit) *time.Duration { return &l.Recovery }),
			intKey("half_open_failures", "1", "How many failed trials open it again. A success closes it.", 1, 10_000,
				func(l *policy.BreakerLimit) *int { return &l.HalfOpenFailures }),
		},
	}
}

// dependencies returns the dependencies of all files.
func (b *builder) dependencies(list []node) []spec.Dependency {
	var out []spec.Dependency
	b.supplies = map[string]place{}
	for _, n := range list {
		for _, p := range b.r.pairs(n, form{"a mapping of names", `such as {postgres: {tcp: {address: "127.0.0.1:5432"}}}`}) {
			if what, hint := badName(p.key); what != "" {
				b.r.problem(p.at, what, hint)
				continue
			}
			if first, taken := b.supplies[p.key]; taken {
				b.r.problem(p.at, "is defined twice", fmt.Sprintf("first at %s:%d; rename or remove one", first.src.name, first.line))
				continue
			}
			b.supplies[p.key] = p.at
			out = append(out, b.r.dependency(p))
		}
	}
	return out
}

func (r *reader) dependency(p pair) spec.Dependency {
	d := dependency{
		probe: defaultProbe(), interval: 5 * time.Second, timeout: 2 * time.Second,
		breaker: policy.BreakerLimit{Failures: 5, Recovery: 30 * time.Second, HalfOpenFailures: 1},
		at:      places{},
	}
	r.tables.dependency.read(r, p.value, &d, d.at)
	kind := r.choose([]string{"http", "exec", "tcp"}, d.at, "", "keep one")
	out := spec.Dependency{Name: p.key, Breaker: d.breaker, StopOnOpen: d.stopOnOpen}
	if kind == "" {
		for _, key := range []string{"interval", "timeout"} {
			if at, ok := d.at[key]; ok {
				r.warning(at, "has no effect without a probe", "add one of http, exec and tcp, or remove it")
			}
		}
		return out
	}
	out.Probe = r.probe(&d.probe, kind, d.at[kind])
	out.Interval = d.interval
	out.Timeout = r.probeTimeout(d.at, d.interval, d.timeout, p.at.path)
	if e := out.Probe.Exec; e != nil && len(e.Argv) > 0 {
		// It has no directory to be relative to but that of the file.
		if name := e.Argv[0]; strings.Contains(name, "/") {
			e.Argv = append([]string{absolute(p.at.src.dir, name)}, e.Argv[1:]...)
		}
	}
	return out
}
