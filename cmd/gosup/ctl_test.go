package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"gosup/control"
)

// TestCtl runs testdata/ctl: gosup ctl against a real daemon. The command up
// waits until the daemon of ./gosup.yaml answers.
func TestCtl(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", os.Getenv("GORACE"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"up": up, "halfopen": halfOpen, "until": until,
		},
		Dir:                 "testdata/ctl",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// halfOpen is "halfopen N": that many clients of the daemon of ./gosup.yaml
// begin a request and do not end it before the script does.
func halfOpen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: halfopen N")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for range n {
		conn, err := net.Dial("unix", ts.MkAbs(".gosup/run/gosup.sock"))
		ts.Check(err)
		ts.Defer(func() { conn.Close() })
		// The daemon may have closed it already, in favour of the next one.
		_, _ = io.WriteString(conn, "GET /v1/pro")
	}
}

// until is "until REGEXP COMMAND...": runs the command again until its output
// matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND...")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	tick, deadline := time.NewTicker(5*time.Millisecond), time.After(20*time.Second)
	for {
		_ = ts.Exec(args[1], args[2:]...) // its output says enough
		out := ts.ReadFile("stdout")
		if want.MatchString(out) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("no match for %s in %s", args[0], out)
		}
	}
}

func up(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: up")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client := control.NewClient(ts.MkAbs(".gosup/run/gosup.sock"))
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		_, err := client.Version(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("the daemon does not answer: %v", err)
		}
	}
}

func TestScreenSafe(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{"plain äöü 世界", "plain äöü 世界"},
		{"tab\tline\n", "tab\tline\n"},
		{"\x1b[31mred\x1b[0m", "^[[31mred^[[0m"},
		{"\r\x00\x7f", "^M^@^?"},
		{"\u009b31m", `\x9b31m`},
		{"\x9b31m", `\x9b31m`},
		{"a\u202egpj.exe", `a\u202egpj.exe`},
	} {
		if got := (&screen{terminal: true}).safe(test.text); got != test.want {
			t.Errorf("%q on a terminal: got %q, want %q", test.text, got, test.want)
		}
		if got := (&screen{}).safe(test.text); got != test.text {
			t.Errorf("%q elsewhere: got %q", test.text, got)
		}
	}
}

func TestScreenTable(t *testing.T) {
	t.Parallel()
	rows := func() [][]cell {
		return [][]cell{
			{{"web", ""}, {"running", styleGood}, {"started with the daemon", ""}},
			{{"wörker-with-a-name", ""}, {"failed", styleBad}, {"5 restarts\nwithin 60s", ""}},
		}
	}
	heads := []string{"NAME", "STATE", "REASON"}
	for _, test := range []struct {
		name   string
		screen screen
		want   string
	}{
		{"file", screen{}, `
NAME                STATE    REASON
web                 running  started with the daemon
wörker-with-a-name  failed   5 restarts within 60s
`},
		{"narrow terminal", screen{terminal: true, width: 45}, `
NAME                STATE    REASON
web                 running  started with th…
wörker-with-a-name  failed   5 restarts with…
`},
		{"narrower", screen{terminal: true, width: 38}, `
NAME         STATE    REASON
web          running  started with th…
wörker-wit…  failed   5 restarts with…
`},
		{"too narrow for all", screen{terminal: true, width: 16}, `
NAME    STATE
web     runni…
wörke…  failed
`},
		{"too narrow for anything", screen{terminal: true, width: 5}, `
NAME
web
wörk…
`},
		{"colour", screen{color: true}, `
[1mNAME[0m                [1mSTATE[0m    [1mREASON[0m
web                 [32mrunning[0m  started with the daemon
wörker-with-a-name  [31mfailed[0m   5 restarts within 60s
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			s := test.screen
			s.out = bufio.NewWriter(&b)
			s.table(heads, rows())
			s.out.Flush()
			got := strings.ReplaceAll(b.String(), "\x1b", "")
			if diff := cmp.Diff(test.want, "\n"+got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A table never wraps, and leaves out first what is missed least.
func TestStatusFitsTheTerminal(t *testing.T) {
	t.Parallel()
	limit, code, share, up := 5, 7, 12.34, 61.0
	bytes := int64(52 << 20)
	list := func() []control.Process {
		return []control.Process{
			{Name: "api/gateway", State: "running", Health: "healthy", PID: 4711, UptimeSeconds: &up, MaxRestarts: &limit,
				CPUPercent: &share, MemoryBytes: &bytes, Reason: "started with the daemon"},
			{Name: "世界", State: "running", Health: "degraded", PID: 4712, UptimeSeconds: &up, Restarts: 2, MaxRestarts: &limit,
				LastExit: &control.Exit{Code: &code}, Reason: "restart 2 of 5, after: exited with code 7"},
		}
	}
	for _, test := range []struct {
		name   string
		screen screen
		usage  bool
		want   string
	}{
		{"file", screen{}, false, `
NAME         STATE    HEALTH    PID   UPTIME  RESTARTS  REASON
api/gateway  running  healthy   4711  1m1s    0/5       started with the daemon
世界         running  degraded  4712  1m1s    2/5       restart 2 of 5, after: exited with code 7
`},
		{"wide terminal", screen{terminal: true, width: 120}, true, `
NAME         STATE    HEALTH    PID   UPTIME  RESTARTS  CPU    MEMORY  LAST EXIT  REASON
api/gateway  running  healthy   4711  1m1s    0/5       12.3%  52.0M   -          started with the daemon
世界         running  degraded  4712  1m1s    2/5       -      -       code 7     restart 2 of 5, after: exited with co…
`},
		{"80 columns", screen{terminal: true, width: 80}, false, `
NAME         STATE    HEALTH    PID   UPTIME  RESTARTS  REASON
api/gateway  running  healthy   4711  1m1s    0/5       started with the daemon
世界         running  degraded  4712  1m1s    2/5       restart 2 of 5, after: …
`},
		{"60 columns", screen{terminal: true, width: 60}, false, `
NAME         STATE    HEALTH    RESTARTS  REASON
api/gateway  running  healthy   0/5       started with the …
世界         running  degraded  2/5       restart 2 of 5, a…
`},
		{"40 columns", screen{terminal: true, width: 40}, false, `
NAME         STATE    REASON
api/gateway  running  started with the …
世界         running  restart 2 of 5, a…
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			s := test.screen
			s.out = bufio.NewWriter(&b)
			if err := s.processes(formatTable, nil, list(), test.usage); err != nil {
				t.Fatal(err)
			}
			s.out.Flush()
			if diff := cmp.Diff(test.want, "\n"+b.String()); diff != "" {
				t.Error(diff)
			}
			for line := range strings.Lines(b.String()) {
				if got := columns(strings.TrimSuffix(line, "\n")); s.width > 0 && got > s.width {
					t.Errorf("%d columns on a terminal with %d: %q", got, s.width, line)
				}
			}
		})
	}
}

