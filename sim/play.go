package sim

import (
	"fmt"
	"slices"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// Failure is an expectation that was not met.
type Failure struct {
	Line, Col int
	What      string
}

// Play plays a test against a configuration, whose names it has been checked
// against, and returns what was not as expected.
func (t *Test) Play(s *spec.Tree) []Failure {
	p := &playing{test: t, names: Processes(s), begin: Time(time.Hour), failing: map[string]int{}}
	p.w = NewWorld(s, 1, p.begin)
	p.w.Unchecked = true
	p.w.Live = p.live
	p.w.Supply = p.supply
	for _, g := range t.given {
		for _, name := range p.selected(g.name) {
			if g.verb == "fail" {
				p.failing[name] = g.count
			}
		}
	}
	for _, at := range p.moments() {
		p.w.RunTo(p.begin.Add(at))
		for _, g := range t.given {
			if g.verb != "down" && slices.Contains(g.at, at) {
				p.do(g)
			}
		}
		p.w.RunTo(p.begin.Add(at))
		for _, e := range t.expect {
			if e.at == at || e.at == 0 && at == t.For {
				p.look(e)
			}
		}
	}
	return p.failures
}

// playing is a test under way.
type playing struct {
	test     *Test
	w        *World
	names    []string
	begin    Time
	failing  map[string]int // starts that are still to fail; Forever for all
	asked    uint64
	failures []Failure
}

// moments returns when something is given or expected, in order.
func (p *playing) moments() []time.Duration {
	out := []time.Duration{p.test.For}
	for _, g := range p.test.given {
		if g.verb != "down" {
			out = append(out, g.at...)
		}
	}
	for _, e := range p.test.expect {
		if e.at > 0 {
			out = append(out, e.at)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// selected returns the names of the processes that a pattern means.
func (p *playing) selected(pattern string) (out []string) {
	chosen, err := spec.Select(p.names, []string{pattern})
	if err != nil {
		return nil
	}
	for _, i := range chosen {
		out = append(out, p.names[i])
	}
	return out
}

func (p *playing) live(proc *spec.Process, _ uint64) Life {
	life := Steady
	if proc.Type == spec.Oneshot {
		life.Runs = 0
	}
	for _, g := range p.test.given {
		if !slices.Contains(p.selected(g.name), proc.Name) {
			continue
		}
		switch g.verb {
		case "crash":
			life.Runs, life.Exit = g.after, g.exit
		case "hang":
			life.Obeys = Forever
		case "slow":
			life.Obeys = g.after
		case "unhealthy":
			life.Well = g.after
		}
	}
	if n := p.failing[proc.Name]; n != 0 {
		life.Fails = "it cannot be started, says the test"
		p.failing[proc.Name] = max(n-1, int(Forever))
	}
	return life
}

func (p *playing) supply(name string) bool {
	now := p.w.Now().Sub(p.begin)
	for _, g := range p.test.given {
		if g.verb == "down" && g.name == name && g.at[0] <= now && now < g.at[1] {
			return false
		}
	}
	return true
}

// do makes happen what is given for this moment.
func (p *playing) do(g given) {
	if p.w.Exiting() != nil {
		return
	}
	switch g.verb {
	case "exit":
		for _, name := range p.selected(g.name) {
			if n := p.w.Node(name); !p.w.End(n.ID, g.exit) {
				p.fail(g.line, g.column, fmt.Sprintf("%s cannot end at %s: it is %s", name, Short(p.w.Now().Sub(p.begin)), because(n)))
			}
		}
	case "shutdown":
		p.w.Feed(tree.Shutdown{By: "the test"})
	default:
		verb := map[string]tree.Verb{"start": tree.AskStart, "stop": tree.AskStop, "restart": tree.AskRestart}[g.verb]
		p.asked++
		p.w.Feed(tree.Asked{ID: p.asked, Verb: verb, Names: []string{g.name}, By: "the test"})
	}
}

func (p *playing) fail(line, column int, what string) {
	p.failures = append(p.failures, Failure{Line: line, Col: column, What: what})
}

// look compares what is expected with what is.
func (p *playing) look(e expectation) {
	exiting := p.w.Exiting()
	if e.name == "daemon" {
		switch {
		case e.what == "running" && exiting != nil:
			p.fail(e.line, e.column, fmt.Sprintf("expected %s: it has ended with code %d (%s)", e.text, exiting.Code, exiting.Why))
		case e.what == "exit" && exiting == nil:
			p.fail(e.line, e.column, fmt.Sprintf("expected %s: it runs", e.text))
		case e.what == "exit" && exiting.Code != e.count:
			p.fail(e.line, e.column, fmt.Sprintf("expected %s: it has ended with code %d (%s)", e.text, exiting.Code, exiting.Why))
		}
		return
	}
	for _, name := range p.selected(e.name) {
		n := p.w.Node(name)
		is := ""
		switch {
		case e.what == "restarted" && n.TotalRestarts != uint64(e.count):
			is = fmt.Sprintf("was restarted %d times", n.TotalRestarts)
		case e.what == "started" && n.Run != uint64(e.count):
			is = fmt.Sprintf("was started %d times", n.Run)
		case isState(e.what) && n.State.String() != e.what:
			is = "is " + because(n)
		}
		if is != "" {
			p.fail(e.line, e.column, fmt.Sprintf("expected %s: %s %s", e.text, name, is))
		}
	}
}

func because(n *tree.Node) string {
	if n.Reason == "" {
		return n.State.String()
	}
	return fmt.Sprintf("%s (%s)", n.State, n.Reason)
}
