package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"gosup/tree"
)

// execFake is a supervisor whose commands write what they got to their output.
func execFake() *fake {
	f := newFake(running(1, "web"), &tree.Node{ID: 2, Name: "api", IsGroup: true})
	f.answer = func(a tree.Asked) tree.Answer {
		return tree.Answer{Results: []tree.Result{{Name: a.Names[0], Changed: true}}}
	}
	f.execute = func(ctx context.Context, n *tree.Node, argv []string, files []int, terminal bool, signals <-chan int) (tree.Exit, error) {
		in := make([]byte, 100)
		got, err := unix.Read(files[0], in)
		if err != nil {
			return tree.Exit{}, err
		}
		select {
		case sig := <-signals:
			fmt.Fprintf(fdWriter(files[1]), "%s %v %v: %s, then signal %d", n.Name, argv, terminal, in[:got], sig)
		case <-ctx.Done():
			return tree.Exit{}, ctx.Err()
		}
		return tree.Exit{Code: 3}, nil
	}
	return f
}

// fdWriter writes to a bare descriptor.
type fdWriter int

func (fd fdWriter) Write(b []byte) (int, error) { return unix.Write(int(fd), b) }

// pipe returns a pipe that ends with the test.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func TestExec(t *testing.T) {
	t.Parallel()
	f := execFake()
	c := serve(t, f).client()
	inR, inW := pipe(t)
	outR, outW := pipe(t)
	inW.WriteString("hello")
	signals := make(chan string, 1)
	signals <- "HUP"
	req := ExecRequest{Name: "web", Argv: []string{"cat", "-n"}, Reason: "to see"}
	result, err := c.Exec(soon(t), req, [3]int{int(inR.Fd()), int(outW.Fd()), int(outW.Fd())}, func() { outW.Close() }, signals)
	if err != nil || result != (ExecResult{Code: 3}) {
		t.Fatalf("got %+v, %v", result, err)
	}
	said, err := io.ReadAll(outR) // ends: nobody has the other end any more
	if want := "web [cat -n] false: hello, then signal 1"; err != nil || string(said) != want {
		t.Errorf("got %q, %v, want %q", said, err, want)
	}
	want := []tree.Asked{{Verb: tree.AskExec, Names: []string{"web"}, Argv: req.Argv, By: fmt.Sprintf("uid %d", os.Getuid()), Why: "to see"}}
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Error(diff)
	}
	_, schema := compiled(t)
	text, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	checkSchema(t, schema("/paths/~1v1~1exec/post/responses/101/content/application~1jsonl/schema"), string(text))
}

// codedError is the error of a command that could not be run.
type codedError struct{ error }

func (codedError) ExitCode() int { return 127 }

func TestExecFails(t *testing.T) {
	t.Parallel()
	f := execFake()
	f.execute = func(context.Context, *tree.Node, []string, []int, bool, <-chan int) (tree.Exit, error) {
		return tree.Exit{}, codedError{errors.New("exec nope: not found")}
	}
	r, w := pipe(t)
	result, err := serve(t, f).client().Exec(soon(t), ExecRequest{Name: "web", Argv: []string{"nope"}},
		[3]int{int(r.Fd()), int(w.Fd()), int(w.Fd())}, func() {}, nil)
	if want := (ExecResult{Code: 127, Error: "exec nope: not found"}); err != nil || result != want {
		t.Errorf("got %+v, %v, want %+v", result, err, want)
	}
}

func TestExecRefuses(t *testing.T) {
	t.Parallel()
	f := execFake()
	w := serve(t, f)
	r, out := pipe(t)
	for _, test := range []struct {
		name string
		req  ExecRequest
		want Code
	}{
		{"unknown process", ExecRequest{Name: "nobody", Argv: []string{"true"}}, CodeUnknownProcess},
		{"group", ExecRequest{Name: "api", Argv: []string{"true"}}, CodeBadRequest},
		{"no command", ExecRequest{Name: "web"}, CodeBadRequest},
		{"empty command", ExecRequest{Name: "web", Argv: []string{""}}, CodeBadRequest},
		{"NUL", ExecRequest{Name: "web", Argv: []string{"a\x00b"}}, CodeBadRequest},
	} {
		_, err := w.client().Exec(soon(t), test.req, [3]int{int(r.Fd()), int(out.Fd()), int(out.Fd())}, func() {}, nil)
		if got := codeOf(t, err); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	resp, _ := w.raw(t, "POST /v1/exec HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 30\n\n{\"name\":\"web\",\"argv\":[\"true\"]}")
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("no upgrade: got %s", resp.Status)
	}
	byTCP := &client{Conn: fakeConn{}}
	_, err := w.server.execChecked(byTCP, &http.Request{}, &ExecRequest{Name: "web", Argv: []string{"true"}})
	if got := codeOf(t, err); got != CodeBadRequest {
		t.Errorf("by TCP: got %q", got)
	}
	if len(f.asked) != 0 {
		t.Errorf("the tree was told: %+v", f.asked)
	}
}

// upgrade opens a connection as far as the answer 101.
func (w *world) upgrade(t *testing.T) (*net.UnixConn, *bufio.Reader) {
	t.Helper()
	conn := w.dial(t)
	body := `{"name":"web","argv":["cat"]}`
	fmt.Fprintf(conn, "POST /v1/exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: gosup-exec\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %+v, %v", resp, err)
	}
	return conn.(*net.UnixConn), r
}

