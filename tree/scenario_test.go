package tree_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gosup/sim"
	"gosup/spec"
	"gosup/tree"
)

var update = flag.Bool("update", false, "write what the scenarios do into their files")

// TestScenarios plays each file of testdata. A file is a tree, a line of
// dashes, and commands that begin with ">". What a command leads to stands
// below it; -update writes it there. definition_test.go says how a tree is
// written, the commands are in scenario.do.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(b))
			if got == string(b) {
				return
			}
			if !*update {
				t.Errorf("%s: got\n%s", file, got)
				return
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// scenario is one file being played.
type scenario struct {
	t      *testing.T
	w      *sim.World
	tree   *spec.Tree
	saved  []byte
	out    strings.Builder
	lives  map[string]sim.Life // by process
	once   map[string][]sim.Life
	asked  uint64
	silent bool

	findings map[string]finding // how probes end, by target: see health_test.go
	tracing  bool
	call     map[tree.NodeID]uint64 // of the last Listen
}

const start = tree.Time(1000 * time.Second)

func play(t *testing.T, text string) string {
	head, body, found := strings.Cut(text, "\n---\n")
	if !found {
		t.Fatal("no line of dashes after the tree")
	}
	s := &scenario{t: t, lives: map[string]sim.Life{}, once: map[string][]sim.Life{}, findings: map[string]finding{}, call: map[tree.NodeID]uint64{}}
	s.tree = parseTree(t, head)
	s.w = sim.NewWorld(s.tree, 1, start)
	s.w.Live = s.live
	s.w.Answer, s.w.Mute = s.answer, true
	s.w.Saw = s.saw
	s.out.WriteString(head + "\n---\n")
	var block []string // lines that belong to a command, begin with "|"
	lines := strings.Split(body, "\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "#"), line == "" && i+1 < len(lines):
			s.out.WriteString(line + "\n")
		case strings.HasPrefix(line, "> "):
			s.out.WriteString(line + "\n")
			block = block[:0]
			for _, l := range lines[i+1:] {
				if !strings.HasPrefix(l, "|") {
					break
				}
				s.out.WriteString(l + "\n")
				block = append(block, l[1:])
			}
			s.do(strings.Fields(line[2:]), strings.Join(block, "\n"))
		}
	}
	return s.out.String()
}

// do performs one command.
func (s *scenario) do(words []string, block string) {
	verb, rest := words[0], words[1:]
	switch verb {
	case "run": // run 10s: let time pass
		s.w.RunTo(s.w.Now().Add(s.duration(rest[0])))
	case "now": // what is due now
		s.w.RunTo(s.w.Now())
	case "quietly": // quietly 10s: let time pass and show nothing of it
		s.silent = true
		s.w.RunTo(s.w.Now().Add(s.duration(rest[0])))
		s.silent = false
	case "until": // until a failed
		s.until(rest[0], rest[1])
	case "end": // end a 1, end a SIGSEGV, end a oom: the run ends so; several by ";"
		for _, one := range strings.Split(strings.Join(rest, " "), ";") {
			f := strings.Fields(one)
			if !s.w.End(s.id(f[0]), s.exit(f[1])) {
				s.t.Fatalf("%s does not run", f[0])
			}
		}
		s.w.RunTo(s.w.Now())
	case "knock": // somebody connects to a process that waits for it
		s.w.Knock(s.id(rest[0]))
		s.w.RunTo(s.w.Now())
	case "knocked": // somebody had connected, when it waited before it did now
		s.w.Feed(tree.Knocked{Node: s.id(rest[0]), Call: s.call[s.id(rest[0])] - 1})
	case "let", "once": // let a …: each run of a is so; once a …: the next one
		s.let(verb == "once", rest[0], rest[1:])
	case "start", "stop", "restart", "signal":
		s.ask(slices.Index([]string{"start", "stop", "restart", "signal"}, verb), rest)
	case "shutdown":
		s.shutdown(rest)
	case "reload":
		s.tree = parseTree(s.t, block)
		s.w.Feed(tree.Reloaded{Tree: s.tree, By: "SIGHUP"})
		s.w.RunTo(s.w.Now())
	case "saves": // what a later "dies" with "stale" begins with
		s.saved = s.w.Save()
	case "dies": // dies a b: gosup is killed, and another one begins; a and b end meanwhile. A block is its file
		saved, begun := s.w.Save(), true
		for _, name := range rest {
			switch name {
			case "stale":
				saved = s.saved
			case "unforked": // so is what was being started
				begun = false
			default:
				s.w.Lose(s.id(name))
			}
		}
		if block != "" {
			s.tree = parseTree(s.t, block)
		}
		s.w.Rebirth(s.tree, 1, saved, func() bool { return begun })
		s.w.RunTo(s.w.Now())
	case "status":
		for _, n := range s.w.View() {
			s.status(n)
		}
	default:
		if !s.doHealth(verb, rest) {
			s.t.Fatalf("unknown command %q", verb)
		}
	}
}

func (s *scenario) until(name, state string) {
	for s.w.Node(name).State.String() != state {
		if !s.w.Advance(s.w.Now().Add(24 * time.Hour)) {
			s.line("never")
			return
		}
	}
}

func (s *scenario) ask(verb int, words []string) {
	a := tree.Asked{ID: s.asked, Verb: tree.Verb(verb), By: "ann"}
	s.asked++
	if a.Verb == tree.AskSignal {
		a.Signal, _ = sim.ParseSignal(words[0])
		words = words[1:]
	}
	a.Names = words
	s.w.Feed(a)
	s.w.RunTo(s.w.Now())
}

