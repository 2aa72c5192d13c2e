package config

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gosup/policy"
	"gosup/spec"
)

const maxRestarts = 1_000_000

// restart is the restart: of a process or group while it is read.
type restart struct {
	policy      policy.When
	curve       policy.Curve
	delay       time.Duration
	initial     time.Duration
	max         time.Duration
	multiplier  float64
	jitter      float64
	limit       policy.Limit
	success     []int
	onExit      []spec.ExitRule
	onExhausted policy.OnExhausted

	at     places
	preset place // where a preset was named; its src is nil if none was
}

// production is the preset of everything that nobody has set.
func production() restart {
	return restart{
		policy: policy.Always, curve: policy.Exponential,
		delay: 5 * time.Second, initial: time.Second, max: 30 * time.Second, multiplier: 2,
		limit:   policy.Limit{Max: 5, Within: time.Minute},
		success: []int{0},
		at:      places{},
	}
}

func presetNames() []string {
	return []string{"production", "strict", "lenient", "development", "delayed", "never"}
}

// preset returns the restart of a preset's name.
func preset(name string) restart {
	p := production()
	switch name {
	case "strict":
		p.curve, p.delay = policy.Delayed, 10*time.Second
		p.limit = policy.Limit{Max: 3, Within: 30 * time.Second}
	case "lenient":
		p.initial, p.multiplier, p.max = 500*time.Millisecond, 1.5, 2*time.Minute
		p.limit = policy.Limit{Max: 20, Within: 10 * time.Minute}
	case "development":
		p.curve = policy.Immediate
		p.limit = policy.Limit{Max: 10, Within: 30 * time.Second}
	case "delayed":
		p.curve = policy.Delayed
	case "never":
		p.policy = policy.Not
	}
	return p
}

func restartTable() table[restart] {
	policies := []string{policy.Always.String(), policy.OnFailure.String(), policy.Not.String()}
	curves := []string{policy.Immediate.String(), policy.Delayed.String(), policy.Exponential.String()}
	clocks := []string{policy.Running.String(), policy.Wall.String()}
	exhausted := []string{policy.Stop.String(), policy.Escalate.String()}
	return table[restart]{
		name: "restart",
		doc: "When, how fast and how often a process is restarted. The name of a preset may stand instead of the mapping:" +
			" `production` (the defaults below), `strict` (delayed 10s, 3 within 30s), `lenient` (exponential_backoff from 500ms" +
			" by 1.5 up to 120s, 20 within 600s), `development` (immediate, 10 within 30s), `delayed` (delayed 5s, 5 within 60s)," +
			" `never` (policy never). A mapping refines a preset that `defaults` names.",
		keys: []key[restart]{
			choiceKey("policy", "always", "After which ends the process is restarted: every one, those that were no success, or none.",
				policies, func(t *restart, i int) { t.policy = policy.When(i) }),
			choiceKey("strategy", "exponential_backoff", "How the delay before a restart grows.",
				curves, func(t *restart, i int) { t.curve = policy.Curve(i) }),
			durationKey("delay", "5s", "The delay of the strategy `delayed`.",
				func(t *restart) *time.Duration { return &t.delay }),
			durationKey("initial_delay", "1s", "The first delay of `exponential_backoff`. Restart n waits"+
				" initial_delay × multiplier^(n-1), at most max_delay; n is 1 more than the restarts not yet forgotten.",
				func(t *restart) *time.Duration { return &t.initial }),
			durationKey("max_delay", "30s", "The longest delay of `exponential_backoff`.",
				func(t *restart) *time.Duration { return &t.max }),
			floatKey("multiplier", "2.0", "By how much each delay of `exponential_backoff` is longer than the one before.",
				1, math.MaxFloat64, func(t *restart) *float64 { return &t.multiplier }),
			floatKey("jitter", "0", "The share of a delay by which it varies at random, either way.",
				0, 1, func(t *restart) *float64 { return &t.jitter }),
			{
				name: "max_restarts", kind: maxRestartsKind(), def: "5",
				doc: "How many restarts are granted before the process is failed: while fewer than this many are" +
					" remembered, the next one is granted. 0: the first failure is final.",
				set: func(r *reader, n node, to *restart) {
					if v, ok := r.maxRestarts(n); ok {
						to.limit.Max = v
					}
				},
			},
			{
				name: "within", kind: durationKind(), def: "60s",
				doc: "For how long of good running a restart is remembered.",
				set: func(r *reader, n node, to *restart) {
					v, ok := r.duration(n)
					if ok && v == 0 {
						r.problem(n.at, "is "+n.describe()+" and must be above 0", "for no limit write max_restarts: unlimited")
						return
					}
					if ok {
						to.limit.Within = v
					}
				},
			},
			choiceKey("within_clock", "running", "In which time `within` is measured: only while the process is in good standing,"+
				" or all the time, as OTP and systemd do. Under `wall` a backoff can make the limit unreachable.",
				clocks, func(t *restart, i int) { t.limit.Clock = policy.WithinClock(i) }),
			{
				name: "success_exit_codes", kind: listKind("list of exit codes", intKind(0, 255).schema), def: "[0]",
				doc: "The exit codes that count as success.",
				set: func(r *reader, n node, to *restart) {
					if v, ok := r.exitCodes(n, 0); ok {
						to.success = v
					}
				},
			},
			{
				name: "on_exit", kind: onExitKind(), def: "{}",
				doc: "What differs for one class of failures, by exit code, signal name or `oom`: `never` for no restart" +
					" any more, or `{delay: 30s}` for at least that delay.",
				set: func(r *reader, n node, to *restart) { r.onExit(n, to) },
			},
			choiceKey("on_exhausted", "stop", "What a spent budget leads to: the process is failed, and with `escalate` that is"+
				" charged to its group as well, or ends gosup with code 1 where there is no group.",
				exhausted, func(t *restart, i int) { t.onExhausted = policy.OnExhausted(i) }),
		},
	}
}

