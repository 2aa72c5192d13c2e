package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// livedIn returns a tree in which something has happened.
func livedIn(t *testing.T) *tree.Tree {
	t.Helper()
	s := &spec.Tree{Dependencies: []spec.Dependency{{Name: "db", Breaker: policy.BreakerLimit{Failures: 1, Recovery: time.Minute}}}}
	for _, name := range []string{"web", "stopped", "crashed"} {
		s.Root.Members = append(s.Root.Members, spec.Member{Process: &spec.Process{
			Name: name, Autostart: true, Env: []string{"SECRET=hunter2"},
			Stop:    spec.Stop{Steps: []spec.StopStep{{Signal: 15, Wait: time.Second}}},
			Restart: spec.Restart{Limit: policy.Limit{Max: 5, Within: time.Minute}, Backoff: policy.Backoff{Initial: time.Second, Max: time.Second, Multiplier: 1}},
			Checks:  []spec.Check{{Probe: spec.Probe{TCP: &spec.TCPProbe{Address: "x:1"}}, Interval: time.Second, Threshold: policy.Threshold{Failures: 3, Successes: 1}}},
		}})
	}
	tr := tree.New(s, 1)
	tr.Step(1e9, nil, nil)
	tr.Step(2e9, []tree.Event{
		tree.Started{Node: 2, Run: 1, PID: 10}, tree.Started{Node: 3, Run: 1, PID: 11}, tree.Started{Node: 4, Run: 1, PID: 12},
	}, nil)
	tr.Step(3e9, []tree.Event{
		tree.Exited{Node: 4, Run: 1, Exit: tree.Exit{Code: 7, At: 3e9, Ran: 1e9}},
		tree.Asked{ID: 1, Verb: tree.AskStop, Names: []string{"stopped"}, By: "uid 0", Why: "a reason"},
		tree.Guarded{Dependency: "db", Why: "refused"},
	}, nil)
	return tr
}

func encoded(t *testing.T, image *tree.Image) []byte {
	t.Helper()
	var s Saver
	data, err := s.Encode(&State{Supervisor: "ab", Boot: "b", Wall: time.Unix(5, 0).UTC(), Image: image,
		Scaled: map[string]Scale{"web": {3, 1}}})
	if err != nil || data == nil {
		t.Fatalf("%q, %v", data, err)
	}
	return data
}