func (s *scenario) shutdown(words []string) {
	e := tree.Shutdown{By: "SIGTERM"}
	if len(words) > 0 {
		e.Urgency = tree.Urgency(1 + slices.Index([]string{"quick", "at-once"}, words[0]))
	}
	s.w.Feed(e)
	s.w.RunTo(s.w.Now())
}

// let sets the life of the runs of a process: "runs 3s", "ends 1 after 3s",
// "obeys after 2s", "ignores", "leaves children", "spawns after 1s",
// "fails WHY", "busy", "taken WHY" (its sockets).
func (s *scenario) let(once bool, name string, words []string) {
	life := sim.Steady
	switch words[0] {
	case "runs":
	case "ends":
		life.Runs, life.Exit = 0, s.exit(words[1])
		if len(words) > 2 {
			life.Runs = s.duration(words[3])
		}
	case "obeys":
		life.Obeys = s.duration(words[2])
		life.Code = 0
	case "ignores":
		life.Obeys = sim.Forever
	case "undying":
		life.Obeys, life.Dies = sim.Forever, sim.Forever
	case "leaves":
		life.Leaves, life.Remaining, life.Dies = true, sim.Forever, 50*time.Millisecond
		life.Obeys = sim.Forever
		if len(words) > 2 {
			life.Runs, life.Exit = s.duration(words[2]), tree.Exit{Code: 1}
		}
	case "spawns":
		life.Spawn = s.duration(words[2])
	case "taken":
		life.Taken = strings.Join(words[1:], " ")
	case "fails":
		life.Fails = strings.Join(words[1:], " ")
	case "busy":
		life.Fails, life.Busy = "text file busy", true
	default:
		s.t.Fatalf("unknown life %q", words)
	}
	if once {
		s.once[name] = append(s.once[name], life)
	} else {
		s.lives[name] = life
	}
}

func (s *scenario) live(p *spec.Process, _ uint64) sim.Life {
	name := p.Name
	if next := s.once[name]; len(next) > 0 {
		s.once[name] = next[1:]
		return next[0]
	}
	if life, ok := s.lives[name]; ok {
		return life
	}
	return sim.Steady
}

func (s *scenario) saw(e tree.Effect) {
	switch e := e.(type) {
	case tree.Start:
		s.line("%s: start", s.name(e.Node))
	case tree.Listen:
		s.line("%s: listen", s.name(e.Node))
		s.call[e.Node] = e.Call
	case tree.Signal:
		s.line("%s: %s", s.name(e.Node), sim.SignalName(e.Signal))
	case tree.Answer:
		if e.Err != nil {
			s.line("answer: %v", e.Err)
		}
		for _, r := range e.Results {
			switch {
			case r.Err != "":
				s.line("answer: %s: %s", r.Name, r.Err)
			case !r.Changed:
				s.line("answer: %s: nothing to do", r.Name)
			}
		}
	case tree.Forget:
		s.line("%s: forgotten", e.Name)
	case tree.Changed:
		s.line("%s: changed", s.name(e.Node))
	case tree.Exiting:
		s.line("gosup: ends with code %d: %s", e.Code, e.Why)
	case tree.Note:
		s.note(e)
	}
}

func (s *scenario) note(n tree.Note) {
	switch {
	case n.Type == tree.NoteRequest || n.To == "starting" || n.From == "starting" && n.To == "running":
		return // the command, or the Start, has said it
	case n.Type == tree.NoteDaemon || n.Type == tree.NoteReload:
		s.line("gosup: %s", join(n.To, n.Cause.String(), n.Detail))
	case n.Type == tree.NoteHealth || n.Type == tree.NoteBreaker:
		s.line("%s: %s %s -> %s", n.Process, n.Type, n.From, join(n.To, n.Cause.String()))
	case n.From == n.To:
		s.line("%s: still %s", n.Process, join(n.To, n.Cause.String(), n.Detail))
	case n.From != "":
		s.line("%s: %s -> %s", n.Process, n.From, join(n.To, n.Cause.String()))
	default:
		s.line("%s: %s", n.Process, join(n.To, n.Cause.String()))
	}
}

func (s *scenario) status(n *tree.Node) {
	count := ""
	if n.HasBudget && n.Restarts(s.w.Now()) > 0 {
		count = fmt.Sprintf("%d/%d", n.Restarts(s.w.Now()), n.Limit.Max)
	}
	next := ""
	if n.NextStartAt > 0 {
		next = "next start in " + n.NextStartAt.Sub(s.w.Now()).String()
	}
	s.line("%s %s", n.Name, join(n.State.String(), n.ReasonAt(s.w.Now()), strings.Join(n.WaitingOn, ","), next, count))
}

func (s *scenario) line(format string, args ...any) {
	if !s.silent {
		fmt.Fprintf(&s.out, "  %-8s %s\n", s.w.Now().Sub(start), fmt.Sprintf(format, args...))
	}
}

func join(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), "; ")
}

func (s *scenario) name(id tree.NodeID) string {
	for _, n := range s.w.View() {
		if n.ID == id {
			return n.Name
		}
	}
	return fmt.Sprint(id)
}

func (s *scenario) id(name string) tree.NodeID {
	n := s.w.Node(name)
	if n == nil {
		s.t.Fatalf("no process %q", name)
	}
	return n.ID
}

func (s *scenario) exit(word string) tree.Exit {
	if word == "oom" {
		e := sim.Killed(9)
		e.OOM = true
		return e
	}
	if n, ok := sim.ParseSignal(word); ok {
		return sim.Killed(n)
	}
	var code int
	if _, err := fmt.Sscan(word, &code); err != nil {
		s.t.Fatalf("%q is neither an exit code nor a signal", word)
	}
	return tree.Exit{Code: code}
}

func (s *scenario) duration(word string) time.Duration {
	d, err := time.ParseDuration(word)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}
