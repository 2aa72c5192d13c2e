package control

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"gosup/tree"
)

// A thousand clients that connect and say nothing, or half a request, displace
// each other and nobody else.
func TestHalfOpenClients(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"", "GET /v1/proc", "POST /v1/actions/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"} {
		t.Run(fmt.Sprintf("%.8q", said), func(t *testing.T) {
			t.Parallel()
			limits := Limits{Clients: 40, PerUID: 40, Root: 4, Stranger: 4}
			w := serve(t, newFake(running(1, "web")), func(o *Options, _ *deadlines, _ *Socket) { o.Limits = limits })
			for i := range 1000 {
				io.WriteString(w.dial(t), said)
				if i%100 != 50 {
					continue
				}
				if _, err := w.client().Processes(soon(t)); err != nil {
					t.Fatalf("an honest client beside %d others: %v", i, err)
				}
			}
		})
	}
}

// Who follows keeps its place, but others find one beside it.
func TestFollowersKeepTheirPlace(t *testing.T) {
	t.Parallel()
	limits := Limits{Clients: 16, PerUID: 16, Root: 4, Stranger: 1}
	f := newFake(running(1, "web"))
	w := serve(t, f, func(o *Options, _ *deadlines, _ *Socket) { o.Limits = limits })
	var followers []*bufio.Reader
	for range 8 {
		conn := w.dial(t)
		io.WriteString(conn, "GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n")
		r := bufio.NewReader(conn)
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("follower refused: %v %v", resp, err)
		}
		followers = append(followers, bufio.NewReader(resp.Body))
	}
	err := w.client().Events(soon(t), EventsRequest{Follow: true}, nil)
	if codeOf(t, err) != CodeBusy {
		t.Errorf("one follower too many: got %v", err)
	}
	for range 100 {
		w.dial(t)
	}
	if _, err := w.client().Processes(soon(t)); err != nil {
		t.Errorf("an honest client: %v", err)
	}
	f.note(tree.Note{Process: "still here"})
	for i, r := range followers {
		if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "still here") {
			t.Errorf("follower %d: %q %v", i, line, err)
		}
	}
}

// What comes in must come in soon, and what goes out must be read.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	short := func(_ *Options, d *deadlines, _ *Socket) {
		*d = deadlines{header: 50 * time.Millisecond, read: 50 * time.Millisecond, write: 50 * time.Millisecond, idle: 50 * time.Millisecond}
	}
	many := make([]*tree.Node, 4000)
	for i := range many {
		many[i] = running(tree.NodeID(i+1), fmt.Sprint("web", i))
	}
	f := newFake(many...)
	for range 4000 {
		f.note(tree.Note{Process: strings.Repeat("x", 100)})
	}
	w := serve(t, f, short)
	for _, test := range []struct{ name, said string }{
		{"nothing", ""},
		{"half a head", "GET /v1/proc"},
		{"half a body", "POST /v1/actions/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"},
		{"idle after a request", "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"large answer not read", "GET /v1/processes HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"stream not read", "GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			conn := w.dial(t)
			io.WriteString(conn, test.said)
			untilClosed(t, conn)
		})
	}
}

// untilClosed waits until the other side has closed the connection, without
// reading from it.
func untilClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	for {
		// The other side reads no more, so this blocks until it has closed.
		if _, err := conn.Write(make([]byte, 64<<10)); errors.Is(err, net.ErrClosed) || isBroken(err) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func isBroken(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "broken pipe") || strings.Contains(err.Error(), "reset by peer"))
}

// A follower that is quiet for long, because nothing happens, is kept.
func TestQuietFollower(t *testing.T) {
	t.Parallel()
	f := newFake()
	w := serve(t, f, func(_ *Options, d *deadlines, _ *Socket) {
		*d = deadlines{header: time.Second, read: 20 * time.Millisecond, write: 20 * time.Millisecond, idle: 20 * time.Millisecond}
	})
	late := time.AfterFunc(300*time.Millisecond, func() { f.note(tree.Note{Process: "at last"}) })
	defer late.Stop()
	got := ""
	enough := errors.New("enough")
	err := w.client().Events(soon(t), EventsRequest{Follow: true}, func(line []byte, _ bool) error {
		got = string(line)
		return enough
	})
	if !errors.Is(err, enough) || !strings.Contains(got, "at last") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestGarbage(t *testing.T) {
	t.Parallel()
	w := serve(t, newFake(running(1, "web")))
	for _, test := range []struct {
		name, said string
		status     int // 0: closed without an answer
	}{
		{"noise", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		{"another protocol", "HELP\r\n\r\n", 400},
		{"huge head", "GET /v1/version HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", 431},
		{"huge body", fmt.Sprintf("POST /v1/actions/stop HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 2<<20, strings.Repeat(" ", 2<<20)), 400},
		{"two lengths", "POST /v1/shutdown HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400},
		{"climbing path", "GET /v1/processes/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"deep JSON", "POST /v1/shutdown HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("[", 100000), 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			conn := w.dial(t)
			go io.WriteString(conn, test.said)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != test.status {
				t.Errorf("got %s, want %d", resp.Status, test.status)
			}
		})
	}
}

// Many clients at once all get an answer.
func TestManyClients(t *testing.T) {
	t.Parallel()
	nodes := make([]*tree.Node, 20)
	for i := range nodes {
		nodes[i] = running(tree.NodeID(i+1), fmt.Sprint("web", i))
	}
	w := serve(t, newFake(nodes...))
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for range 2 {
				if got, err := w.client().Processes(soon(t)); err != nil || len(got) != 20 {
					t.Errorf("got %d, %v", len(got), err)
				}
			}
		})
	}
	wg.Wait()
}

// Who sends a request a byte at a time has no longer for it than others.
func TestTrickle(t *testing.T) {
	t.Parallel()
	w := serve(t, newFake(running(1, "web")), func(_ *Options, d *deadlines, _ *Socket) {
		d.header, d.read = 100*time.Millisecond, 100*time.Millisecond
	})
	for _, begin := range []string{"", "GET /v1/version HTTP/1.1\r\nX: ", "POST /v1/shutdown HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"} {
		conn := w.dial(t)
		io.WriteString(conn, begin)
		pace := time.NewTicker(5 * time.Millisecond)
		for range pace.C {
			if _, err := io.WriteString(conn, "x"); isBroken(err) {
				break
			} else if err != nil {
				t.Fatalf("after %q: %v", begin, err)
			}
		}
		pace.Stop()
	}
	if len(w.shut) > 0 {
		t.Error("half a body has shut gosup down")
	}
}
