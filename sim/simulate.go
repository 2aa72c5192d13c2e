package sim

import (
	"slices"
	"time"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// Crash is the question that Simulate answers: what becomes of a process that
// always crashes?
type Crash struct {
	Process string        // full name
	After   time.Duration // from the begin of each run to its crash, with exit code 1
	For     time.Duration // how long to look
}

// Outcome is what would happen. All else in the world is well: programs are
// found, stops are obeyed at once, checks pass, oneshots succeed.
type Outcome struct {
	Process  string
	Restart  *spec.Restart // whose delays and budget count: its own, or its group's
	Group    string        // the group whose they are; "" for its own
	Starts   int
	Restarts []Restart // in the order of time
	Others   []Other   // who else was started again, in tree order

	Failed    bool          // it was given up, or took the daemon with it
	FailedAt  time.Duration // when
	State     tree.State    // at the end
	Reason    string        // of that state, in words
	Exit      *tree.Exiting // the daemon ended; nil if it did not
	Spins     bool          // it restarts without end in no time: the clock stood still
	Truncated time.Duration // there were so many restarts that the look ended here; 0 if not
}

// Restart is one automatic restart.
type Restart struct {
	At    time.Duration // from the first start
	Delay time.Duration // from the crash before it
}

// Other is a process that a crash of another one has restarted.
type Other struct {
	Name     string
	Restarts int
	Failed   bool
}

const (
	// maxRestarts ends the look at a process that is restarted without end:
	// what it will go on doing is clear by then.
	maxRestarts = 20_000
	// maxSpins is how many restarts in no time make an endless loop.
	maxSpins = 1_000
)

// Simulate plays it through with the real tree.
func Simulate(s *spec.Tree, c Crash) Outcome {
	s = around(s, c.Process)
	m := simulation{crash: c, out: Outcome{Process: c.Process}, others: map[string]int{}}
	m.w = NewWorld(s, 1, Time(time.Hour))
	m.begin = m.w.Now()
	m.w.Unchecked = true
	m.w.Live = m.live
	m.w.Saw = m.saw
	for !m.enough() && m.w.Advance(m.begin.Add(c.For)) {
	}
	return m.conclude(s)
}

// simulation is one Simulate under way.
type simulation struct {
	crash  Crash
	w      *World
	begin  Time
	ended  Time // the last crash
	out    Outcome
	others map[string]int
	same   int // restarts since the clock last moved
}

func (m *simulation) live(p *spec.Process, _ uint64) Life {
	life := Steady
	switch {
	case p.Name == m.crash.Process:
		life.Runs, life.Exit = m.crash.After, tree.Exit{Code: 1}
	case p.Type == spec.Oneshot:
		life.Runs = 0
	}
	return life
}

func (m *simulation) saw(e tree.Effect) {
	switch e := e.(type) {
	case tree.Start:
		if e.Process.Name != m.crash.Process {
			m.others[e.Process.Name]++
			return
		}
		m.out.Starts++
		if m.out.Starts == 1 {
			m.begin = m.w.Now()
			return
		}
		r := Restart{At: m.w.Now().Sub(m.begin), Delay: m.w.Now().Sub(m.ended)}
		if n := len(m.out.Restarts); n > 0 && m.out.Restarts[n-1].At == r.At {
			m.same++
		} else {
			m.same = 0
		}
		m.out.Restarts = append(m.out.Restarts, r)
	case tree.Note:
		if e.Process == m.crash.Process && e.Exit != nil {
			m.ended = e.At
		}
		if e.Process == m.crash.Process && e.To == tree.StateFailed.String() && !m.out.Failed {
			m.out.Failed, m.out.FailedAt = true, e.At.Sub(m.begin)
		}
	}
}

// enough reports whether nothing new will come of looking on.
func (m *simulation) enough() bool {
	switch {
	case m.same >= maxSpins:
		m.out.Spins = true
		return true
	case len(m.out.Restarts) >= maxRestarts:
		m.out.Truncated = m.w.Now().Sub(m.begin)
		return true
	}
	return false
}

func (m *simulation) conclude(s *spec.Tree) Outcome {
	o := &m.out
	n := m.w.Node(m.crash.Process)
	o.State, o.Reason = n.State, n.Reason
	o.Exit = m.w.Exiting()
	if o.Exit != nil && !o.Failed {
		o.Failed, o.FailedAt = true, m.w.Now().Sub(m.begin)
	}
	for _, n := range m.w.View() {
		if again := m.others[n.Name] - 1; again > 0 || m.others[n.Name] > 0 && n.State == tree.StateFailed {
			o.Others = append(o.Others, Other{Name: n.Name, Restarts: again, Failed: n.State == tree.StateFailed})
		}
	}
	o.Restart, o.Group = payer(&s.Root, m.crash.Process)
	return *o
}

// Rate returns how often it is restarted once that has settled, as the time
// from one restart to the next; false if it is given up, or there are too few
// to tell.
func (o *Outcome) Rate() (time.Duration, bool) {
	n := len(o.Restarts)
	if o.Failed || o.Spins || n < 2 {
		return 0, false
	}
	from := n / 2 // what comes before may still be growing
	if from == n-1 {
		from--
	}
	every := (o.Restarts[n-1].At - o.Restarts[from].At) / time.Duration(n-1-from)
	return every, every > 0
}

// payer returns the settings by which a process is restarted, and the group
// that they belong to; "" for its own.
func payer(g *spec.Group, name string) (*spec.Restart, string) {
	for _, m := range g.Members {
		switch {
		case m.Group != nil:
			if r, of := payer(m.Group, name); r != nil {
				return r, of
			}
		case m.Process.Name != name:
		case g.Strategy.Ordered():
			return tree.GroupRestart(g), g.Name
		default:
			return &m.Process.Restart, ""
		}
	}
	return nil, ""
}

// around returns the part of a tree that has to do with a process: the member
// of the root that it is in, and whatever that depends on or is depended on by.
// What is outside of gosup is taken to be well, and so are the others' checks.
func around(s *spec.Tree, name string) *spec.Tree {
	tops := make([][]*spec.Process, len(s.Root.Members))
	top := map[string]int{} // by process
	for i, m := range s.Root.Members {
		tops[i] = processesOf(m)
		for _, p := range tops[i] {
			top[p.Name] = i
		}
	}
	keep := make([]bool, len(tops))
	keep[top[name]] = true
	for again := true; again; {
		again = false
		for i := range tops {
			for _, p := range tops[i] {
				for _, d := range p.DependsOn {
					j, ok := top[d.Name]
					if ok && keep[i] != keep[j] {
						keep[i], keep[j], again = true, true, true
					}
				}
			}
		}
	}
	out := &spec.Tree{Supervisor: s.Supervisor}
	out.Supervisor.ParallelStarts = 0
	out.Root = s.Root
	out.Root.Members = nil
	for i, m := range s.Root.Members {
		if keep[i] {
			out.Root.Members = append(out.Root.Members, stripped(m, name))
		}
	}
	return out
}

// stripped returns a member without what takes steps and changes nothing.
func stripped(m spec.Member, name string) spec.Member {
	if m.Group != nil {
		g := *m.Group
		g.Members = nil
		for _, c := range m.Group.Members {
			g.Members = append(g.Members, stripped(c, name))
		}
		return spec.Member{Group: &g}
	}
	p := *m.Process
	p.Requires, p.Hooks = nil, spec.Hooks{}
	p.Autostart = p.Autostart || p.Name == name
	if p.Name != name {
		p.Checks = nil
		for i, d := range p.DependsOn {
			if d.Condition == spec.Healthy {
				p.DependsOn = slices.Clone(p.DependsOn)
				p.DependsOn[i].Condition = spec.Ready
			}
		}
	}
	return spec.Member{Process: &p}
}

func processesOf(m spec.Member) []*spec.Process {
	if m.Process != nil {
		return []*spec.Process{m.Process}
	}
	var out []*spec.Process
	for _, c := range m.Group.Members {
		out = append(out, processesOf(c)...)
	}
	return out
}

// Processes returns the full names of all processes of a tree, in order.
func Processes(s *spec.Tree) []string {
	var names []string
	for _, p := range processesOf(spec.Member{Group: &s.Root}) {
		names = append(names, p.Name)
	}
	return names
}

// unlimited reports whether a budget has no end.
func unlimited(l policy.Limit) bool { return l.Max == policy.Unlimited }
