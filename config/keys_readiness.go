package config

import (
	"maps"
	"time"

	"gosup/spec"
)

// readiness is the readiness: of a process while it is read.
type readiness struct {
	probe
	kind    string // notify, http, exec, tcp, log, fd or delay; "" for none
	notify  bool
	log     string
	fd      int
	delay   time.Duration
	timeout time.Duration
	at      places
}

// The descriptors on which a process can say that it is ready: the first three
// have their meaning.
const firstFD, lastFD = 3, 1023

func defaultReadiness() readiness {
	return readiness{probe: defaultProbe(), timeout: 30 * time.Second, at: places{}}
}

// readinessKinds returns the keys of which a readiness has one.
func readinessKinds() []string {
	return []string{"notify", "http", "exec", "tcp", "log", "fd", "delay"}
}

func readinessTable() table[readiness] {
	keys := []key[readiness]{
		boolKey("notify", "false", "It says so by READY=1 on `$NOTIFY_SOCKET`, as for systemd.",
			func(t *readiness) *bool { return &t.notify }),
	}
	keys = append(keys, lift(probeKeys(), func(t *readiness) *probe { return &t.probe })...)
	keys = append(keys,
		patternKey("log", "It has written a line that this regular expression (RE2) matches.",
			func(t *readiness) *string { return &t.log }),
		intKey("fd", "", "It has written a newline to this descriptor, as for s6.", firstFD, lastFD,
			func(t *readiness) *int { return &t.fd }),
		periodKey("delay", "", "It has run for this long.", time.Millisecond,
			func(t *readiness) *time.Duration { return &t.delay }),
		periodKey("timeout", "30s", "What is not ready by then has failed to start.", time.Millisecond,
			func(t *readiness) *time.Duration { return &t.timeout }),
	)
	return table[readiness]{
		name: "readiness",
		doc: "When a process that has been started counts as `running`, and those that depend on it may start: one of `notify`," +
			" `http`, `exec`, `tcp`, `log`, `fd` and `delay`. The word `notify` may stand instead of the mapping, or `none`: at once," +
			" as without this key, whatever `defaults` say. Probes are made soon after the start, then every 500ms at the latest.",
		keys: keys,
	}
}

// readiness reads a readiness: over that of a process.
func (r *reader) readiness(n node, to *process) {
	t := defaultReadiness()
	switch word, ok := r.word(n, "notify", "none"); {
	case !ok || word == "none":
		to.readiness = nil
		return
	case word == "notify":
		t.kind = word
		to.readiness = &t
		return
	case to.readiness != nil:
		t = to.readiness.clone()
	}
	layer := r.tables.readiness.over(r, n, &t, t.at)
	if _, given := layer["notify"]; given && !t.notify {
		delete(layer, "notify")
		if t.kind == "notify" {
			t.kind = ""
		}
	}
	t.kind = r.choose(readinessKinds(), layer, t.kind, "keep one")
	to.readiness = &t
}

// readiness returns the readiness of a process. What its kind does not use is
// zero, so that two which behave alike are equal.
func (b *builder) readiness(d *process, p pair) *spec.Readiness {
	t := d.readiness
	if t == nil {
		return nil
	}
	at, said := own(d.at, "readiness", p.at.path)
	out := &spec.Readiness{Timeout: t.timeout}
	switch t.kind {
	case "":
		if said {
			b.r.problem(at, "does not say by what", "give it one of "+oneOf(readinessKinds())+"; without readiness, started is ready")
		}
		return nil
	case "notify":
		out.Notify = true
	case "log":
		out.Log = t.log
		if o := d.logs.Output; o == spec.OutputNone || o == spec.OutputInherit {
			b.r.problem(t.at["log"], "is never seen: logs.output is "+o.String(), "choose another output, or another readiness")
		}
	case "fd":
		out.FD = t.fd
	case "delay":
		out.Delay, out.Timeout = t.delay, 0
		if where, ok := own(t.at, "timeout", p.at.path); ok {
			b.r.warning(where, "has no effect with delay", "remove it")
		}
	default:
		out.Probe = b.r.probe(&t.probe, t.kind, t.at[t.kind])
	}
	return out
}

// clone returns a copy that another layer can be read over.
func (t readiness) clone() readiness {
	t.probe = t.probe.clone()
	t.at = maps.Clone(t.at)
	return t
}
