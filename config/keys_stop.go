package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gosup/spec"
)

// stop is the stop: of a process while it is read.
type stop struct {
	signal  int
	timeout time.Duration
	ladder  []spec.StopStep // instead of the two, if it has steps
	kill    spec.Kill
	at      places
}

func defaultStop() stop {
	return stop{signal: int(syscall.SIGTERM), timeout: 10 * time.Second, at: places{}}
}

func stopTable() table[stop] {
	kills := []string{spec.KillTree.String(), spec.KillGroup.String(), spec.KillProcess.String()}
	return table[stop]{
		name: "stop",
		doc:  "How a process is stopped: each signal with its wait, and SIGKILL at last.",
		keys: []key[stop]{
			signalKey("signal", "SIGTERM", "The signal that asks the process to end.", func(s *stop) *int { return &s.signal }),
			durationKey("timeout", "10s", "How long it may take before SIGKILL.", func(s *stop) *time.Duration { return &s.timeout }),
			choiceKey("kill", "tree", "Whom the signals reach: every descendant, wherever it went; the process group; or the process alone.",
				kills, func(s *stop, i int) { s.kill = spec.Kill(i) }),
			{
				name: "signals",
				kind: kind{
					text: "list of {signal, wait}", ref: "stop_step",
					schema: &subschema{Type: types{"array"}, Items: &subschema{Ref: "#/$defs/stop_step"}},
				},
				doc: "A longer ladder, instead of `signal` and `timeout`.",
				set: func(r *reader, n node, to *stop) { r.ladder(n, to) },
			},
		},
	}
}

// step is one entry of stop.signals while it is read.
type step struct {
	spec.StopStep
	at places
}

func stepTable() table[step] {
	return table[step]{
		name: "stop_step",
		doc:  "One rung of `signals`.",
		keys: []key[step]{
			signalKey("signal", "", "The signal.", func(s *step) *int { return &s.Signal }),
			durationKey("wait", "10s", "How long to wait before the next one.", func(s *step) *time.Duration { return &s.Wait }),
		},
	}
}

const maxSteps = 32

func (r *reader) ladder(n node, to *stop) {
	items, ok := r.items(n, form{"a list of {signal, wait}", "such as [{signal: SIGINT, wait: 5s}, {signal: SIGTERM, wait: 5s}]"})
	if !ok {
		return
	}
	if len(items) == 0 {
		r.problem(n.at, "has no steps", "remove it for signal and timeout")
	}
	if len(items) > maxSteps {
		r.problem(n.at, "has "+strconv.Itoa(len(items))+" steps", "at most "+strconv.Itoa(maxSteps))
		return
	}
	to.ladder = nil
	for _, item := range items {
		s := step{StopStep: spec.StopStep{Wait: 10 * time.Second}, at: places{}}
		r.tables.step.read(r, item, &s, s.at)
		if _, ok := s.at["signal"]; !ok && item.mapping() {
			r.problem(item.at.key("signal"), "is missing", "such as signal: SIGINT")
		}
		to.ladder = append(to.ladder, s.StopStep)
	}
}

// stop reads a stop: over to. A signal or timeout of a higher layer replaces
// the ladder of a lower one.
func (r *reader) stop(n node, to *stop) {
	lower := to.ladder
	to.ladder = nil
	layer := r.tables.stop.over(r, n, to, to.at)
	_, signal := layer["signal"]
	_, timeout := layer["timeout"]
	ladder, both := layer["signals"]
	switch {
	case both && len(to.ladder) > 0 && (signal || timeout):
		r.problem(ladder, "is given beside signal or timeout", "put them into the list, or remove it")
	case !signal && !timeout && !both:
		to.ladder = lower
	}
}

func (s stop) clone() stop {
	s.at = maps.Clone(s.at)
	return s
}

func (s stop) spec() spec.Stop {
	steps := s.ladder
	if len(steps) == 0 {
		steps = []spec.StopStep{{Signal: s.signal, Wait: s.timeout}}
	}
	return spec.Stop{Steps: slices.Clone(steps), Kill: s.kill}
}

func signalKey[T any](name, def, doc string, field func(*T) *int) key[T] {
	return key[T]{name: name, kind: signalKind(), def: def, doc: doc, set: func(r *reader, n node, to *T) {
		if v, ok := r.signal(n); ok {
			*field(to) = v
		}
	}}
}

// signal returns a signal's number.
func (r *reader) signal(n node) (int, bool) {
	f := form{"a signal", "such as SIGTERM, TERM or 15"}
	s, ok := r.scalar(n, f)
	if !ok {
		return 0, false
	}
	if v, ok := spec.SignalNumber(s.text); ok {
		return v, true
	}
	var names []string
	for v := 1; v <= 31; v++ {
		names = append(names, strings.ToLower(spec.SignalName(v)))
	}
	if near := nearest("sig"+strings.TrimPrefix(strings.ToLower(s.text), "sig"), names); near != "" {
		f.hint = "did you mean " + strings.ToUpper(near) + "?"
	}
	r.wrong(n, f)
	return 0, false
}
