package control

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

// Exec runs a command beside a process, as it is run, on three descriptors of
// the caller's that are Passable: its standard input, output and error. They
// stay the caller's; passed is called once the daemon has its own. The names
// that come in signals are sent to the command's process group. When ctx is
// over, the command is ended.
func (c *Client) Exec(ctx context.Context, req ExecRequest, files [3]int, passed func(), signals <-chan string) (ExecResult, error) {
	b, err := json.Marshal(req)
	if err != nil {
		return ExecResult{}, problemf(CodeBadRequest, "", "%s", err)
	}
	body, err := c.open(ctx, request{method: http.MethodPost, path: "/v1/exec", body: b, upgrade: execProtocol})
	if err != nil {
		return ExecResult{}, err
	}
	defer body.Close()
	conn, ok := body.conn.(*net.UnixConn)
	if !ok || body.resp.StatusCode != http.StatusSwitchingProtocols {
		return ExecResult{}, problemf(CodeBroken, "is this a socket of gosup?", "no exec on %s: %s", c.socket, body.resp.Status)
	}
	if _, _, err := conn.WriteMsgUnix([]byte{'f'}, unix.UnixRights(files[:]...), nil); err != nil {
		return ExecResult{}, c.noAnswer(ctx, bare(err))
	}
	passed()
	conn.SetDeadline(time.Time{})
	over := make(chan struct{})
	defer close(over)
	go sendSignals(conn, signals, over)
	line, err := readLine(bufio.NewReader(conn))
	if err != nil {
		return ExecResult{}, c.noAnswer(ctx, err)
	}
	var result ExecResult
	if err := json.Unmarshal(line, &result); err != nil {
		return ExecResult{}, c.senseless(err)
	}
	return result, nil
}

// sendSignals hands signals on until over is closed.
func sendSignals(conn net.Conn, signals <-chan string, over <-chan struct{}) {
	for {
		select {
		case name := <-signals:
			if b, err := json.Marshal(ExecSignal{Signal: name}); err == nil {
				conn.Write(append(b, '\n')) // if it is gone, the answer says so
			}
		case <-over:
			return
		}
	}
}
