package sim

import (
	"fmt"
	"math"
	"testing"
	"time"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// model is the supervision tree as SPEC sections 3 and 5 word it, written
// without a thought for speed, in a world where starts and stops take no time
// and only crashes happen. It shares no code with package tree or with
// policy.Budget.
type model struct {
	root  *part
	now   Time
	ended bool // gosup ends with code 1
}

// part is a process or a group.
type part struct {
	name    string
	proc    *spec.Process
	group   *spec.Group
	above   *part
	members []*part

	alive  bool
	failed bool
	from   Time // no start of it before
	until  Time // of a group: when its last restart of members starts them

	clock  time.Duration   // time in good standing
	grants []time.Duration // by the clock that its limit counts by
	row    int             // grants in a row, for the wall clock
	good   time.Duration   // length of the good stretch under way
}

func newPart(m spec.Member, above *part) *part {
	p := &part{proc: m.Process, group: m.Group, above: above}
	if m.Process != nil {
		p.name = m.Process.Name
		return p
	}
	p.name = m.Group.Name
	for _, c := range m.Group.Members {
		p.members = append(p.members, newPart(c, p))
	}
	return p
}

func (p *part) each(f func(*part)) {
	f(p)
	for _, m := range p.members {
		m.each(f)
	}
}

// up reports good standing: of a group, that no member that should run is down.
func (p *part) up() bool {
	if p.proc != nil {
		return p.alive
	}
	ok := !p.failed
	for _, m := range p.members {
		if !(m.proc != nil && m.failed) && !(m.group != nil && m.resting()) {
			ok = ok && m.up()
		}
	}
	return ok
}

// resting reports whether nothing in a group should run.
func (p *part) resting() bool {
	all := true
	p.each(func(q *part) { all = all && (q.proc == nil || q.failed) })
	return all
}

func (p *part) settings() *spec.Restart {
	if p.proc != nil {
		return &p.proc.Restart
	}
	if p.group.Restart != nil {
		return p.group.Restart
	}
	return &spec.Restart{
		Backoff: policy.Backoff{Curve: policy.Exponential, Initial: time.Second, Max: 30 * time.Second, Multiplier: 2},
		Limit:   policy.Limit{Max: 5, Within: time.Minute},
	}
}

// advance lets time pass in which nothing happens.
func (m *model) advance(to Time) {
	d := to.Sub(m.now)
	m.root.each(func(p *part) {
		if p.up() {
			p.clock += d
			p.good += d
		} else {
			p.good = 0
		}
	})
	m.now = to
}

func (m *model) reading(p *part) time.Duration {
	if p.settings().Limit.Clock == policy.Wall {
		return time.Duration(m.now)
	}
	return p.clock
}

func (m *model) count(p *part) (n int) {
	for _, g := range p.grants {
		if m.reading(p) < g+p.settings().Limit.Within {
			n++
		}
	}
	return n
}

// charge takes a restart from p's budget. It returns the delay and whether
// there was one to take; the delay is by b.
func (m *model) charge(p *part, b policy.Backoff) (time.Duration, bool) {
	l := p.settings().Limit
	if p.good >= l.Within {
		p.row = 0
	}
	n := m.count(p) + 1
	if l.Clock == policy.Wall {
		n = p.row + 1
	}
	if l.Max != policy.Unlimited && m.count(p) >= l.Max {
		return 0, false
	}
	p.grants = append(p.grants, m.reading(p))
	p.row++
	delay := b.Initial
	switch b.Curve {
	case policy.Immediate:
		delay = 0
	case policy.Exponential:
		f := float64(b.Initial)
		for range n - 1 {
			f = min(f*b.Multiplier, float64(b.Max))
		}
		delay = min(time.Duration(math.Round(f)), b.Max)
	}
	return delay, true
}

func (p *part) ordered() bool { return p.group != nil && p.group.Strategy != policy.OneForOne }

// crash is an unplanned end of p now, or of a group the spending of its budget.
func (m *model) crash(p *part) {
	up := p.above
	switch {
	case up.ordered():
		m.restartSome(up, p)
	case p.group != nil:
		if delay, ok := m.charge(up, p.settings().Backoff); ok {
			p.fresh()
			p.from = m.now.Add(delay)
		} else {
			m.spent(up)
		}
	default:
		m.restartOne(up, p)
	}
}

func (m *model) restartOne(up, p *part) {
	delay, ok := m.charge(p, p.proc.Restart.Backoff)
	switch {
	case ok && (up.group.Restart == nil || up.above == nil):
		p.from = m.now.Add(delay)
	case ok:
		if _, ok := m.charge(up, policy.Backoff{}); !ok {
			m.spent(up)
			return
		}
		p.from = m.now.Add(delay)
	case p.proc.Restart.OnExhausted != policy.Escalate:
		p.failed = true
	case up.above == nil:
		p.failed, m.ended = true, true
	default:
		delay, ok := m.charge(up, p.proc.Restart.Backoff)
		if !ok {
			m.spent(up)
			return
		}
		up.until = m.now.Add(delay)
		for _, q := range up.members {
			q.fresh()
			q.from = up.until
		}
	}
}

// restartSome restarts those members of an ordered group that its strategy
// names. While the last such restart waits to start, another joins it.
func (m *model) restartSome(up, p *part) {
	joined := m.now < up.until
	if !joined {
		delay, ok := m.charge(up, up.settings().Backoff)
		if !ok {
			m.spent(up)
			return
		}
		up.until = m.now.Add(delay)
	}
	hit := up.group.Strategy == policy.OneForAll
	for _, q := range up.members {
		hit = hit || q == p
		if hit {
			q.fresh()
			q.from = up.until
		}
	}
}

// fresh takes p down, to start anew: budgets are whole, what had failed is
// wanted again.
func (p *part) fresh() {
	p.each(func(q *part) {
		q.alive, q.failed, q.from, q.until = false, false, 0, 0
		q.grants, q.row = nil, 0
	})
}

// spent is what follows when group p has no restart left.
func (m *model) spent(p *part) {
	if p.group.OnExhausted == policy.Escalate && p.above != m.root {
		m.crash(p)
		return
	}
	p.each(func(q *part) { q.alive, q.failed, q.from, q.until = false, true, 0, 0 })
	if p.group.OnExhausted != policy.Stop {
		m.ended = true
	}
}

// start starts what is due, until there is no more. It returns when the next
// one is.
func (m *model) start() Time {
	next := policy.Never
	for again := true; again; {
		again, next = false, policy.Never
		m.root.each(func(p *part) {
			if p.proc == nil || p.alive || p.failed || m.ended {
				return
			}
			due, blocked := p.due()
			switch {
			case due > m.now:
				next = min(next, due)
			case !blocked:
				p.alive, again = true, true
			}
		})
	}
	return next
}

// due returns when p may start as far as delays are concerned, and whether an
// earlier member of an ordered group around it is not up.
func (p *part) due() (at Time, blocked bool) {
	for q := p; q.above != nil; q = q.above {
		at = max(at, q.from)
		if !q.above.ordered() {
			continue
		}
		for _, before := range q.above.members {
			if before == q {
				break
			}
			blocked = blocked || !before.up() && !(before.proc != nil && before.failed) && !(before.group != nil && before.resting())
		}
	}
	return at, blocked
}

// plain leaves of a tree only what the model knows.
func plain(g *spec.Group) {
	eachProcess(g, func(p *spec.Process) {
		p.Type, p.Autostart, p.Essential = spec.Service, true, false
		p.Restart.Policy, p.Restart.OnExit, p.Restart.Backoff.Jitter = policy.Always, nil, 0
		p.Readiness, p.Checks, p.DependsOn, p.Requires, p.Hooks = nil, nil, nil, nil, spec.Hooks{}
	})
	eachGroup(g, func(g *spec.Group) {
		if g.Restart != nil {
			g.Restart.Backoff.Jitter = 0
		}
	})
}

func eachGroup(g *spec.Group, f func(*spec.Group)) {
	f(g)
	for _, m := range g.Members {
		if m.Group != nil {
			eachGroup(m.Group, f)
		}
	}
}

// TestModel lets random processes of random trees crash at random times and
// compares the tree with the model after each.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed <= 600; seed++ {
		if fault := survive(func() { compare(seed) }); fault != nil {
			t.Fatalf("seed %d: %v", seed, fault)
		}
	}
}

