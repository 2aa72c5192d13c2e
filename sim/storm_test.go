package sim

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gosup/spec"
	"gosup/tree"
)

var (
	simTime = flag.Duration("sim.time", 0, "how long TestStorm goes on; 0: a few seconds' worth of steps")
	simSeed = flag.Uint64("sim.seed", 0, "the one scenario that TestStorm plays; 0: many")
)

// storm is one scenario: a random tree in a world where everything happens,
// which is then healed, and shut down.
type storm struct {
	d      dice
	w      *World
	spec   *spec.Tree
	seed   uint64
	healed bool
	tame   bool // the daemon never ends by itself
	mortal bool // the daemon is killed now and then
	asked  uint64
	saved  []byte // what the daemon had on disk at some time
	sum    uint64 // of all effects
}

func newStorm(d dice, nodes int, seed uint64) *storm {
	s := &storm{d: d, seed: seed}
	s.spec = randomTree(d, nodes)
	if s.tame = !chance(d, 4); s.tame {
		tame(&s.spec.Root)
	}
	s.w = NewWorld(s.spec, seed, Time(time.Hour))
	s.w.Live = func(p *spec.Process, _ uint64) Life {
		switch {
		case s.healed && p.Type == spec.Oneshot:
			return Life{Spawn: ms, Runs: ms}
		case s.healed:
			return well
		}
		return randomLife(d)
	}
	s.w.Supply = func(string) bool { return s.healed || !chance(d, 3) }
	s.w.More = func() bool { return !chance(d, 3) }
	return s
}

// hashed makes the storm sum up all effects, for comparison with another.
func (s *storm) hashed() {
	s.w.Saw = func(e tree.Effect) {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %d %s", s.sum, s.w.Now(), line(e))
		s.sum = h.Sum64()
	}
}

// traced makes the storm tell all that goes in and comes out.
func (s *storm) traced(t *testing.T) {
	t.Log(outline(&s.spec.Root, ""))
	s.w.Fed = func(at Time, events []tree.Event) {
		t.Logf("%v:", at.Sub(Time(time.Hour)))
		for _, e := range events {
			if r, ok := e.(tree.Reloaded); ok {
				t.Log(" in reload", outline(&r.Tree.Root, ""))
				continue
			}
			t.Logf(" in %T %+v", e, e)
		}
	}
	s.w.Saw = func(e tree.Effect) { t.Log("  out", line(e)) }
}

// outline writes a tree, a node a line.
func outline(g *spec.Group, indent string) string {
	out := fmt.Sprintf("%s%q %s %s %+v", indent, g.Name, g.Strategy, g.OnExhausted, g.Restart)
	for _, m := range g.Members {
		if m.Group != nil {
			out += "\n" + outline(m.Group, indent+"  ")
		} else {
			out += fmt.Sprintf("\n%s  %+v", indent, *m.Process)
		}
	}
	return out
}

// line writes an effect with all that it points to.
func line(e tree.Effect) string {
	switch e := e.(type) {
	case tree.Start:
		return fmt.Sprint("start ", e.Node, e.Run, e.Process.Name, e.Restarts)
	case tree.Listen:
		return fmt.Sprint("listen ", e.Node, e.Call, e.Process.Name)
	case tree.Note:
		exit := ""
		if e.Exit != nil {
			exit = fmt.Sprint(*e.Exit)
		}
		return fmt.Sprint("note ", e.Seq, e.At, e.Process, e.From, e.To, e.Cause.String(), exit, e.Detail)
	case tree.Changed:
		return fmt.Sprint("changed ", e.Node)
	case tree.Probe:
		return fmt.Sprint("probe ", e.Node, e.Run, e.Check, e.Dependency)
	case tree.RunHook:
		return fmt.Sprint("hook ", e.Node, e.Run, e.Moment, e.Restarts, e.PID)
	}
	return fmt.Sprintf("%T %v", e, e)
}

