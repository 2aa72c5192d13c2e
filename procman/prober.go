package procman

import (
	"context"
	"strconv"
	"sync/atomic"

	"gosup/healthcheck"
	"gosup/spec"
	"gosup/tree"
)

// maxProbes bounds the probes under way: a descriptor each, at least.
const maxProbes = 512

// prober sends probes. Each has a goroutine for as long as it is under way,
// and nothing is kept between them.
type prober struct {
	m     *Manager
	check healthcheck.Prober
	slots chan struct{}
	count atomic.Uint64
}

func newProber(m *Manager) *prober {
	return &prober{m: m, slots: make(chan struct{}, maxProbes)}
}

// healths translates what a probe says to what the tree knows.
var healths = map[healthcheck.Verdict]tree.Health{
	healthcheck.Unknown:   tree.HealthUnknown,
	healthcheck.Healthy:   tree.Healthy,
	healthcheck.Degraded:  tree.Degraded,
	healthcheck.Unhealthy: tree.HealthBad,
}

// send makes one probe and tells the tree of its result. l is what a command
// of the probe would run with, and it is killed once over is closed. It never
// blocks: where too many are under way, the result is that it could not be made.
func (p *prober) send(e tree.Probe, l launch, over <-chan struct{}) {
	answer := func(r healthcheck.Result) {
		p.m.timings.probed(e, r)
		p.m.Tell(tree.Probed{Node: e.Node, Run: e.Run, Check: e.Check, Dependency: e.Dependency,
			Health: healths[r.Verdict], Reason: r.Reason, Latency: r.Latency})
	}
	select {
	case p.slots <- struct{}{}:
	default:
		answer(healthcheck.Result{Verdict: healthcheck.Unknown, Reason: "too many probes under way"})
		return
	}
	go func() { // ends by the probe's timeout, but for what cannot be killed
		defer func() { <-p.slots }()
		answer(p.ask(e, l, over))
	}()
}

func (p *prober) ask(e tree.Probe, l launch, over <-chan struct{}) healthcheck.Result {
	switch {
	case e.Probe.HTTP != nil:
		return p.check.HTTP(context.Background(), e.Probe.HTTP, e.Timeout)
	case e.Probe.TCP != nil:
		return p.check.TCP(context.Background(), e.Probe.TCP, e.Timeout)
	default:
		return p.exec(e, l, over)
	}
}

// exec runs the command of a probe.
func (p *prober) exec(e tree.Probe, l launch, over <-chan struct{}) healthcheck.Result {
	begin := p.m.Now()
	l.Argv = e.Probe.Exec.Argv
	// A tag of its own: what the probe leaves behind is not the process's.
	l.Tag += "/probe" + strconv.FormatUint(p.count.Add(1), 10)
	l.Env = append(l.Env[:len(l.Env):len(l.Env)], "GOSUP_RUN="+l.Tag)
	end := p.m.tasks.runQuietly(l, e.Timeout, over)
	switch {
	case end.cancelled:
		return healthcheck.Result{Verdict: healthcheck.Unknown, Reason: "cancelled"}
	case end.why != "":
		return healthcheck.Result{Verdict: healthcheck.Unhealthy, Reason: spec.Line(end.why, 200)}
	}
	r := healthcheck.ExecVerdict(end.exit.Code, end.exit.Name, end.timedOut, end.lastLine, e.Probe.Exec.DegradedCodes)
	r.Latency = p.m.Now().Sub(begin)
	return r
}
