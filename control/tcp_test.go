package control

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"gosup/spec"
	"gosup/tree"
)

// tcpPort is a server's TCP address in a test.
type tcpPort struct {
	w         *world
	a         *authority
	listener  net.Listener
	encrypted bool
}

// serveTCP has the server of w listen on TCP too, until the test ends.
func (w *world) serveTCP(t *testing.T, a *authority, set spec.Supervisor) *tcpPort {
	t.Helper()
	l, err := ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tcpPort{w: w, a: a, listener: l}
	p.secure(t, set)
	done := make(chan error)
	go func() { done <- w.server.ServeTCP(l) }()
	t.Cleanup(func() {
		l.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p
}

// secure has the server look at its files again.
func (p *tcpPort) secure(t *testing.T, set spec.Supervisor) {
	t.Helper()
	security, err := LoadSecurity(set)
	if err != nil {
		t.Fatal(err)
	}
	p.encrypted = set.TLS.Cert != ""
	p.w.server.Secure(security)
}

// ask sends one request, "/path" or "POST /path", with a token and a client's
// certificate if there are any. It returns the status, or "refused" where the
// handshake was not to be had.
func (p *tcpPort) ask(t *testing.T, request, token string, cert *tls.Certificate) string {
	t.Helper()
	method, path, ok := strings.Cut(request, " ")
	body := `{"names":["web"],"no_wait":true}`
	if !ok {
		method, path, body = http.MethodGet, request, ""
	}
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n", method, path, len(body))
	if token != "" {
		text += "Authorization: Bearer " + token + "\r\n"
	}
	conn := p.dial(t)
	if p.encrypted {
		config := &tls.Config{RootCAs: p.a.pool(), ServerName: "127.0.0.1"}
		if cert != nil {
			config.Certificates = []tls.Certificate{*cert}
		}
		conn = tls.Client(conn, config)
	}
	return status(t, conn, text+"\r\n"+body)
}

// status sends a request and returns the status of the answer, which it reads
// to its end.
func status(t *testing.T, conn net.Conn, request string) string {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		return "refused"
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "refused"
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "refused"
	}
	return strconv.Itoa(resp.StatusCode)
}

func (p *tcpPort) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn
}