// groupRestartTable is the part of a restart that a group has: a budget and
// delays. When to restart is a matter of its members.
func groupRestartTable(t table[restart]) table[restart] {
	t.name = "group_restart"
	t.doc = "A group's own budget, counted over all automatic restarts inside it, and the delays of group restarts." +
		" The name of a preset may stand instead of the mapping."
	t.keys = slices.Clone(t.keys)
	t.keys = slices.DeleteFunc(t.keys, func(k key[restart]) bool {
		return slices.Contains([]string{"policy", "success_exit_codes", "on_exit", "on_exhausted"}, k.name)
	})
	return t
}

// restartKind is a mapping of the table ref or the name of a preset.
func restartKind(ref string, presets []string) kind {
	return kind{text: "mapping or preset", ref: ref, schema: orExpanded(&subschema{AnyOf: []*subschema{
		{Ref: "#/$defs/" + ref}, {Enum: presets},
	}})}
}

// restart reads a restart: over to.
func (r *reader) restart(n node, t *table[restart], presets []string, to *restart) {
	if n.mapping() || n.null() {
		t.read(r, n, to, to.at)
		r.checkRestart(n, to)
		return
	}
	if n.list() {
		r.wrong(n, form{"a mapping or the name of a preset", oneOf(presets)})
		return
	}
	if _, err := policy.ParseWhen(strings.ReplaceAll(n.y.Value, "-", "_")); err == nil && n.y.Value != "never" {
		r.problem(n.at, "is "+n.describe()+", which is a policy and not the name of a preset",
			"write {policy: "+strings.ReplaceAll(n.y.Value, "-", "_")+"}")
		return
	}
	if i, ok := r.choice(n, presets); ok {
		*to = preset(presets[i])
		to.preset = n.at
	}
}

// checkRestart refuses what contradicts itself between keys.
func (r *reader) checkRestart(n node, t *restart) {
	if t.initial <= t.max {
		return
	}
	if at, ok := t.at["max_delay"]; ok && strings.HasPrefix(at.path, n.at.path) {
		r.problem(at, "is "+short(t.max)+", below initial_delay ("+short(t.initial)+")", "raise it or lower initial_delay")
	} else if at, ok := t.at["initial_delay"]; ok {
		r.problem(at, "is "+short(t.initial)+", above max_delay ("+short(t.max)+")", "lower it or raise max_delay")
	}
}

