package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"gosup/control"
)

// topAt is when all of these tests take place.
func topAt() time.Time { return time.Date(2026, 11, 23, 6, 0, 0, 0, time.Local) }

// topTree is a tree with a bit of everything.
func topTree() treeSeen {
	now := topAt()
	limit, code, within := 5, 7, 60.0
	next, ended := now.Add(1500*time.Millisecond), now.Add(-3*time.Second)
	node := func(kind, group, name, state string, change func(*control.Node)) control.Node {
		n := control.Node{Kind: kind, Process: control.Process{
			Name: name, Group: group, State: state, Health: "none", MaxRestarts: &limit, WithinSeconds: &within, Reason: "started with the daemon",
		}}
		change(&n)
		return n
	}
	up := func(pid int, seconds, percent float64, mebibytes int64) func(*control.Node) {
		return func(n *control.Node) {
			bytes := mebibytes << 20
			n.PID, n.Run, n.UptimeSeconds, n.CPUPercent, n.MemoryBytes = pid, 1, &seconds, &percent, &bytes
		}
	}
	return treeSeen{version: 7, at: now, about: &control.Version{Name: "shop", PID: 100, StartedAt: now.Add(-3 * time.Hour)}, nodes: []control.Node{
		node("process", "", "postgres", "running", up(101, 10800, 3.4, 512)),
		node("group", "", "api", "running", func(n *control.Node) { n.Strategy = "one_for_all" }),
		node("process", "api", "api/gateway", "running", func(n *control.Node) {
			up(102, 61, 12.5, 64)(n)
			n.Health, n.HealthReason, n.Restarts, n.TotalRestarts, n.Run = "degraded", "High error rate: 12.50%", 2, 9, 10
			n.LastExit = &control.Exit{Code: &code, At: ended, Cause: "exited"}
		}),
		node("process", "api", "api/worker", "backoff", func(n *control.Node) {
			n.Restarts, n.NextStartAt, n.LastExit = 3, &next, &control.Exit{Signal: "SIGKILL", OOMKilled: true, At: ended, Cause: "signalled"}
			n.Reason = "restart 3 of 5, after: killed by SIGKILL (out of memory)"
		}),
		node("process", "", "evil\x1b[2J\u202e", "failed", func(n *control.Node) { n.Restarts, n.Reason = 5, "5 restarts within 60s of good running\x07" }),
		node("process", "", "nightly", "stopped", func(n *control.Node) { n.Reason = "by uid 0: \x1b]0;title\x07" }),
	}}
}

// newTopScreen returns a model that has seen a tree. Its daemon answers nobody.
func newTopScreen(width, height int) *topModel {
	m := newTopModel(control.NewClient("/nowhere/gosup.sock"), false)
	m.see(topTree())
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	m.follow()
	return m
}

// press presses keys: each word is one, as tea names it.
func press(m *topModel, keys string) tea.Cmd {
	named := map[string]tea.Key{
		"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "backspace": {Code: tea.KeyBackspace}, "up": {Code: tea.KeyUp},
		"down": {Code: tea.KeyDown}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd}, "pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown},
		"ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl},
	}
	var cmd tea.Cmd
	for _, word := range strings.Fields(keys) {
		key, ok := named[word]
		if !ok {
			key = tea.Key{Code: []rune(word)[0], Text: word}
		}
		_, cmd = m.Update(tea.KeyPressMsg(key))
	}
	return cmd
}

// write lets the selected process write lines.
func write(m *topModel, lines ...string) {
	m.Update(logRead{number: m.log.number, lines: lines})
}

