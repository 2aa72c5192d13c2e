package control

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gosup/logs"
	"gosup/spec"
	"gosup/tree"
)

// writer returns a process whose output goes somewhere.
func writer(id tree.NodeID, name string, to spec.Output) *tree.Node {
	return with(running(id, name), func(n *tree.Node) {
		n.Process = &spec.Process{Name: name, Logs: spec.Logs{Output: to}}
	})
}

// readLogs returns the whole output, its prefix and how it ended.
func readLogs(t *testing.T, w *world, req LogsRequest) (string, int, error) {
	t.Helper()
	out, err := w.client().Logs(soon(t), req)
	if err != nil {
		return "", 0, err
	}
	defer out.Close()
	b, err := io.ReadAll(out)
	return string(b), out.Prefix, err
}

func TestLogs(t *testing.T) {
	t.Parallel()
	f := newFake(writer(1, "web", spec.OutputFile), writer(2, "worker", spec.OutputBoth), writer(3, "quiet", spec.OutputNone))
	records := []logs.Record{
		{Process: "web", Line: []byte("one")},
		{Process: "web", Line: []byte("long "), Partial: true},
		{Process: "web", Line: []byte("line")},
		{Process: "worker", Line: []byte("torn "), Partial: true},
		{Process: "web", Line: []byte("\x1b[31m\xff\x00")},
		{Process: "worker", Line: []byte("apart")},
	}
	f.output = func(_ context.Context, from []logs.Source, q logs.Query, emit func(logs.Record) error) error {
		for _, r := range records {
			for _, s := range from {
				if s.Name != r.Process {
					continue
				}
				if err := emit(r); err != nil {
					return err
				}
			}
		}
		return nil
	}
	w := serve(t, f)
	for _, test := range []struct {
		name   string
		req    LogsRequest
		want   string
		prefix int
	}{
		{"one", LogsRequest{Names: []string{"web"}}, "one\nlong line\n\x1b[31m\xff\x00\n", 0},
		{"one with its name", LogsRequest{Names: []string{"web"}, Prefix: true}, "web | one\nweb | long line\nweb | \x1b[31m\xff\x00\n", 6},
		{"all", LogsRequest{}, "web    | one\nweb    | long line\nworker | torn \nweb    | \x1b[31m\xff\x00\nworker | apart\n", 9},
		{"JSON", LogsRequest{Names: []string{"worker"}, JSON: true},
			`{"time":null,"process":"worker","stream":"","partial":true,"line":"torn "}` + "\n" +
				`{"time":null,"process":"worker","stream":"","line":"apart"}` + "\n", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, prefix, err := readLogs(t, w, test.req)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || prefix != test.prefix {
				t.Errorf("prefix %d, want %d; %s", prefix, test.prefix, diff)
			}
		})
	}
	_, _, err := readLogs(t, w, LogsRequest{Names: []string{"quiet"}})
	if codeOf(t, err) != CodeFailed || !strings.Contains(err.Error(), "output of quiet is not kept: logs.output is none") {
		t.Errorf("got %v", err)
	}
	_, _, err = readLogs(t, w, LogsRequest{Names: []string{"web"}, Stream: "stderr"})
	if codeOf(t, err) != CodeFailed || !strings.Contains(err.Error(), "output of web does not tell stderr from stdout") {
		t.Errorf("got %v", err)
	}
}

func TestLogsQuery(t *testing.T) {
	t.Parallel()
	f := newFake(writer(1, "web", spec.OutputConsole))
	var got logs.Query
	f.output = func(_ context.Context, _ []logs.Source, q logs.Query, _ func(logs.Record) error) error {
		got = q
		return nil
	}
	w := serve(t, f)
	now := f.Wall(f.now)
	for _, test := range []struct {
		name string
		req  LogsRequest
		want logs.Query
		grep string
	}{
		{"nothing", LogsRequest{Last: -1}, logs.Query{Lines: -1}, ""},
		{"last", LogsRequest{Last: 7}, logs.Query{Lines: 7}, ""},
		{"times", LogsRequest{Last: -1, Since: "10m", Until: "2026-11-23T08:00:00+01:00"},
			logs.Query{Lines: -1, Since: now.Add(-10 * time.Minute), Until: boot.Add(time.Hour)}, ""},
		{"stream", LogsRequest{Last: -1, Stream: "stderr", Grep: "a.c"}, logs.Query{Lines: -1, Stream: "stderr"}, "a.c"},
	} {
		if _, _, err := readLogs(t, w, test.req); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(logs.Query{}, "Grep", "Idle")); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		grep := ""
		if got.Grep != nil {
			grep = got.Grep.String()
		}
		if grep != test.grep {
			t.Errorf("%s: grep %q, want %q", test.name, grep, test.grep)
		}
	}
	for _, bad := range []LogsRequest{
		{Stream: "stdin"}, {Grep: "("}, {Grep: strings.Repeat("a", 2000)}, {Since: "monday"}, {Until: "-5m"}, {Names: []string{"nope"}},
	} {
		if _, _, err := readLogs(t, w, bad); codeOf(t, err) != CodeBadRequest && codeOf(t, err) != CodeUnknownProcess {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
}

// What was written is sent as soon as no more is there, and a stream that
// breaks off says why.
func TestLogsFollow(t *testing.T) {
	t.Parallel()
	f := newFake(writer(1, "web", spec.OutputFile))
	more := make(chan struct{})
	f.output = func(_ context.Context, _ []logs.Source, q logs.Query, emit func(logs.Record) error) error {
		for _, line := range []string{"first", "second"} {
			if err := errors.Join(emit(logs.Record{Process: "web", Line: []byte(line)}), q.Idle()); err != nil {
				return err
			}
			<-more
		}
		emit(logs.Record{Process: "web", Stream: "gosup", Line: []byte("gosup: lost")})
		return logs.ErrSlow
	}
	w := serve(t, f)
	out, err := w.client().Logs(soon(t), LogsRequest{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	buf := make([]byte, 100)
	for _, want := range []string{"first\n", "second\n"} {
		n, err := out.Read(buf)
		if err != nil || string(buf[:n]) != want {
			t.Fatalf("got %q, %v; want %q", buf[:n], err, want)
		}
		more <- struct{}{}
	}
	rest, err := io.ReadAll(out)
	if string(rest) != "gosup: lost\n" || codeOf(t, err) != CodeFailed || !strings.Contains(err.Error(), "too slow") {
		t.Errorf("got %q, %v", rest, err)
	}
}