// Health has a shape beside its colour, and a word without colour.
func TestHealthCell(t *testing.T) {
	t.Parallel()
	for health, want := range map[string]cell{
		"healthy": {"● healthy", styleGood}, "degraded": {"◐ degraded", styleWarn}, "unhealthy": {"✗ unhealthy", styleBad},
		"unknown": {"○ unknown", styleFaint}, "none": {"-", styleFaint},
	} {
		p := &control.Process{Health: health}
		if got := (&screen{color: true}).healthCell(p); got != want {
			t.Errorf("%s with colour: got %v, want %v", health, got, want)
		}
		want.text = orDash(health, "none")
		if got := (&screen{}).healthCell(p); got != want {
			t.Errorf("%s without: got %v, want %v", health, got, want)
		}
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]string{
		0: "0K", 4096: "4K", 999 << 10: "999K", 1000 << 10: "1.0M", 52 << 20: "52.0M", 640 << 20: "640M", 1 << 30: "1.0G", 3 << 40: "3.0T", 1 << 60: "1048576T",
	} {
		if got := memory(&bytes); got != want {
			t.Errorf("%d bytes: got %s, want %s", bytes, got, want)
		}
	}
}

func TestUptime(t *testing.T) {
	t.Parallel()
	for sec, want := range map[float64]string{
		0: "0s", 59.9: "59s", 60: "1m0s", 3599: "59m59s", 3600: "1h0m", 86399: "23h59m", 86400: "1d0h", 10 * 86400: "10d0h",
	} {
		if got := uptime(&sec); got != want {
			t.Errorf("%g seconds: got %s, want %s", sec, got, want)
		}
	}
	if got := uptime(nil); got != "-" {
		t.Errorf("none: got %s", got)
	}
}

// The rules of exit code 3, which scripts rely on.
func TestAllWell(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		state         string
		succeeded     bool
		named, listed bool // whether that is well
	}{
		{"running", false, true, true},
		{"starting", false, true, true},
		{"exited", true, true, true},
		{"exited", false, false, true},
		{"stopped", false, false, true},
		{"stopping", false, false, true},
		{"failed", false, false, false},
		{"backoff", false, false, false},
		{"waiting", false, false, false},
	} {
		p := []control.Process{{State: "running"}, {State: test.state, Succeeded: test.succeeded}}
		if got := allWell(p, true); got != test.named {
			t.Errorf("%s (%v), named: got %v", test.state, test.succeeded, got)
		}
		if got := allWell(p, false); got != test.listed {
			t.Errorf("%s (%v), not named: got %v", test.state, test.succeeded, got)
		}
	}
}

func TestBranches(t *testing.T) {
	t.Parallel()
	node := func(kind, group, name string) control.Node {
		return control.Node{Process: control.Process{Name: name, Group: group}, Kind: kind}
	}
	nodes := []control.Node{
		node("process", "", "db"),
		node("group", "", "api"),
		node("process", "api", "api/web"),
		node("group", "api", "api/back"),
		node("process", "api/back", "api/back/a"),
		node("process", "api/back", "api/back/b"),
		node("process", "api", "api/cron"),
		node("process", "", "last"),
	}
	var got []string
	for i, b := range branchesOf(nodes) {
		got = append(got, b+baseName(&nodes[i]))
	}
	want := []string{"db", "api", "├─ web", "├─ back", "│  ├─ a", "│  └─ b", "└─ cron", "last"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestToYAML(t *testing.T) {
	t.Parallel()
	got, err := toYAML([]byte(`[{"name":"web","pid":1.5,"none":null,"list":[],"text":"null","number":"007","lines":"a\nb"}]`))
	if err != nil {
		t.Fatal(err)
	}
	want := `- name: web
  pid: 1.5
  none: null
  list: []
  text: "null"
  number: "007"
  lines: |-
    a
    b
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}