// The screens, as they are in testdata/top. -update rewrites them.
func TestTopScreens(t *testing.T) {
	t.Parallel()
	output := func(m *topModel) {
		write(m, "ready\r", "tab\there", "\x1b[31mred\x1b[0m \x07\u202e 世界 "+strings.Repeat("long ", 40))
	}
	for _, test := range []struct {
		name string
		do   func(m *topModel)
	}{
		{"list", output},
		{"second", func(m *topModel) { press(m, "down"); output(m) }},
		{"sorted by CPU", func(m *topModel) { press(m, "o o o") }},
		{"sorted by state, turned round", func(m *topModel) { press(m, "o o O") }},
		{"tree", func(m *topModel) { press(m, "t down"); write(m, "api/gateway | hello") }},
		{"filter", func(m *topModel) { press(m, "t / G A T") }},
		{"filter in force", func(m *topModel) { press(m, "/ f a i l x backspace enter") }},
		{"nothing", func(m *topModel) { press(m, "/ x enter") }},
		{"confirm", func(m *topModel) { press(m, "t down x") }},
		{"stopped", func(m *topModel) {
			m.Update(acted{"stop", "api/worker", []control.ActionResult{{Name: "api/worker", Outcome: control.OutcomeDone, Message: "stopped"}}, nil})
		}},
		{"not started", func(m *topModel) {
			m.Update(acted{"start", "nightly", []control.ActionResult{{Name: "nightly", Outcome: control.OutcomeFailed, Message: "first attempt failed: could not be started; retries go on"}}, nil})
		}},
		{"no output", func(m *topModel) {
			m.Update(logOpened{number: m.log.number, err: errors.New("output of postgres is not kept: logs.output is none")})
		}},
		{"output", func(m *topModel) {
			for i := range 30 {
				write(m, fmt.Sprint("line ", i))
			}
			press(m, "enter up up")
			write(m, "one more")
		}},
		{"why", func(m *topModel) {
			press(m, "down w")
			ago := topAt().Add(-time.Minute)
			m.Update(whySeen{name: "api/gateway", why: control.Why{Name: "api/gateway", Kind: "process", State: "running", Since: &ago,
				Chain: []control.Link{{Of: "api/gateway", What: "it is running, degraded: \x1b[2J", At: &ago}}, Restarts: "2 of 5",
				Output: []string{"a", "b"}, Try: []control.Advice{{Command: "gosup ctl health api/gateway", Does: "shows its checks"}}}})
		}},
		{"gone", func(m *topModel) { m.Update(treeLost{errors.New("no gosup answers on /run/gosup/gosup.sock")}) }},
		{"help", func(m *topModel) { press(m, "?") }},
	} {
		for _, size := range [][2]int{{80, 24}, {40, 10}} {
			name := fmt.Sprintf("%s %dx%d", test.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				m := newTopScreen(size[0], size[1])
				test.do(m)
				checkScreen(t, m)
				golden(t, filepath.Join("testdata/top", strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), ",", "")+".txt"), strings.Join(m.draw(), "\n")+"\n")
			})
		}
	}
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test ./cmd/gosup -run Top -update rewrites it):\n%s", path, diff)
	}
}

// checkScreen: a screen has the lines that it has, none too long, and nothing
// that a terminal would do instead of show.
func checkScreen(t *testing.T, m *topModel) {
	t.Helper()
	lines := m.draw()
	if len(lines) != m.height {
		t.Errorf("%d lines on a screen of %d", len(lines), m.height)
	}
	for _, line := range lines {
		if got := ansi.StringWidth(line); got > m.width {
			t.Errorf("%d columns on a screen of %d: %q", got, m.width, line)
		}
		if i := strings.IndexFunc(ansi.Strip(line), func(r rune) bool { return unsafeRune(r) || r == '\t' }); i >= 0 {
			t.Errorf("a control character gets through: %q", line)
		}
	}
}

// A screen of any size is filled, whatever it shows.
func TestTopFitsAnyScreen(t *testing.T) {
	t.Parallel()
	for _, keys := range []string{"", "t", "t down x", "/ a", "/ x x", "enter", "w", "?", "o o o end"} {
		m := newTopScreen(80, 24)
		m.color = true
		press(m, keys)
		write(m, "世界世界世界", "\x1b]0;title\x07", "")
		for _, width := range []int{1, 2, 3, 5, 8, 13, 21, 34, 39, 55, 79, 89, 144} {
			for _, height := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 21, 34} {
				m.Update(tea.WindowSizeMsg{Width: width, Height: height})
				checkScreen(t, m)
			}
		}
	}
}

