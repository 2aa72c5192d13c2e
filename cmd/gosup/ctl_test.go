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