// raw sends a request in plain text and returns the answer.
func (p *tcpPort) raw(t *testing.T, text string) (*http.Response, string) {
	t.Helper()
	conn := p.dial(t)
	io.WriteString(conn, text)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// Who is by TCP is nobody in particular: its changes carry its token, and what
// is for gosup's own user is not for it.
func TestAskerByTCP(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	w := richWorld(t)
	p := w.serveTCP(t, a, spec.Supervisor{TLS: a.leaf("server"), TokensFile: a.write("tokens", "# ops\na-token-of-good-length\n", 0o600)})
	if got := p.ask(t, "POST /v1/actions/stop", "a-token-of-good-length", nil); got != "200" {
		t.Fatal(got)
	}
	w.mu.Lock()
	by := w.asked[len(w.asked)-1].By
	w.mu.Unlock()
	if by != "token 2 from 127.0.0.1" {
		t.Errorf("asked by %q", by)
	}
	if got := p.ask(t, "/v1/plan?file=/etc/shadow", "a-token-of-good-length", nil); got != "403" {
		t.Errorf("a file of a stranger's choice: %s, want 403", got)
	}
	if got := p.ask(t, "/v1/plan", "a-token-of-good-length", nil); got != "200" {
		t.Errorf("the daemon's own file: %s", got)
	}
	p.ask(t, "/v1/plan", "another-token-of-good-length", nil)
	p.ask(t, "/v1/plan", "", nil)
	if got, _ := value(scraped(t, w)["gosup_api_unauthorized_total"], nil); got != 2 {
		t.Errorf("%v were unauthorized, want 2", got)
	}
}

func TestOriginIsRefusedByTCP(t *testing.T) {
	t.Parallel()
	p := serve(t, newFake(running(1, "web"))).serveTCP(t, nil, spec.Supervisor{})
	for _, path := range []string{"/livez", "/metrics", "/v1/version"} {
		resp, _ := p.raw(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\n\r\n")
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s with an Origin: %s", path, resp.Status)
		}
	}
}

// A refusal says what to do.
func TestRefusalsByTCP(t *testing.T) {
	t.Parallel()
	w := serve(t, newFake(running(1, "web")))
	p := w.serveTCP(t, nil, spec.Supervisor{})
	for _, test := range []struct{ request, detail, hint string }{
		{"GET /v1/version", "the API is not served on this address", "set supervisor.tls and supervisor.tokens_file, or use the unix socket"},
		{"GET /nothing", "the API has no /nothing", ""},
		{"POST /metrics", "/metrics takes GET, not POST", ""},
	} {
		resp, body := p.raw(t, test.request+" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
		var got Problem
		if err := json.Unmarshal([]byte(body), &got); err != nil || got.Detail != test.detail || got.Hint != test.hint || got.Status != resp.StatusCode {
			t.Errorf("%s: %s: %+v, %v", test.request, resp.Status, got, err)
		}
	}
	large := "GET /livez HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n"
	if got := status(t, p.dial(t), large); got != "431" && got != "refused" { // the answer may be lost with what was not read
		t.Errorf("a large head: %s", got)
	}
}

// A thousand connections that say nothing, or half of something, displace each
// other. They take no place of a client of the unix socket, nor from another
// address.
func TestHalfOpenByTCP(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"", "GET /met", "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", "\x16\x03\x01"} {
		t.Run(fmt.Sprintf("%.8q", said), func(t *testing.T) {
			t.Parallel()
			limits := Limits{Clients: 64, PerUID: 64, Root: 4, Stranger: 4}
			f := newFake(running(1, "web"))
			w := serve(t, f, func(o *Options, _ *deadlines, _ *Socket) { o.Limits = limits })
			p := w.serveTCP(t, nil, spec.Supervisor{})
			var local []net.Conn
			for range 60 {
				conn := w.dial(t)
				io.WriteString(conn, "GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n")
				local = append(local, conn)
			}
			for i := range 300 {
				conn := p.dial(t)
				io.WriteString(conn, said)
				if i%100 != 50 {
					continue
				}
				if got := status(t, p.dial(t), "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); got != "200" {
					t.Fatalf("an honest client beside %d others: %s", i, got)
				}
				if _, err := w.client().Processes(soon(t)); err != nil {
					t.Fatalf("a client of the socket beside %d others: %v", i, err)
				}
			}
			f.note(tree.Note{Process: "still here"})
			line := make([]byte, 1)
			if _, err := local[0].Read(line); err != nil {
				t.Errorf("a follower on the socket has lost its place: %v", err)
			}
		})
	}
}

// Requests by TCP have a pace, and those on the socket have not.
func TestPaceByTCP(t *testing.T) {
	t.Parallel()
	w := serve(t, newFake(running(1, "web")))
	p := w.serveTCP(t, nil, spec.Supervisor{})
	conn := p.dial(t)
	ask := func(want string) {
		t.Helper()
		if got := status(t, conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	w.server.pace.SetLimit(rate.Every(24 * time.Hour))
	w.server.pace.SetBurst(3)
	for range 3 {
		ask("200")
	}
	if left := w.server.pace.Tokens(); left >= 1 {
		t.Errorf("three requests have left %v of three", left)
	}
	w.server.pace.SetBurst(0) // nothing may come any more
	ask("503")
	if _, err := w.client().Processes(soon(t)); err != nil {
		t.Errorf("a client of the socket: %v", err)
	}
}

func TestDeadlinesByTCP(t *testing.T) {
	t.Parallel()
	many := make([]*tree.Node, 4000)
	for i := range many {
		many[i] = running(tree.NodeID(i+1), fmt.Sprint("web", i))
	}
	a := newAuthority(t)
	w := serve(t, newFake(many...), func(_ *Options, d *deadlines, _ *Socket) {
		*d = deadlines{header: 50 * time.Millisecond, read: 50 * time.Millisecond, write: 50 * time.Millisecond, idle: 50 * time.Millisecond}
	})
	plain := w.serveTCP(t, a, spec.Supervisor{})
	for _, said := range []string{"", "GET /live", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"} {
		conn := plain.dial(t)
		io.WriteString(conn, said)
		untilClosed(t, conn)
	}
	plain.secure(t, spec.Supervisor{TLS: a.leaf("server")})
	untilClosed(t, plain.dial(t)) // no handshake
}

func TestListenTCP(t *testing.T) {
	t.Parallel()
	l, err := ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = ListenTCP(l.Addr().String())
	want := "supervisor.listen: " + l.Addr().String() + " is in use (end what listens there, or name another port)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err = ListenTCP("192.0.2.1:9"); err == nil || errors.Is(err, syscall.EADDRINUSE) || !strings.HasPrefix(err.Error(), "supervisor.listen: 192.0.2.1:9: ") {
		t.Errorf("an address of nobody here: %v", err)
	}
}

// Limits hold for an address, and of IPv6 for a network.
func TestOwner(t *testing.T) {
	t.Parallel()
	peer := func(address string) Peer {
		p, err := remotePeer(fakeConn{address})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	same := [][2]string{{"192.0.2.1:1", "192.0.2.1:2"}, {"[::ffff:192.0.2.1]:1", "192.0.2.1:2"}, {"[2001:db8::1]:1", "[2001:db8::2]:1"}}
	for _, s := range same {
		if peer(s[0]).owner() != peer(s[1]).owner() {
			t.Errorf("%v are two", s)
		}
	}
	for _, s := range [][2]string{{"192.0.2.1:1", "192.0.2.2:1"}, {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1"}} {
		if peer(s[0]).owner() == peer(s[1]).owner() {
			t.Errorf("%v are one", s)
		}
	}
	if (Access{UID: nobody, GID: -1}).allows(Peer{UID: 1000}) || peer("192.0.2.1:1").UID == 0 {
		t.Error("somebody by TCP is taken for a user")
	}
}

type fakeConn struct{ address string }

func (c fakeConn) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", c.address)
	if err != nil {
		panic(err)
	}
	return a
}

func (fakeConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (fakeConn) Write([]byte) (int, error)        { return 0, io.EOF }
func (fakeConn) Close() error                     { return nil }
func (fakeConn) LocalAddr() net.Addr              { return nil }
func (fakeConn) SetDeadline(time.Time) error      { return nil }
func (fakeConn) SetReadDeadline(time.Time) error  { return nil }
func (fakeConn) SetWriteDeadline(time.Time) error { return nil }