func maxRestartsKind() kind {
	zero, most := 0.0, float64(maxRestarts)
	return kind{text: "whole number or `unlimited`", literal: true, schema: orExpanded(&subschema{AnyOf: []*subschema{
		{Type: types{"integer"}, Minimum: &zero, Maximum: &most}, {Enum: []string{"unlimited"}},
	}})}
}

func (r *reader) maxRestarts(n node) (int, bool) {
	f := form{"a number of restarts", "a whole number from 0 to " + strconv.Itoa(maxRestarts) + ", or unlimited"}
	s, ok := r.scalar(n, f)
	if !ok {
		return 0, false
	}
	if s.text == "unlimited" {
		return policy.Unlimited, true
	}
	if _, err := strconv.Atoi(s.text); !s.is("!!int") || err != nil {
		r.wrong(n, f)
		return 0, false
	}
	return r.integer(n, 0, maxRestarts)
}

// exitCodes returns a list of exit codes from least on, each once.
func (r *reader) exitCodes(n node, least int) ([]int, bool) {
	items, ok := r.items(n, form{"a list of exit codes", "such as [" + strconv.Itoa(least) + ", 3]"})
	if !ok {
		return nil, false
	}
	var codes []int
	for _, item := range items {
		if c, ok := r.integer(item, least, 255); ok && !slices.Contains(codes, c) {
			codes = append(codes, c)
		}
	}
	return codes, true
}

// rule is one entry of on_exit while it is read.
type rule struct{ delay time.Duration }

func ruleTable() table[rule] {
	return table[rule]{
		name: "exit_rule",
		doc:  "What `on_exit` says of one class of failures, where it is not `never`.",
		keys: []key[rule]{
			durationKey("delay", "", "The least delay before the restart.", func(t *rule) *time.Duration { return &t.delay }),
		},
	}
}

func onExitKind() kind {
	return namesKind("mapping of exit codes, signals or `oom` to `never` or {delay: …}", "exit_rule",
		orExpanded(&subschema{AnyOf: []*subschema{{Ref: "#/$defs/exit_rule"}, {Enum: []string{"never"}}}}), "")
}

func (r *reader) onExit(n node, to *restart) {
	rules := slices.Clone(to.onExit)
	for _, p := range r.pairs(n, form{"a mapping of exit codes, signals or oom", "such as {78: never}"}) {
		class, ok := exitClass(p.key)
		if !ok {
			r.problem(p.at, "is no exit code from 0 to 255, no signal and not oom", "such as 78, SIGSEGV or oom")
			continue
		}
		set := spec.ExitRule{Class: class}
		if p.value.mapping() {
			var v rule
			r.tables.rule.read(r, p.value, &v, nil)
			set.Delay = v.delay
		} else if s, ok := r.scalar(p.value, form{"never or {delay: …}", "write one of these"}); !ok {
			continue
		} else if s.text != "never" {
			r.wrong(p.value, form{"never or {delay: …}", "write one of these"})
			continue
		} else {
			set.Never = true
		}
		rules = slices.DeleteFunc(rules, func(e spec.ExitRule) bool { return e.Class == class })
		rules = append(rules, set)
	}
	to.onExit = rules
}

// exitClass returns the class of failures that a key of on_exit names.
func exitClass(key string) (string, bool) {
	if key == "oom" {
		return key, true
	}
	if code, err := strconv.Atoi(key); err == nil {
		return strconv.Itoa(code), code >= 0 && code <= 255
	}
	number, ok := spec.SignalNumber(key)
	return spec.SignalName(number), ok
}

// clone returns a copy that can be refined without changing t.
func (t restart) clone() restart {
	t.at = maps.Clone(t.at)
	return t // its slices are replaced, never changed in place
}

// spec returns the restart as the tree takes it. What its strategy does not
// use is zero, so that two which behave alike are equal.
func (t restart) spec() spec.Restart {
	b := policy.Backoff{Curve: t.curve}
	switch t.curve {
	case policy.Delayed:
		b.Initial, b.Jitter = t.delay, t.jitter
	case policy.Exponential:
		b.Initial, b.Max, b.Multiplier, b.Jitter = t.initial, t.max, t.multiplier, t.jitter
	}
	return spec.Restart{
		Policy: t.policy, Backoff: b, Limit: t.limit,
		SuccessCodes: t.success, OnExit: t.onExit, OnExhausted: t.onExhausted,
	}
}
