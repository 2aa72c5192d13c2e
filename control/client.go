package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Client talks to a daemon. Its errors are *Problem, or that of the context.
// It holds no connection between calls; its methods may be called from any
// goroutine.
type Client struct {
	socket string
}

// NewClient returns a client of the daemon that listens on a socket.
func NewClient(socket string) *Client { return &Client{socket: socket} }

// dialTimeout is for the daemon to accept: longer only if it is not running
// its loop any more.
const dialTimeout = 5 * time.Second

// answerTimeout is for an answer that needs no waiting. A daemon that takes
// longer is stopped or stuck.
const answerTimeout = 10 * time.Second

// Processes returns the status of the processes that the names mean, of all
// without names.
func (c *Client) Processes(ctx context.Context, names ...string) ([]Process, error) {
	b, err := c.ProcessesJSON(ctx, names...)
	if err != nil {
		return nil, err
	}
	list, err := DecodeProcesses(b)
	if err != nil {
		return nil, c.senseless(err)
	}
	return list, nil
}

// ProcessesJSON is Processes, as the server wrote it.
func (c *Client) ProcessesJSON(ctx context.Context, names ...string) ([]byte, error) {
	return c.fetch(ctx, request{method: http.MethodGet, path: "/v1/processes", query: url.Values{"name": names}})
}

// ProcessesUsageJSON is ProcessesJSON with what the processes use. That takes
// the daemon longer: it looks at every process of the machine.
func (c *Client) ProcessesUsageJSON(ctx context.Context, names ...string) ([]byte, error) {
	q := url.Values{"name": names, "usage": {"true"}}
	return c.fetch(ctx, request{method: http.MethodGet, path: "/v1/processes", query: q})
}

// Tree returns all groups and processes, a group before its members.
func (c *Client) Tree(ctx context.Context) ([]Node, error) {
	var out []Node
	err := c.get(ctx, "/v1/tree", nil, &out)
	return out, err
}

// TreeJSON is Tree, as the server wrote it.
func (c *Client) TreeJSON(ctx context.Context) ([]byte, error) {
	return c.fetch(ctx, request{method: http.MethodGet, path: "/v1/tree"})
}

// TreeChanged waits until the tree has another version than after, for at most
// timeout, and returns it, with what the processes use, and its version.
func (c *Client) TreeChanged(ctx context.Context, after uint64, timeout time.Duration) ([]Node, uint64, error) {
	q := url.Values{"after": {strconv.FormatUint(after, 10)}, "timeout": {timeout.String()}, "usage": {"true"}}
	body, err := c.open(ctx, request{method: http.MethodGet, path: "/v1/tree", query: q, waits: timeout})
	if err != nil {
		return nil, 0, err
	}
	defer body.Close()
	var nodes []Node
	if err := json.NewDecoder(body).Decode(&nodes); err != nil {
		var p *Problem
		if errors.As(err, &p) || ctx.Err() != nil {
			return nil, 0, err
		}
		return nil, 0, c.senseless(err)
	}
	version, err := strconv.ParseUint(body.resp.Header.Get(treeVersion), 10, 64)
	if err != nil {
		return nil, 0, c.senseless(err)
	}
	return nodes, version, nil
}

// Version returns what is known of the daemon itself.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var out Version
	err := c.get(ctx, "/v1/version", nil, &out)
	return out, err
}

// Wait waits until all processes that the names mean are in a state, one of
// WaitStates, and returns their status. The code of the error is
// CodeNotInTime if that takes longer than timeout; 0 is no limit but the
// server's.
func (c *Client) Wait(ctx context.Context, state string, timeout time.Duration, names ...string) ([]Process, error) {
	if timeout <= 0 {
		timeout = maxWait
	}
	q := url.Values{"name": names, "for": {state}, "timeout": {timeout.String()}}
	var out []Process
	err := c.call(ctx, request{method: http.MethodGet, path: "/v1/wait", query: q, waits: timeout}, &out)
	return out, err
}

// Act has an action done: start, stop, restart or signal. Whether it worked is
// in the results, one for each process that the names mean.
func (c *Client) Act(ctx context.Context, verb string, req ActionRequest) ([]ActionResult, error) {
	var out ActionAnswer
	waits := time.Duration(req.TimeoutSeconds * float64(time.Second))
	if waits == 0 {
		waits = maxWait
	}
	if req.NoWait || verb == "signal" {
		waits = 0
	}
	err := c.post(ctx, "/v1/actions/"+verb, waits, req, &out)
	return out.Results, err
}

