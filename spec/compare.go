package spec

import "reflect"

// Equal reports whether two definitions are the same.
func (p *Process) Equal(q *Process) bool { return reflect.DeepEqual(p, q) }

// SameRun reports whether a run of p can go on as a run of q: they differ at
// most in what takes effect without a new run.
func (p *Process) SameRun(q *Process) bool {
	a, b := p.RunPart(), q.RunPart()
	return a.Equal(&b)
}

// RunPart returns p without what takes effect without a new run.
func (p *Process) RunPart() Process {
	c := *p
	c.Description = ""
	c.Autostart, c.Essential = false, false
	c.Restart = Restart{}
	c.Stop = Stop{}
	c.Hooks, c.ReloadSignal = Hooks{}, 0
	c.DependsOn, c.Requires, c.Watch = nil, nil, nil
	c.StartOnConnection = false
	c.Checks = heartbeats(c.Checks)
	if c.Logs.Output != OutputNone && c.Logs.Output != OutputInherit {
		// The run writes to FIFOs that stay; what lies behind them may change.
		c.Logs = Logs{StderrFile: c.Logs.StderrFile, Format: c.Logs.Format}
	}
	return c
}

// heartbeats returns the checks that a run knows of, by its environment.
func heartbeats(checks []Check) (out []Check) {
	for _, c := range checks {
		if c.Heartbeat != nil {
			out = append(out, Check{Heartbeat: &Heartbeat{Timeout: c.Heartbeat.Timeout}})
		}
	}
	return out
}

// Same reports whether two groups have the same settings, whatever their
// members.
func (g *Group) Same(h *Group) bool {
	a, b := *g, *h
	a.Members, b.Members = nil, nil
	return reflect.DeepEqual(a, b)
}
