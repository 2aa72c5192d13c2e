package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// execProtocol is what a connection is upgraded to by POST /v1/exec.
const execProtocol = "gosup-exec"

// ExecRequest is the body of POST /v1/exec.
type ExecRequest struct {
	Name     string   `json:"name"`               // of one process
	Argv     []string `json:"argv"`               // the command; no shell is run
	Terminal bool     `json:"terminal,omitempty"` // the first descriptor is a terminal, and becomes the command's controlling one
	Reason   string   `json:"reason,omitempty"`   // the person's words, for the history
}

// ExecSignal is a line that the client may send while the command runs.
type ExecSignal struct {
	Signal string `json:"signal"` // "INT", "SIGINT" or "2"; it goes to the command's process group
}

// ExecResult is the line that ends an upgraded connection.
type ExecResult struct {
	Code  int    `json:"code"`  // as a shell has it: 128+N after signal N, 127 where there is no such command, 126 where it cannot be run
	Error string `json:"error"` // why it could not be run; "" if it was
}

// upgraded is the type of an answer that comes after the connection has been
// upgraded.
type upgraded struct{ item any }

// execSignalPace is how long the next signal of a client waits, so that a flood
// of them costs nobody but the client.
const execSignalPace = 10 * time.Millisecond

// exec runs a command beside a process, as its user, in its folder and with its
// environment, on descriptors of the client's. The request asks for an upgrade
// to gosup-exec. After the answer 101 the client sends one byte with three
// descriptors as SCM_RIGHTS (unix(7)), the command's standard input, output and
// error: pipes, pseudo-terminals or /dev/null. It may then send lines, each an
// ExecSignal; a line with an ExecResult ends the connection. If the client ends
// it, the command gets SIGTERM, and 2 s later SIGKILL.
func (s *Server) exec(w http.ResponseWriter, r *http.Request) error {
	var req ExecRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	c := clientOf(r.Context())
	n, err := s.execChecked(c, r, &req)
	if err != nil {
		return err
	}
	ctx, cancel, err := s.stay(w, r, maxFollow)
	if err != nil {
		return err
	}
	defer cancel()
	if err := c.gate.executes(c); err != nil {
		return err
	}
	defer c.gate.executed(c)
	if err := s.askExec(ctx, n.Name, &req, c); err != nil {
		return err
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer conn.Close()
	if buf.Reader.Buffered() > 0 {
		return nil // it did not wait for the answer: its descriptors are lost
	}
	conn.SetDeadline(time.Now().Add(s.deadlines.header))
	if _, err := conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + execProtocol + "\r\n\r\n")); err != nil {
		return nil // the client is gone
	}
	result := s.execute(ctx, c.Conn.(*net.UnixConn), n, &req)
	if b, err := json.Marshal(result); err == nil {
		conn.SetWriteDeadline(time.Now().Add(s.deadlines.write))
		conn.Write(append(b, '\n'))
	}
	return nil
}

// execChecked finds the process that a request means, and what is wrong with
// the request.
func (s *Server) execChecked(c *client, r *http.Request, req *ExecRequest) (*tree.Node, error) {
	if _, ok := c.Conn.(*net.UnixConn); !ok {
		return nil, problemf(CodeBadRequest, "ask on the unix socket", "only a unix socket can pass the command's descriptors")
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), execProtocol) {
		return nil, problemf(CodeBadRequest, "gosup ctl exec does it", "the request does not ask for Upgrade: %s", execProtocol)
	}
	if len(req.Argv) == 0 || req.Argv[0] == "" {
		return nil, problemf(CodeBadRequest, "", "no command was given")
	}
	if slices.ContainsFunc(req.Argv, func(arg string) bool { return strings.ContainsRune(arg, 0) }) {
		return nil, problemf(CodeBadRequest, "", "the command has a NUL byte")
	}
	n, err := one(s.sup.Snapshot(), req.Name)
	if err == nil && n.IsGroup {
		err = problemf(CodeBadRequest, "name one of its processes", "%s is a group", n.Name)
	}
	return n, err
}

// askExec tells the tree of what is about to be done: it notes who does it.
func (s *Server) askExec(ctx context.Context, name string, req *ExecRequest, c *client) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ans, err := s.sup.Ask(ctx, tree.Asked{
		Verb: tree.AskExec, Names: []string{name}, Argv: req.Argv, By: c.peer.String(), Why: req.Reason,
	})
	switch {
	case err != nil:
		return ended(err)
	case ans.Err != nil:
		return ans.Err
	case ans.Results[0].Err != "":
		return problemf(CodeEnding, "", "%s", ans.Results[0].Err)
	}
	return nil
}

// execute takes the descriptors from the connection and runs the command on
// them. ctx ends with the connection.
func (s *Server) execute(ctx context.Context, conn *net.UnixConn, n *tree.Node, req *ExecRequest) ExecResult {
	files, err := receiveFiles(conn)
	if err != nil {
		return ExecResult{Code: 126, Error: err.Error()}
	}
	conn.SetReadDeadline(time.Time{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signals := make(chan int)
	go func() { // ends with the connection, which ends with the request
		defer cancel()
		readSignals(ctx, conn, signals)
	}()
	exit, err := s.sup.Execute(ctx, n, req.Argv, files, req.Terminal, signals)
	if err == nil {
		return ExecResult{Code: exit.ShellCode()}
	}
	code := 1
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		code = coded.ExitCode()
	}
	return ExecResult{Code: code, Error: err.Error()}
}

// readSignals hands on what a client sends, until it sends nonsense or no more.
func readSignals(ctx context.Context, conn net.Conn, signals chan<- int) {
	pace := time.NewTicker(execSignalPace)
	defer pace.Stop()
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 1<<10)
	for lines.Scan() {
		var line ExecSignal
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			return
		}
		n, ok := spec.SignalNumber(line.Signal)
		if !ok {
			return
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
			return
		}
		select {
		case signals <- n:
		case <-ctx.Done():
			return
		}
	}
}