// EventsRequest says which events are wanted.
type EventsRequest struct {
	Since  string // a number of an event or a duration; "" for all that are kept
	Last   int    // of those kept, at most so many; -1: all
	Follow bool
	Names  []string
}

// Events calls each with every event, as the JSON line that the server sent,
// valid until each returns, and whether more have arrived already. It ends
// with the first error of each, or nil at the end of the stream.
func (c *Client) Events(ctx context.Context, req EventsRequest, each func(line []byte, more bool) error) error {
	q := url.Values{"name": req.Names}
	if req.Since != "" {
		q.Set("since", req.Since)
	}
	if req.Last >= 0 {
		q.Set("n", fmt.Sprint(req.Last))
	}
	if req.Follow {
		q.Set("follow", "true")
	}
	return c.lines(ctx, "/v1/events", q, each)
}

// LogsRequest says which output is wanted.
type LogsRequest struct {
	Names  []string // none: of all processes
	Last   int      // of each process, at most so many lines; -1: all
	Since  string   // a duration back, or a time as RFC 3339 has it; "" for all
	Until  string   // as Since
	Stream string   // stdout or stderr; "" for both
	Grep   string   // a regular expression
	Follow bool     // go on with what comes
	JSON   bool     // one object a line, else bare lines
	Prefix bool     // put the name before each bare line even of a single process: "web | line"
}

// Output is what Logs returns. The error of a Read that is not io.EOF says why
// it broke off.
type Output struct {
	io.ReadCloser
	Prefix int // how many characters of each line are the name and what stands behind it; 0 if there are none
}

// Logs returns the output of processes, for as long as it is read.
func (c *Client) Logs(ctx context.Context, req LogsRequest) (*Output, error) {
	q := url.Values{"name": req.Names}
	if req.Last >= 0 {
		q.Set("n", fmt.Sprint(req.Last))
	}
	for key, value := range map[string]string{"since": req.Since, "until": req.Until, "stream": req.Stream, "grep": req.Grep} {
		if value != "" {
			q.Set(key, value)
		}
	}
	if req.Follow {
		q.Set("follow", "true")
	}
	if req.JSON {
		q.Set("format", "json")
	}
	if req.Prefix {
		q.Set("prefix", "always")
	}
	body, err := c.stream(ctx, "/v1/logs", q)
	if err != nil {
		return nil, err
	}
	width, _ := strconv.Atoi(body.resp.Header.Get(prefixHeader)) // 0 without one
	return &Output{ReadCloser: body, Prefix: width}, nil
}

// stream opens an answer that may be quiet for as long as it likes.
func (c *Client) stream(ctx context.Context, path string, q url.Values) (*answerBody, error) {
	body, err := c.open(ctx, request{method: http.MethodGet, path: path, query: q})
	if err != nil {
		return nil, err
	}
	body.conn.SetReadDeadline(time.Time{})
	return body, nil
}

func (c *Client) lines(ctx context.Context, path string, q url.Values, each func(line []byte, more bool) error) error {
	body, err := c.stream(ctx, path, q)
	if err != nil {
		return err
	}
	defer body.Close()
	r := bufio.NewReaderSize(body, 64<<10)
	for {
		line, err := readLine(r)
		if len(line) > 0 {
			if err := each(line, r.Buffered() > 0); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readLine returns the next line without its end. Lines of any length pass.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line = bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) {
			var more []byte
			more, err = r.ReadSlice('\n')
			line = append(line, more...)
		}
	}
	return bytes.TrimSuffix(line, []byte{'\n'}), err
}

// request is one request of a client.
type request struct {
	method string
	path   string
	query  url.Values
	body   []byte
	waits  time.Duration // how long the server may take before it answers

	upgrade string // the protocol to go on in, if any
}

func (c *Client) get(ctx context.Context, path string, q url.Values, out any) error {
	return c.call(ctx, request{method: http.MethodGet, path: path, query: q}, out)
}

func (c *Client) post(ctx context.Context, path string, waits time.Duration, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return problemf(CodeBadRequest, "", "%s", err)
	}
	return c.call(ctx, request{method: http.MethodPost, path: path, body: b, waits: waits}, out)
}

func (c *Client) call(ctx context.Context, r request, out any) error {
	b, err := c.fetch(ctx, r)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(b, out); err != nil {
		return c.senseless(err)
	}
	return nil
}

