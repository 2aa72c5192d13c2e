package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gosup/policy"
	"gosup/spec"
)

// process returns a process with the production preset.
func process(name string) *spec.Process {
	p := &spec.Process{Name: name, Autostart: true, Restart: spec.Restart{
		Backoff:      policy.Backoff{Curve: policy.Exponential, Initial: time.Second, Max: 30 * time.Second, Multiplier: 2},
		Limit:        policy.Limit{Max: 5, Within: time.Minute},
		SuccessCodes: []int{0},
	}}
	p.Stop.Steps = []spec.StopStep{{Signal: sigterm, Wait: time.Second}}
	return p
}

func treeOf(ps ...*spec.Process) *spec.Tree {
	s := &spec.Tree{}
	for _, p := range ps {
		s.Root.Members = append(s.Root.Members, spec.Member{Process: p})
	}
	return s
}

// SPEC's table of instant crashers, and what a run as long as the window
// divided by the limit changes.
func TestSimulate(t *testing.T) {
	t.Parallel()
	exponential := func(initial, most time.Duration, by float64) policy.Backoff {
		return policy.Backoff{Curve: policy.Exponential, Initial: initial, Max: most, Multiplier: by}
	}
	delayed := func(d time.Duration) policy.Backoff { return policy.Backoff{Curve: policy.Delayed, Initial: d} }
	const s = time.Second
	tests := []struct {
		name   string
		b      policy.Backoff
		l      policy.Limit
		after  time.Duration
		starts int // 0: not looked at
		failed time.Duration
		every  time.Duration // never exhausted; failed is not looked at
	}{
		{"immediate", policy.Backoff{}, policy.Limit{Max: 10, Within: 30 * s}, 0, 11, 0, 0},
		{"delayed", delayed(5 * s), policy.Limit{Max: 5, Within: 60 * s}, 0, 6, 25 * s, 0},
		{"production", exponential(s, 30*s, 2), policy.Limit{Max: 5, Within: 60 * s}, 0, 6, 31 * s, 0},
		{"strict", delayed(10 * s), policy.Limit{Max: 3, Within: 30 * s}, 0, 4, 30 * s, 0},
		{"exponential", exponential(s, 60*s, 2), policy.Limit{Max: 10, Within: 300 * s}, 0, 11, 303 * s, 0},
		{"lenient", exponential(500*ms, 120*s, 1.5), policy.Limit{Max: 20, Within: 600 * s}, 0, 21, 1010929260254, 0},
		{"just too short", delayed(s), policy.Limit{Max: 5, Within: 60 * s}, 12*s - 1, 6, 6*(12*s-1) + 5*s, 0},
		{"just long enough", delayed(s), policy.Limit{Max: 5, Within: 60 * s}, 12 * s, 0, 0, 13 * s},
		{"wall", delayed(30 * s), policy.Limit{Max: 5, Within: 60 * s, Clock: policy.Wall}, 0, 0, 0, 30 * s},
		{"no restart at all", delayed(s), policy.Limit{Max: 0, Within: s}, 3 * s, 1, 3 * s, 0},
	}
	for _, tt := range tests {
		p := process("p")
		p.Restart.Backoff, p.Restart.Limit = tt.b, tt.l
		o := Simulate(treeOf(p), Crash{Process: "p", After: tt.after, For: 24 * time.Hour})
		every, settles := o.Rate()
		if settles != (tt.every > 0) || every != tt.every || o.Failed != (tt.every == 0) {
			t.Errorf("%s: failed %v, settles %v at %v; want %v", tt.name, o.Failed, settles, every, tt.every)
		}
		if o.FailedAt != tt.failed || tt.starts != 0 && o.Starts != tt.starts {
			t.Errorf("%s: given up at %v after %d starts; want %v after %d", tt.name, o.FailedAt, o.Starts, tt.failed, tt.starts)
		}
	}
}

func TestSimulateWithoutEnd(t *testing.T) {
	t.Parallel()
	p := process("p")
	p.Restart.Backoff, p.Restart.Limit.Max = policy.Backoff{}, policy.Unlimited
	if o := Simulate(treeOf(p), Crash{Process: "p", For: time.Hour}); !o.Spins || o.Failed {
		t.Errorf("a loop without a pause: %+v", o)
	}
	o := Simulate(treeOf(p), Crash{Process: "p", After: ms, For: 24 * time.Hour})
	if every, ok := o.Rate(); o.Truncated == 0 || !ok || every != ms {
		t.Errorf("a fast loop: truncated at %v, every %v", o.Truncated, every)
	}
}

func TestSimulateTouchesOnlyItsPart(t *testing.T) {
	t.Parallel()
	a, b, c, d := process("a"), process("b"), process("c"), process("d")
	b.DependsOn = []spec.DependsOn{{Name: "a", Restart: true}}
	c.DependsOn = []spec.DependsOn{{Name: "b", Restart: true}}
	o := Simulate(treeOf(a, b, c, d), Crash{Process: "a", After: time.Second, For: time.Hour})
	got := fmt.Sprint(o.Others)
	if got != "[{b 5 false} {c 5 false}]" {
		t.Errorf("restarted with a: %s", got)
	}
}

func TestAdvise(t *testing.T) {
	t.Parallel()
	spin, wall, fine, never := process("spin"), process("wall"), process("fine"), process("never")
	spin.Restart.Backoff, spin.Restart.Limit.Max = policy.Backoff{}, policy.Unlimited
	wall.Restart.Limit.Clock, wall.Restart.Backoff = policy.Wall, policy.Backoff{Curve: policy.Delayed, Initial: 20 * time.Second}
	never.Restart = spin.Restart
	never.Restart.Policy = policy.Not
	again := process("again")
	again.Restart = spin.Restart
	s := treeOf(spin, wall, fine, never, again)
	for i := range herd {
		s.Root.Members = append(s.Root.Members, spec.Member{Process: process(fmt.Sprintf("many@%d", i+1))})
	}
	g := &spec.Group{Name: "g", Strategy: policy.OneForAll, Restart: &spin.Restart}
	g.Members = []spec.Member{{Process: process("g/a")}, {Process: process("g/b")}}
	s.Root.Members = append(s.Root.Members, spec.Member{Group: g})
	var got []string
	for _, a := range Advise(s) {
		got = append(got, a.Name+": "+a.What)
	}
	want := []string{
		"spin: what crashes at once is restarted for ever without a pause",
		"wall: its limit of 5 restarts within 1m is never reached: what crashes at once settles at one restart every 20s",
		"again: what crashes at once is restarted for ever without a pause",
		"g: what crashes at once is restarted for ever without a pause",
		"many: 10 instances with equal delays and no jitter restart all at the same moment",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