func compare(seed uint64) {
	d := fromSeed(seed)
	s := randomTree(d, 1+d.IntN(12))
	s.Dependencies = nil
	plain(&s.Root)
	const begin = Time(time.Hour)
	w := NewWorld(s, 1, begin)
	m := &model{root: newPart(spec.Member{Group: &s.Root}, nil), now: begin}
	parts := map[string]*part{}
	m.root.each(func(p *part) { parts[p.name] = p })
	for range 60 {
		// Crashes come at odd microseconds, so that none meets a start.
		next := m.now.Add(pick(d, ms, 20*ms, 700*ms, 3*time.Second, 40*time.Second)) | 1
		for {
			due := m.start()
			w.RunTo(m.now)
			agree(w, m, parts)
			if due > next || m.ended {
				break
			}
			m.advance(due)
		}
		if m.ended {
			return
		}
		m.advance(next)
		w.RunTo(next)
		var alive []*part
		m.root.each(func(p *part) {
			if p.alive {
				alive = append(alive, p)
			}
		})
		if len(alive) == 0 {
			continue
		}
		p := alive[d.IntN(len(alive))]
		p.alive = false
		w.End(w.Node(p.name).ID, tree.Exit{Code: 1})
		m.crash(p)
		m.advance(next) // whoever is down now has ended its good stretch
	}
}

// agree panics where the tree and the model differ.
func agree(w *World, m *model, parts map[string]*part) {
	if (w.Exiting() != nil) != m.ended {
		panic(fmt.Sprintf("at %v: the model ended: %v, the tree: %v", w.Now().Sub(Time(time.Hour)), m.ended, w.Exiting()))
	}
	if m.ended {
		return
	}
	for _, n := range w.View() {
		p := parts[n.Name]
		what := ""
		switch due, blocked := p.due(); {
		case n.IsGroup:
			if n.HasBudget && n.Restarts(w.Now()) != m.count(p) {
				what = fmt.Sprintf("count %d", m.count(p))
			}
		case p.alive != (n.State == tree.StateRunning), p.failed != (n.State == tree.StateFailed):
			what = fmt.Sprintf("alive %v, failed %v", p.alive, p.failed)
		case n.State == tree.StateBackoff && n.NextStartAt != due:
			what = fmt.Sprintf("next start in %v", due.Sub(w.Now()))
		case n.State == tree.StateWaiting && !blocked:
			what = "not blocked"
		case !p.above.ordered() && n.Restarts(w.Now()) != m.count(p):
			what = fmt.Sprintf("count %d", m.count(p))
		}
		if what != "" {
			panic(fmt.Sprintf("at %v: %s is %s (%s), next start in %v, count %d; the model says %s", w.Now().Sub(Time(time.Hour)),
				n.Name, n.State, n.Reason, n.NextStartAt.Sub(w.Now()), n.Restarts(w.Now()), what))
		}
	}
}