func (c *Client) senseless(err error) *Problem {
	return problemf(CodeBroken, "", "the answer on %s makes no sense: %s", c.socket, err)
}

// fetch returns the whole body of a successful answer.
func (c *Client) fetch(ctx context.Context, r request) ([]byte, error) {
	body, err := c.open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if n := body.resp.ContentLength; n >= 0 && n < 1<<30 {
		b := make([]byte, n)
		_, err := io.ReadFull(body, b)
		return b, err
	}
	return io.ReadAll(body)
}

// open sends a request and returns the body of the answer, if that is a
// success. Closing the body, or the end of ctx, closes the connection.
//
// The request is written by hand to a connection of its own rather than
// through http.Transport: an answer that comes before the request was read is
// seen even when writing failed, and nothing outlives the call.
func (c *Client) open(ctx context.Context, r request) (*answerBody, error) {
	conn, err := dialAt(c.socket, dialTimeout)
	if err != nil {
		return nil, c.unreachable(err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	body := &answerBody{over: ctx.Err, conn: conn, stop: stop}
	conn.SetDeadline(time.Now().Add(r.waits + answerTimeout))
	u := url.URL{Scheme: "http", Host: "gosup", Path: r.path, RawQuery: r.query.Encode()}
	req, err := http.NewRequest(r.method, u.String(), bytes.NewReader(r.body))
	if err != nil {
		body.Close()
		return nil, problemf(CodeBadRequest, "", "%s", err)
	}
	req.Close = r.upgrade == ""
	if r.upgrade != "" {
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", r.upgrade)
	}
	req.Header.Set("User-Agent", "gosup")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	writeErr := req.Write(conn)
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		body.Close()
		if writeErr != nil {
			err = writeErr
		}
		return nil, c.noAnswer(ctx, err)
	}
	body.resp = resp
	if resp.StatusCode >= 300 {
		defer body.Close()
		return nil, problemOf(resp)
	}
	return body, nil
}

// answerBody is a body that takes its connection with it.
type answerBody struct {
	over func() error // Err of the context of the call
	resp *http.Response
	conn net.Conn
	stop func() bool
}

// Read reads the answer. Its errors are those of the Client.
func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.resp.Body.Read(p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		return n, b.trailer()
	case b.over() != nil:
		return n, b.over()
	default:
		return n, problemf(CodeUnreachable, "gosup has ended, or what it sent was not read for too long", "the answer broke off: %s", err)
	}
}

// trailer returns the problem that a stream has ended with, or io.EOF.
func (b *answerBody) trailer() error {
	text := b.resp.Trailer.Get(problemTrailer)
	p := &Problem{}
	if text == "" || json.Unmarshal([]byte(text), p) != nil {
		return io.EOF
	}
	return p
}

// Close closes the connection.
func (b *answerBody) Close() error {
	b.stop()
	return b.conn.Close()
}

// problemOf reads the problem that an answer is.
func problemOf(resp *http.Response) *Problem {
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	p := &Problem{}
	if err != nil || json.Unmarshal(b, p) != nil || p.Code == "" {
		return problemf(CodeBroken, "", "answered %s: %s", resp.Status, strings.TrimSpace(string(b)))
	}
	return p
}

// unreachable says why nobody could be asked.
func (c *Client) unreachable(err error) *Problem {
	const start = "start it with gosup run, or name its socket with --socket"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return problemf(CodeUnreachable, start, "no gosup answers: there is no socket %s", c.socket)
	case errors.Is(err, syscall.ECONNREFUSED):
		return problemf(CodeUnreachable, start, "no gosup answers on %s: it is not running any more", c.socket)
	case errors.Is(err, fs.ErrPermission):
		return problemf(CodeForbidden, "ask as root or as the user who runs gosup", "socket %s: permission denied", c.socket)
	default:
		return problemf(CodeUnreachable, start, "no gosup answers on %s: %s", c.socket, err)
	}
}

// noAnswer is the error of a connection that ended before the answer.
func (c *Client) noAnswer(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problemf(CodeUnreachable, "is it stopped?", "gosup does not answer on %s", c.socket)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return problemf(CodeUnreachable, "it is ending, or has too many clients: try again", "gosup closed the connection on %s without an answer", c.socket)
	}
	return problemf(CodeBroken, "is this a socket of gosup?", "no sensible answer on %s: %s", c.socket, err)
}