// What a client passes that is not as it should be is closed, and said so.
func TestExecDescriptors(t *testing.T) {
	t.Parallel()
	w := serve(t, execFake())
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() }) // after the subtests
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(socket) })
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	for _, test := range []struct {
		name  string
		files []int // -1 stands for the pipe
		want  string
	}{
		{"none", nil, "0 came, not 3"},
		{"two", []int{-1, -1}, "2 came, not 3"},
		{"four", []int{-1, -1, -1, -1}, "4 came, not 3"},
		{"many", []int{-1, -1, -1, -1, -1, -1, -1, -1}, "came, not 3"}, // the kernel leaves out what has no room
		{"a file", []int{-1, -1, int(file.Fd())}, "descriptor 2 is not a pipe"},
		{"a socket", []int{socket, -1, -1}, "descriptor 0 is not a pipe"},
		{"null alone is fine", []int{int(null.Fd()), int(null.Fd()), -1}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			conn, answer := w.upgrade(t)
			r, out := pipe(t)
			for i := range test.files {
				if test.files[i] == -1 {
					test.files[i] = int(out.Fd())
				}
			}
			if _, _, err := conn.WriteMsgUnix([]byte{'f'}, unix.UnixRights(test.files...), nil); err != nil {
				t.Fatal(err)
			}
			out.Close()
			if test.want == "" {
				conn.CloseWrite() // the command ends with the client
			}
			line, err := answer.ReadString('\n')
			if err != nil || !strings.Contains(line, test.want) {
				t.Errorf("got %q, %v, want %q", line, err, test.want)
			}
			if n, err := r.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the pipe is still open: %d %v", n, err)
			}
		})
	}
}

// A client that passes no descriptors in time, talks too early or talks
// nonsense is let go.
func TestExecBadClients(t *testing.T) {
	t.Parallel()
	w := serve(t, execFake(), func(_ *Options, d *deadlines, _ *Socket) { d.header = 50 * time.Millisecond })
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		_, answer := w.upgrade(t)
		if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, "timeout") {
			t.Errorf("got %q, %v", line, err)
		}
	})
	t.Run("early", func(t *testing.T) {
		t.Parallel()
		conn := w.dial(t)
		body := `{"name":"web","argv":["cat"]}`
		fmt.Fprintf(conn, "POST /v1/exec HTTP/1.1\r\nHost: x\r\nUpgrade: gosup-exec\r\nContent-Length: %d\r\n\r\n%sf", len(body), body)
		if b, _ := io.ReadAll(conn); strings.Contains(string(b), `"code":0`) {
			t.Errorf("got %q", b)
		}
	})
	for _, said := range []string{"nonsense\n", "{\"signal\":\"NOPE\"}\n", strings.Repeat("x", 1<<20)} {
		t.Run(fmt.Sprintf("%.12q", said), func(t *testing.T) {
			t.Parallel()
			conn, answer := w.upgrade(t)
			r, out := pipe(t)
			out.WriteString("hello")
			if _, _, err := conn.WriteMsgUnix([]byte{'f'}, unix.UnixRights(int(r.Fd()), int(out.Fd()), int(out.Fd())), nil); err != nil {
				t.Fatal(err)
			}
			go io.WriteString(conn, said)
			if line, err := answer.ReadString('\n'); err == nil && !strings.Contains(line, "context canceled") {
				t.Errorf("got %q, %v", line, err)
			}
		})
	}
}

// Commands have a limit of their own, below that of clients.
func TestExecLimit(t *testing.T) {
	t.Parallel()
	w := serve(t, execFake(), func(o *Options, _ *deadlines, _ *Socket) {
		o.Limits = Limits{Clients: 40, PerUID: 40, Root: 4, Stranger: 4, Execs: 2}
	})
	first, _ := w.upgrade(t)
	w.upgrade(t)
	again := func() Code {
		r, out := pipe(t)
		ctx, cancel := context.WithCancel(soon(t))
		_, err := w.client().Exec(ctx, ExecRequest{Name: "web", Argv: []string{"cat"}}, [3]int{int(r.Fd()), int(out.Fd()), int(out.Fd())}, cancel, nil)
		if errors.Is(err, context.Canceled) {
			return "" // it was let in
		}
		return codeOf(t, err)
	}
	if got := again(); got != CodeBusy {
		t.Errorf("a third: got %q", got)
	}
	first.Close()
	for again() == CodeBusy {
		if t.Context().Err() != nil {
			t.Fatal("the place was not given back")
		}
	}
}

// The command ends with its client.
func TestExecClientGone(t *testing.T) {
	t.Parallel()
	f := execFake()
	ended := make(chan error, 1)
	f.execute = func(ctx context.Context, _ *tree.Node, _ []string, _ []int, _ bool, _ <-chan int) (tree.Exit, error) {
		<-ctx.Done()
		ended <- ctx.Err()
		return tree.Exit{}, ctx.Err()
	}
	r, out := pipe(t)
	ctx, cancel := context.WithCancel(soon(t))
	_, err := serve(t, f).client().Exec(ctx, ExecRequest{Name: "web", Argv: []string{"cat"}},
		[3]int{int(r.Fd()), int(out.Fd()), int(out.Fd())}, cancel, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	select {
	case <-ended:
	case <-soon(t).Done():
		t.Error("the command goes on")
	}
}