// Without colour there is no escape sequence at all; with it the selected row
// has no colour of its own.
func TestTopColors(t *testing.T) {
	t.Parallel()
	m := newTopScreen(80, 24)
	if strings.Contains(strings.Join(m.draw(), "\n"), "\x1b") {
		t.Error("there are escape sequences without colour")
	}
	m.color = true
	m.lay()
	lines := m.draw()
	if !strings.HasPrefix(lines[2], "\x1b[7m> postgres") || strings.Count(lines[2], "\x1b") != 2 {
		t.Errorf("the selected row: %q", lines[2])
	}
	if !strings.Contains(lines[3], "\x1b[33m◐ degraded\x1b[0m") {
		t.Errorf("a degraded one: %q", lines[3])
	}
}

// The selection stays on its process when rows come, go and are sorted.
func TestTopSelection(t *testing.T) {
	t.Parallel()
	m := newTopScreen(80, 24)
	check := func(what, want string) {
		t.Helper()
		if m.selected != want {
			t.Errorf("%s: %s is selected, not %s", what, m.selected, want)
		}
	}
	press(m, "down down")
	check("down", "api/worker")
	press(m, "o o")
	check("sorted", "api/worker")
	tree := topTree()
	tree.nodes = append(tree.nodes[:3:3], tree.nodes[4:]...)
	m.Update(tree)
	check("it is gone", "postgres") // sorted by state it was the second
	press(m, "end")
	check("end", "nightly")
	press(m, "down pgdown")
	check("below the end", "nightly")
	press(m, "home up")
	check("above the beginning", "evil\x1b[2J\u202e")
	press(m, "/ x x")
	check("nothing matches", "")
	if cmd := press(m, "enter s x r w"); cmd != nil || m.asked != nil || m.page != pageTable {
		t.Errorf("something is done with nothing")
	}
	press(m, "esc")
	check("no filter any more", "evil\x1b[2J\u202e")
}

// What stops something is confirmed first, and goes to what was asked about.
func TestTopConfirms(t *testing.T) {
	t.Parallel()
	m := newTopScreen(80, 24)
	result := func(cmd tea.Cmd) acted {
		t.Helper()
		if cmd == nil {
			t.Fatal("nothing is done")
		}
		a, ok := cmd().(acted)
		if !ok || a.err == nil {
			t.Fatalf("got %+v", a) // nobody answers
		}
		return a
	}
	for _, key := range []string{"x", "r"} {
		for _, no := range []string{"n", "esc", "enter", "q", key} {
			if cmd := press(m, key+" "+no); cmd != nil || m.asked != nil || m.said != "left alone" {
				t.Errorf("%s, then %s: %v", key, no, m.said)
			}
		}
	}
	if a := result(press(m, "s")); a.verb != "start" || a.name != "postgres" {
		t.Errorf("s: %+v", a)
	}
	if a := result(press(m, "r y")); a.verb != "restart" || a.name != "postgres" {
		t.Errorf("r: %+v", a)
	}
	press(m, "x")
	tree := topTree()
	tree.nodes = tree.nodes[1:] // a reload has removed it while the question was open
	m.Update(tree)
	a := result(press(m, "y"))
	if a.verb != "stop" || a.name != "postgres" {
		t.Errorf("x: %+v", a)
	}
	m.Update(a)
	if !m.bad || !strings.Contains(m.said, "no gosup answers") {
		t.Errorf("said %q", m.said)
	}
}