// rage lets the world be bad for a number of Steps.
func (s *storm) rage(steps uint64) {
	for end := s.w.Steps() + steps; s.w.Steps() < end && s.w.Exiting() == nil; {
		if chance(s.d, 12) {
			s.operate()
			continue
		}
		limit := s.w.Now().Add(pick(s.d, 0, ms, 100*ms, 5*time.Second))
		if !s.w.Advance(limit) {
			s.w.RunTo(limit)
			if chance(s.d, 2) {
				s.operate()
			}
		}
	}
}

// operate does what a person may do.
func (s *storm) operate() {
	kinds := 40
	if s.mortal {
		kinds = 43
	}
	switch n := s.d.IntN(kinds); {
	case n < 30:
		s.ask(tree.Verb(s.d.IntN(4)), s.name())
	case n < 32:
		s.ask(pick(s.d, tree.AskStart, tree.AskStart, tree.AskRestart, tree.AskStop), "all")
	case n < 37:
		s.reload()
	case n < 39:
		s.w.Feed()
	case n == 40:
		s.saved = s.w.Save()
	case n > 40:
		s.die()
	case chance(s.d, 6):
		s.w.Feed(tree.Shutdown{Urgency: tree.Urgency(s.d.IntN(3)), By: "storm"})
	}
}

// die kills the daemon, and begins another one: with what was saved just now, or
// some time ago, and sometimes with another definition.
func (s *storm) die() {
	saved := s.saved
	if saved == nil || !chance(s.d, 3) {
		saved = s.w.Save()
	}
	if chance(s.d, 3) {
		s.change()
	}
	s.w.Rebirth(s.spec, s.seed, saved, func() bool { return chance(s.d, 2) })
}

func (s *storm) ask(v tree.Verb, name string) {
	s.asked++
	s.w.Feed(tree.Asked{ID: s.asked, Verb: v, Names: []string{name}, Signal: pick(s.d, sighup, sigterm, sigkill), By: "storm"})
}

// name picks a process or group, or one that is not there.
func (s *storm) name() string {
	view := s.w.View()
	i := s.d.IntN(len(view) + 1)
	if i == len(view) {
		return "nobody"
	}
	return view[i].Name
}

func (s *storm) reload() {
	s.change()
	s.w.Feed(tree.Reloaded{Tree: s.spec, By: "storm"})
}

// change makes another definition.
func (s *storm) change() {
	next := change(s.d, s.spec)
	if s.tame {
		tame(&next.Root)
	}
	if len(next.Root.Members) > 0 {
		s.spec = next
	}
}

// heal makes the world well and checks that everything gets where it should
// be: first without help, then all of it when a person asks, and down when
// the daemon is shut down.
func (s *storm) heal() {
	s.healed = true
	s.w.Renew()
	s.settle(false)
	if s.w.Exiting() == nil {
		s.ask(tree.AskStart, "all")
		s.settle(true)
	}
	if s.w.Exiting() == nil {
		s.w.Feed(tree.Shutdown{Urgency: tree.Urgency(s.d.IntN(3)), By: "storm"})
		s.w.RunTo(s.w.Now().Add(s.spec.Supervisor.ShutdownTimeout + time.Minute))
	}
	if s.w.Exiting() == nil {
		s.w.fault("the shutdown does not end")
	}
}

// settle lets time pass until the world has settled, or says what is in the
// way after more time than all delays together can take.
func (s *storm) settle(all bool) {
	end := s.w.Now().Add(time.Hour)
	for s.w.Exiting() == nil {
		for range 100 {
			s.w.Advance(end)
		}
		fault := survive(func() { s.settled(all) })
		if fault == nil || s.w.Exiting() != nil {
			return
		}
		if next, ok := s.w.due(); !ok || next > end {
			panic(fault)
		}
	}
}

// settled checks that nothing is on its way any more, and with all that
// everything runs.
func (s *storm) settled(all bool) {
	for _, n := range s.w.View() {
		switch n.State {
		case tree.StateRunning:
		case tree.StateStopped, tree.StateExited, tree.StateFailed:
			if all && !n.IsGroup && !(n.State == tree.StateExited && n.Process.Type == spec.Oneshot) {
				s.w.fault("%s is %s (%s) though it was asked to start", n.Name, n.State, n.Reason)
			}
		case tree.StateStarting, tree.StateWaiting:
			if all || !n.IsGroup && !s.resting(n.WaitingOn) {
				s.w.fault("%s is %s (%s) in a healed world", n.Name, n.State, n.Reason)
			}
		default:
			s.w.fault("%s is %s (%s) in a healed world", n.Name, n.State, n.Reason)
		}
	}
}

