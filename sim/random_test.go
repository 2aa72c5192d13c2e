package sim

import (
	"fmt"
	"time"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// dice make the choices of a random world.
type dice interface {
	IntN(n int) int // 0 … n-1
}

// chance is true in one of n cases.
func chance(d dice, n int) bool { return d.IntN(n) == 0 }

func pick[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

const ms = time.Millisecond

// randomTree returns a tree of about n nodes.
func randomTree(d dice, n int) *spec.Tree {
	s := &spec.Tree{}
	s.Supervisor.ShutdownTimeout = pick(d, 0, 50*ms, time.Second, 30*time.Second)
	for left := n; left > 0; {
		left -= addMember(d, &s.Root, left, 0)
	}
	for i := range d.IntN(3) {
		s.Dependencies = append(s.Dependencies, spec.Dependency{Name: fmt.Sprintf("d%d", i),
			Probe: spec.Probe{TCP: &spec.TCPProbe{Address: "x:1"}}, Interval: pick(d, 100*ms, 5*time.Second), Timeout: ms,
			Breaker:    policy.BreakerLimit{Failures: 1 + d.IntN(3), Recovery: pick(d, 10*ms, 10*time.Second), HalfOpenFailures: 1 + d.IntN(2)},
			StopOnOpen: chance(d, 2)})
	}
	tie(d, &s.Root)
	return s
}

// addMember adds a process or a group with members to g and returns how many
// nodes that took.
func addMember(d dice, g *spec.Group, left, depth int) int {
	name := fmt.Sprintf("n%d", len(g.Members))
	if g.Name != "" {
		name = g.Name + "/" + name
	}
	if depth == 3 || left < 2 || d.IntN(10) < 7 {
		g.Members = append(g.Members, spec.Member{Process: randomProcess(d, name)})
		return 1
	}
	child := &spec.Group{Name: name}
	randomGroup(d, child)
	used := 1
	for want := 1 + d.IntN(6); want > 0 && used < left; want-- {
		used += addMember(d, child, left-used, depth+1)
	}
	g.Members = append(g.Members, spec.Member{Group: child})
	return used
}

// randomGroup sets what a group has beside its members.
func randomGroup(d dice, g *spec.Group) {
	g.Strategy = policy.Strategy(d.IntN(3))
	g.OnExhausted = pick(d, policy.Stop, policy.Stop, policy.Escalate, policy.Escalate)
	if chance(d, 20) {
		g.OnExhausted = policy.Shutdown
	}
	g.Restart = nil
	if chance(d, 2) {
		r := randomRestart(d)
		g.Restart = &r
	}
}

func randomRestart(d dice) spec.Restart {
	return spec.Restart{
		Policy: pick(d, policy.Always, policy.Always, policy.OnFailure, policy.Not),
		Backoff: policy.Backoff{
			Curve: policy.Curve(d.IntN(3)), Initial: pick(d, 0, ms, 100*ms, time.Second),
			Max: pick(d, time.Second, 10*time.Second), Multiplier: pick(d, 1, 1.5, 2), Jitter: pick(d, 0, 0, 0.3),
		},
		Limit: policy.Limit{
			Max: pick(d, 0, 1, 2, 3, 5, 20, policy.Unlimited), Within: pick(d, 10*ms, time.Second, time.Minute),
			Clock: pick(d, policy.Running, policy.Running, policy.Wall),
		},
		SuccessCodes: []int{0},
		OnExit:       pick(d, nil, nil, []spec.ExitRule{{Class: "78", Never: true}, {Class: "SIGSEGV", Delay: 2 * time.Second}}),
		OnExhausted:  pick(d, policy.Stop, policy.Stop, policy.Stop, policy.Escalate),
	}
}

func randomProcess(d dice, name string) *spec.Process {
	p := &spec.Process{Name: name, Argv: []string{name}, Autostart: !chance(d, 10), Restart: randomRestart(d)}
	if chance(d, 5) {
		p.Type = spec.Oneshot
	}
	p.Essential = chance(d, 60)
	p.Stop.Kill = spec.Kill(d.IntN(3))
	for range 1 + d.IntN(2) {
		p.Stop.Steps = append(p.Stop.Steps, spec.StopStep{Signal: pick(d, sigterm, sigint), Wait: pick(d, 0, 10*ms, time.Second, 10*time.Second)})
	}
	if chance(d, 4) {
		p.Readiness = pick(d, &spec.Readiness{Notify: true}, &spec.Readiness{Delay: 5 * ms},
			&spec.Readiness{Probe: spec.Probe{TCP: &spec.TCPProbe{Address: name}}})
		r := *p.Readiness
		r.Timeout = pick(d, 100*ms, 30*time.Second)
		p.Readiness = &r
	}
	for range max(0, d.IntN(5)-2) {
		p.Checks = append(p.Checks, randomCheck(d))
	}
	if chance(d, 10) {
		p.Sockets, p.StartOnConnection = []spec.Socket{{Name: "s", Address: ":1"}}, true
	}
	if chance(d, 4) {
		for m := range p.Hooks {
			if chance(d, 2) {
				p.Hooks[m] = &spec.Hook{Commands: [][]string{{"hook"}}, Timeout: pick(d, 10*ms, 10*time.Second), MayFail: chance(d, 2)}
			}
		}
	}
	return p
}

func randomCheck(d dice) spec.Check {
	c := spec.Check{Interval: pick(d, 100*ms, time.Second, 10*time.Second), Timeout: 5 * ms,
		Threshold:   policy.Threshold{Failures: 1 + d.IntN(3), Successes: 1 + d.IntN(2)},
		StartPeriod: pick(d, 0, 0, time.Second),
		OnUnhealthy: pick(d, spec.OnUnhealthy{}, spec.OnUnhealthy{}, spec.OnUnhealthy{Action: spec.UnhealthyNone},
			spec.OnUnhealthy{Action: spec.UnhealthySignal, Signal: sighup})}
	if chance(d, 3) {
		c.Timeout = c.Interval
	}
	if chance(d, 4) {
		c.Heartbeat = &spec.Heartbeat{Timeout: pick(d, 30*ms, 3*time.Second)}
		return c
	}
	c.Probe.TCP = &spec.TCPProbe{Address: "x:1"}
	return c
}

// tie makes processes depend on earlier ones, and on what is outside.
func tie(d dice, root *spec.Group) {
	var earlier []*spec.Process
	eachProcess(root, func(p *spec.Process) {
		if chance(d, 4) && len(earlier) > 0 {
			on := earlier[d.IntN(len(earlier))]
			c := spec.DependsOn{Name: on.Name, Condition: pick(d, spec.Ready, spec.Started), Restart: chance(d, 3)}
			switch {
			case on.Type == spec.Oneshot:
				c.Condition = spec.Completed
			case len(on.Checks) > 0:
				c.Condition = spec.Healthy
			}
			p.DependsOn = []spec.DependsOn{c}
		}
		if chance(d, 8) {
			p.Requires = []string{fmt.Sprintf("d%d", d.IntN(3))}
		}
		earlier = append(earlier, p)
	})
}

// untie drops what a process depends on that does not come before it any more,
// as no configuration would be accepted with it.
func untie(root *spec.Group) {
	earlier := map[string]bool{}
	eachProcess(root, func(p *spec.Process) {
		for _, on := range p.DependsOn {
			if !earlier[on.Name] {
				p.DependsOn = nil
				break
			}
		}
		earlier[p.Name] = true
	})
}

// eachProcess calls f for a fresh copy of each process below g, in order.
func eachProcess(g *spec.Group, f func(*spec.Process)) {
	for i, m := range g.Members {
		if m.Group != nil {
			eachProcess(m.Group, f)
			continue
		}
		p := *m.Process
		g.Members[i].Process = &p
		f(&p)
	}
}

// change returns a definition that differs from s in a few places.
func change(d dice, s *spec.Tree) *spec.Tree {
	next := &spec.Tree{Supervisor: s.Supervisor, Dependencies: s.Dependencies, Root: changeGroup(d, &s.Root)}
	if chance(d, 3) {
		addMember(d, &next.Root, 5, 0)
		renumber(&next.Root)
	}
	untie(&next.Root)
	return next
}

func changeGroup(d dice, g *spec.Group) spec.Group {
	next := *g
	next.Members = nil
	if g.Name != "" && chance(d, 6) {
		randomGroup(d, &next)
	}
	for _, m := range g.Members {
		switch {
		case chance(d, 8):
			continue // removed
		case m.Group != nil:
			c := changeGroup(d, m.Group)
			m.Group = &c
		case chance(d, 6):
			m.Process = changeProcess(d, m.Process)
		}
		next.Members = append(next.Members, m)
	}
	if n := len(next.Members); n > 1 && chance(d, 6) {
		i := d.IntN(n - 1)
		next.Members[i], next.Members[i+1] = next.Members[i+1], next.Members[i]
	}
	return next
}

func changeProcess(d dice, p *spec.Process) *spec.Process {
	c := *p
	switch d.IntN(7) {
	case 4:
		c.Checks = []spec.Check{randomCheck(d)}
	case 5:
		c.DependsOn, c.Requires, c.Hooks = nil, nil, spec.Hooks{}
	case 0:
		c.Argv = append([]string{"other"}, p.Argv...)
	case 1:
		c.Restart = randomRestart(d)
	case 2:
		c.Autostart = !p.Autostart
	case 6:
		c.StartOnConnection = !c.StartOnConnection && len(c.Sockets) > 0
	case 3:
		c.Stop.Steps = []spec.StopStep{{Signal: sigterm, Wait: 20 * ms}}
	}
	return &c
}

// renumber gives the last member of the root a name that no other has.
func renumber(g *spec.Group) {
	taken := map[string]bool{}
	last := len(g.Members) - 1
	for _, m := range g.Members[:last] {
		taken[memberName(m)] = true
	}
	m := g.Members[last]
	name := memberName(m)
	if !taken[name] {
		return
	}
	if m.Process == nil {
		g.Members = g.Members[:last] // its members carry its name; leave it
		return
	}
	for i := 0; taken[name]; i++ {
		name = fmt.Sprintf("m%d", i)
	}
	m.Process.Name = name
}

func memberName(m spec.Member) string {
	if m.Group != nil {
		return m.Group.Name
	}
	return m.Process.Name
}

// tame takes out of a tree what ends the daemon.
func tame(g *spec.Group) {
	for i, m := range g.Members {
		if m.Process != nil {
			p := *m.Process
			p.Essential = false
			if g.Name == "" {
				p.Restart.OnExhausted = policy.Stop
			}
			g.Members[i].Process = &p
			continue
		}
		if m.Group.OnExhausted == policy.Shutdown || g.Name == "" {
			m.Group.OnExhausted = policy.Stop
		}
		tame(m.Group)
	}
}

// randomLife is one run in a world that is not well.
func randomLife(d dice) Life {
	l := Life{
		Spawn: pick(d, 0, 0, 0, ms, 50*ms),
		Runs:  pick(d, Forever, Forever, 0, ms, 10*ms, time.Second, 20*time.Second),
		Obeys: pick(d, 0, 0, ms, 15*ms, 3*time.Second, Forever),
		Code:  pick(d, 0, -1),
		Dies:  pick(d, 0, 0, ms, 7*time.Second),
		Ready: pick(d, 0, 0, 10*ms, time.Second, Forever),
		Well:  pick(d, Forever, Forever, 0, 50*ms, 5*time.Second), Latency: pick(d, 0, 0, 3*ms, time.Hour),
		Hook: pick(d, 0, ms, ms, Forever), HookFails: chance(d, 5),
		Knock: pick(d, 0, ms, 100*ms, 20*time.Second, Forever),
		Exit:  pick(d, tree.Exit{}, tree.Exit{Code: 1}, tree.Exit{Code: 1}, tree.Exit{Code: 78}, Killed(sigsegv), Killed(sigkill)),
	}
	switch d.IntN(20) {
	case 0, 1:
		l.Fails = "no such file"
	case 2:
		l.Fails, l.Busy = "text file busy", true
	case 3, 4, 5:
		l.Leaves, l.Remaining = true, pick(d, Forever, ms, time.Second)
	case 6:
		l.Taken = "address already in use"
	}
	return l
}

// well is a run in a world that has been healed.
var well = Life{Spawn: ms, Runs: Forever, Obeys: ms, Dies: ms, Ready: ms, Well: Forever, Hook: ms}