func TestStateRoundTrip(t *testing.T) {
	t.Parallel()
	image := livedIn(t).Image()
	got, err := Decode(encoded(t, image))
	if err != nil {
		t.Fatal(err)
	}
	plain := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if diff := cmp.Diff(plain(image), plain(got.Image)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(plain(image.Nodes), plain(got.Image.Nodes)); diff != "" {
		t.Error(diff)
	}
	if got.Supervisor != "ab" || got.Boot != "b" || got.Scaled["web"] != (Scale{3, 1}) {
		t.Errorf("got %+v", got)
	}
}

// A state that was cut short or changed anywhere is refused, and nothing else
// happens.
func TestStateDamaged(t *testing.T) {
	t.Parallel()
	data := encoded(t, livedIn(t).Image())
	for n := range data {
		if _, err := Decode(data[:n]); err == nil {
			t.Fatalf("cut to %d of %d bytes it was taken", n, len(data))
		}
		bad := bytes.Clone(data)
		bad[n] ^= 0x41
		if s, err := Decode(bad); err == nil && n >= bytes.IndexByte(data, '\n') {
			t.Fatalf("with byte %d changed it was taken: %+v", n, s)
		}
	}
	newer := bytes.Replace(data, []byte(`"version":2`), []byte(`"version":3`), 1)
	if _, err := Decode(newer); err == nil || !strings.Contains(err.Error(), "version 3, and this gosup reads version 2") {
		t.Errorf("newer: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("{\"format\":\"gosup state\",\"version\":2,\"bytes\":6,\"crc32c\":\"00000000\"}\n{}\n{}\n"), true)
	f.Fuzz(func(t *testing.T, body []byte, sealed bool) {
		data := body
		if sealed { // so that the checksum does not keep everything out
			data = append(fmt.Appendf(nil, "{\"format\":\"gosup state\",\"version\":2,\"bytes\":%d,\"crc32c\":%q}\n", len(body), checksum(body)), body...)
		}
		s, err := Decode(data)
		if err != nil {
			return
		}
		def := &spec.Tree{}
		def.Root.Members = []spec.Member{{Process: &spec.Process{Name: "web", Stop: spec.Stop{Steps: []spec.StopStep{{Signal: 15}}}}}}
		tr := tree.Restore(def, 1, 1e15, s.Past(def, s.Boot, 0))
		tr.Step(1e15, []tree.Event{tree.Reborn{}}, nil)
	})
}

// What only moves by itself is no reason to write.
func TestStateUnchanged(t *testing.T) {
	t.Parallel()
	tr := livedIn(t)
	var s Saver
	save := func(at time.Duration) []byte {
		data, err := s.Encode(&State{Wall: time.Unix(0, int64(at)), Image: tr.Image()})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if save(1) == nil {
		t.Fatal("the first state was not written")
	}
	probed := tree.Probed{Node: 2, Run: 1, Check: 0, Health: tree.Healthy}
	tr.Step(4e9, nil, nil)
	tr.Step(4e9+1, []tree.Event{probed}, nil)
	if save(2) == nil {
		t.Error("the first result of a check was not written")
	}
	tr.Step(5e9+2, nil, nil)
	tr.Step(5e9+3, []tree.Event{probed}, nil)
	if data := save(3); data != nil {
		t.Errorf("a result that changes nothing was written: %s", data)
	}
	s.Forget()
	if data := save(3); data != nil {
		t.Errorf("what nobody remembers was written again: %s", data)
	}
	tr.Step(6e9, []tree.Event{tree.Asked{ID: 2, Verb: tree.AskStop, Names: []string{"web"}, By: "uid 0"}}, nil)
	if save(4) == nil {
		t.Error("a stop was not written")
	}
}

// The sum of a definition changes with what a run depends on, and nothing secret
// is kept.
func TestDefinitionOf(t *testing.T) {
	t.Parallel()
	p := spec.Process{Name: "web", Argv: []string{"a"}, Env: []string{"PASSWORD=hunter2"}, Dir: "/"}
	sum := DefinitionOf(&p, "id").Sum
	text, err := json.Marshal(DefinitionOf(&p, "id"))
	if err != nil || strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "PASSWORD") {
		t.Errorf("%s, %v", text, err)
	}
	for name, change := range map[string]func(*spec.Process){
		"argv": func(p *spec.Process) { p.Argv = []string{"a", "b"} },
		"env":  func(p *spec.Process) { p.Env = []string{"PASSWORD=hunter3"} },
		"user": func(p *spec.Process) { p.Rights.User = &spec.User{UID: 5} },
		"root": func(p *spec.Process) { p.Rights.User = &spec.User{} },
		"a word moved": func(p *spec.Process) {
			p.Argv, p.Env = []string{"a", "PASSWORD=hunter2"}, nil
		},
	} {
		q := p
		if change(&q); DefinitionOf(&q, "id").Sum == sum {
			t.Errorf("%s changes nothing", name)
		}
	}
	q := p
	q.Stop.Steps = []spec.StopStep{{Signal: 2}}
	q.Description = "x"
	if DefinitionOf(&q, "id").Sum != sum {
		t.Error("what needs no new run changes the sum")
	}
	if DefinitionOf(&p, "other").Sum == sum {
		t.Error("two supervisors have the same sum")
	}
}

// The numbers in a saved state stand for these constants. Whoever changes the
// order of any, or puts one in between, raises stateVersion; one more at the end
// of its kind comes at the end here.
func TestStateNumbers(t *testing.T) {
	t.Parallel()
	for i, k := range []tree.CauseKind{
		tree.CauseNone, tree.CauseAutostart, tree.CauseNoAutostart, tree.CauseAsked, tree.CauseShutdown, tree.CauseReload, tree.CauseExit, tree.CauseStart, tree.CauseRestart, tree.CauseBudget, tree.CauseOnExit, tree.CausePolicy, tree.CauseGroup, tree.CauseOrder, tree.CauseLeft, tree.CauseQueue, tree.CauseExitOn, tree.CauseHook, tree.CauseBusy, tree.CauseUnhealthy, tree.CauseNotReady, tree.CauseProbe, tree.CauseDepends, tree.CauseDependency, tree.CauseBreaker, tree.CauseBack, tree.CauseUnheard, tree.CauseTurn, tree.CauseEssential, tree.CauseConnection, tree.CauseKept, tree.CauseAdopted, tree.CauseConnected,
	} {
		if int(k) != i {
			t.Errorf("cause %d is now %d", i, k)
		}
	}
	words := []string{
		tree.HealthNone.String(), tree.HealthUnknown.String(), tree.Healthy.String(), tree.Degraded.String(), tree.HealthBad.String(),
		tree.Ending(0).String(), tree.Ending(1).String(), tree.Ending(2).String(), tree.Ending(3).String(), tree.Ending(4).String(),
		policy.BreakerState(0).String(), policy.BreakerState(1).String(), policy.BreakerState(2).String(),
		tree.Verb(0).String(), tree.Verb(1).String(), tree.Verb(5).String(), tree.Verb(6).String(),
	}
	want := "none unknown healthy degraded unhealthy exited signalled unhealthy stopped start_failed closed open half_open start stop freeze thaw"
	if got := strings.Join(words, " "); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	at := func(w time.Time) tree.Time { return tree.Time(w.Unix()) }
	var data []byte
	for i := range 10 {
		n := tree.Noted{Wall: time.Unix(int64(100+i), 0).UTC(), Note: tree.Note{Seq: uint64(i + 1), Type: tree.NoteState,
			Process: "we\nb", From: "running", To: "backoff", PID: 5, By: "uid 0", Detail: "{\"seq\":99}",
			Cause: &tree.Cause{Kind: tree.CauseStart, Text: "no\nsuch file"}, Exit: &tree.Exit{Code: 3, At: 77}}}
		var err error
		if data, err = AppendNote(data, &n); err != nil {
			t.Fatal(err)
		}
	}
	notes, damaged := ReadHistory(bytes.NewReader(data), 4, at)
	if len(notes) != 4 || damaged || notes[0].Seq != 7 || notes[3].Seq != 10 {
		t.Fatalf("%d notes, damaged %v: %+v", len(notes), damaged, notes)
	}
	want := tree.Note{Seq: 10, At: 109, Type: tree.NoteState, Process: "we\nb", From: "running", To: "backoff", PID: 5, By: "uid 0",
		Detail: "{\"seq\":99}", Cause: &tree.Cause{Kind: tree.CauseProbe, Text: "could not be started: no\nsuch file"}, Exit: &tree.Exit{Code: 3, At: 109}}
	if diff := cmp.Diff(want, notes[3].Note); diff != "" {
		t.Error(diff)
	}
	// A daemon that is killed while it writes leaves half a line: nothing else is
	// lost.
	line := bytes.LastIndexByte(data[:len(data)-1], '\n') + 1
	for cut := line + 1; cut < len(data)-1; cut++ {
		notes, damaged := ReadHistory(bytes.NewReader(data[:cut]), 100, at)
		if len(notes) != 9 || !damaged {
			t.Fatalf("cut at %d: %d notes, damaged %v", cut, len(notes), damaged)
		}
	}
}