// resting reports whether one of those is down for good, or waits itself for
// one that is.
func (s *storm) resting(names []string) bool {
	for _, name := range names {
		n := s.w.Node(name)
		if n == nil {
			continue
		}
		switch n.State {
		case tree.StateStopped, tree.StateExited, tree.StateFailed, tree.StateWaiting, tree.StateStarting:
			return true
		case tree.StateRunning:
			// Its group, or a condition that it can never reach.
			if n.IsGroup || n.Health == tree.HealthNone {
				return true
			}
		}
	}
	return false
}

// play is one whole scenario.
func (s *storm) play(steps uint64) {
	s.rage(steps)
	s.heal()
}

// survive runs f and returns what it panicked with.
func survive(f func()) (fault any) {
	defer func() { fault = recover() }()
	f()
	return nil
}

func fromSeed(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)) }

func playSeed(seed uint64) uint64 {
	d := fromSeed(seed)
	s := newStorm(d, 2+d.IntN(40), seed)
	s.mortal = true
	s.play(400)
	return s.w.Steps()
}

// TestStorm plays random scenarios. With -sim.time it goes on for that long
// and prints its speed; with -sim.seed it plays that one.
func TestStorm(t *testing.T) {
	if *simSeed != 0 {
		d := fromSeed(*simSeed)
		s := newStorm(d, 2+d.IntN(40), *simSeed)
		s.mortal = true
		s.traced(t)
		s.play(400)
		return
	}
	t.Parallel()
	const few = 300
	begin := time.Now()
	var steps, scenarios uint64
	for seed := uint64(1); ; seed++ {
		if *simTime == 0 && seed > few || *simTime > 0 && time.Since(begin) > *simTime {
			break
		}
		if fault := survive(func() { steps += playSeed(seed) }); fault != nil {
			t.Fatalf("-sim.seed=%d: %.2000v", seed, fault)
		}
		scenarios++
	}
	took := time.Since(begin)
	t.Logf("%d scenarios, %d steps in %.1f s: %.0f steps/s", scenarios, steps, took.Seconds(), float64(steps)/took.Seconds())
}

// The same seed gives the same effects, to the last.
func TestStormIsDeterministic(t *testing.T) {
	t.Parallel()
	for seed := uint64(1000); seed < 1010; seed++ {
		var sums [2]uint64
		if fault := survive(func() { newStorm(fromSeed(seed), 20, seed).play(300) }); fault != nil {
			t.Fatalf("seed %d: %.2000v", seed, fault)
		}
		for i := range sums {
			s := newStorm(fromSeed(seed), 20, seed)
			s.hashed()
			s.play(300)
			sums[i] = s.sum
		}
		if sums[0] != sums[1] {
			t.Errorf("seed %d gave %x and then %x", seed, sums[0], sums[1])
		}
	}
}

// bytesDice takes its choices from a fuzzer's input; when that is used up
// every choice is the first.
type bytesDice struct{ left string }

func (b *bytesDice) IntN(n int) int {
	if b.left == "" {
		return 0
	}
	c := int(b.left[0])
	b.left = b.left[1:]
	return c % n
}

// FuzzStorm lets the fuzzer choose the tree, the lives and what people do.
func FuzzStorm(f *testing.F) {
	f.Add("")
	f.Add(strings.Repeat("\x07\x01\x00\x03\xff\x22", 100))
	rng := fromSeed(7)
	for range 10 {
		b := make([]byte, 2000)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(string(b))
	}
	f.Fuzz(func(_ *testing.T, script string) {
		b := &bytesDice{left: script}
		s := newStorm(b, 1+b.IntN(20), 1)
		s.mortal = true
		for b.left != "" && s.w.Exiting() == nil && s.w.Steps() < 5000 {
			s.rage(20)
		}
		s.heal()
	})
}