// Who goes through the rows asks for no output on the way, and what comes late
// of another row is closed and not shown.
func TestTopOutputOfTheSelected(t *testing.T) {
	t.Parallel()
	m := newTopScreen(80, 24)
	late := m.log.number
	press(m, "down")
	if m.log.of != "api/gateway" || m.log.number == late {
		t.Fatalf("the log is that of %s", m.log.of)
	}
	if _, cmd := m.Update(logDue{late, true}); cmd != nil {
		t.Error("output is asked for that nobody looks at")
	}
	closed := false
	stream := func(number int, text string) *logStream {
		out := &control.Output{ReadCloser: io.NopCloser(strings.NewReader(text))}
		return &logStream{number, out, bufio.NewReader(out), func() { closed = true }}
	}
	m.Update(logOpened{number: late, stream: stream(late, "")})
	m.Update(logRead{number: late, lines: []string{"late"}})
	if !closed || len(m.log.lines) > 0 {
		t.Errorf("closed: %v, lines: %q", closed, m.log.lines)
	}

	// Its own is read to its end, and then asked for again.
	closed = false
	_, cmd := m.Update(logOpened{number: m.log.number, stream: stream(m.log.number, "one\ntwo\nhalf")})
	read := cmd().(logRead)
	if diff := cmp.Diff([]string{"one", "two", "half"}, read.lines); diff != "" {
		t.Error(diff)
	}
	m.Update(read)
	_, cmd = m.Update(logDue{number: m.log.number})
	if read = cmd().(logRead); !errors.Is(read.err, io.EOF) || !closed {
		t.Errorf("got %+v, closed: %v", read, closed)
	}
	if _, cmd = m.Update(read); cmd == nil || m.log.stream != nil {
		t.Error("it is not asked for again")
	}

	// However much is written, only so much is kept, and who has scrolled to
	// what is no longer there sees the oldest that is.
	for i := range 5 {
		write(m, strings.Split(strings.Repeat(fmt.Sprint("batch ", i, "\n"), logKept), "\n")[:logKept]...)
		if i == 0 {
			press(m, "enter home")
		}
	}
	if len(m.log.lines) != logKept || m.back != m.farthest() || !strings.HasPrefix(m.draw()[2], "batch 4") {
		t.Errorf("%d lines are kept, %d lines back is %q", len(m.log.lines), m.back, m.draw()[2])
	}
}

func TestNextLine(t *testing.T) {
	t.Parallel()
	r := bufio.NewReaderSize(strings.NewReader("short\r\n\n"+strings.Repeat("x", 3*logWidth)+"\nend"), 16)
	for _, want := range []string{"short", "", strings.Repeat("x", logWidth), "end"} {
		if got, err := nextLine(r); got != want || err != nil {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, len(want))
		}
	}
	if _, err := nextLine(r); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

// A daemon that goes away and comes back is seen again.
func TestTopDaemonComesBack(t *testing.T) {
	t.Parallel()
	m := newTopScreen(80, 24)
	_, cmd := m.Update(treeDue{})
	lost, ok := cmd().(treeLost) // nobody answers
	if !ok {
		t.Fatalf("got %T", cmd())
	}
	if _, cmd = m.Update(lost); cmd == nil || m.version != 0 || !strings.Contains(m.draw()[0], "gosup is gone") {
		t.Errorf("the header says %q", m.draw()[0])
	}
	if _, cmd = m.Update(topTree()); cmd == nil || m.version != 7 || !strings.HasPrefix(m.draw()[0], "gosup shop") {
		t.Errorf("the header says %q", m.draw()[0])
	}
}

func TestTopGroupUsage(t *testing.T) {
	t.Parallel()
	share, bytes := 1.5, int64(10)
	node := func(kind, group, name string) control.Node {
		n := control.Node{Kind: kind, Process: control.Process{Name: name, Group: group}}
		if kind == "process" {
			n.CPUPercent, n.MemoryBytes = &share, &bytes
		}
		return n
	}
	got := groupUsage([]control.Node{
		node("group", "", "a"), node("group", "a", "a/b"), node("process", "a/b", "a/b/1"), node("process", "a/b", "a/b/2"), node("process", "a", "a/3"), node("process", "", "4"),
	})
	want := map[string]*usageSum{"a": {4.5, 30}, "a/b": {3, 20}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(usageSum{})); diff != "" {
		t.Error(diff)
	}
}
