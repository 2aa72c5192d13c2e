package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosup/spec"
)

// hold keeps a connection open until the other side closes it.
func hold(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// forever writes s until the other side has enough.
func forever(s string) func(net.Conn) {
	return func(conn net.Conn) {
		for {
			if _, err := io.WriteString(conn, s); err != nil {
				return
			}
		}
	}
}

func say(s string, then func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, s)
		then(conn)
	}
}

func leave(net.Conn) {}

// drip sends one byte each time d has passed.
func drip(d time.Duration) func(net.Conn) {
	return func(conn net.Conn) {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for range tick.C {
			if _, err := io.WriteString(conn, "x"); err != nil {
				return
			}
		}
	}
}

func TestHTTPBadServers(t *testing.T) {
	ok := "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		name    string
		speak   func(net.Conn)
		verdict Verdict
		reason  string
	}{
		{"hangs", hold, Unhealthy, "no answer within 1s"},
		{"hangs in the head", say(ok+"X-A: b", hold), Unhealthy, "no answer within 1s"},
		{"hangs in the body", say(ok+"Content-Length: 10\r\n\r\nx", hold), Unhealthy, "answer not complete within 1s"},
		{"drips its body", say(ok+"Content-Length: 100000\r\n\r\n", drip(20*time.Millisecond)), Unhealthy, "answer not complete within 1s"},
		{"drips its head", say(ok+"X-A: ", drip(20*time.Millisecond)), Unhealthy, "no answer within 1s"},
		{"huge body", say(ok+"Content-Length: 1000000000000\r\n\r\n", forever(strings.Repeat("y", 1<<16))), Healthy, ""},
		{"endless body", say(ok+"\r\n", forever(strings.Repeat("y", 1000))), Healthy, ""},
		{"endless JSON", say(ok+"Content-Type: application/json\r\n\r\n", forever(strings.Repeat("[", 1<<16))), Healthy, ""},
		{"endless chunks of a byte", say(ok+"Transfer-Encoding: chunked\r\n\r\n", forever("1;"+strings.Repeat("e", 80)+"\r\nx\r\n")),
			Unhealthy, "chunked encoding contains too much non-data"},
		{"endless head", say(ok, forever(strings.Repeat("X-A: b\r\n", 1000))), Unhealthy, errTooLong.Error()},
		{"hangs in the first line", say("HTTP/1.1 2", hold), Unhealthy, "no answer within 1s"},
		{"endless first line", forever(strings.Repeat("a", 1000)), Unhealthy, errTooLong.Error()},
		{"endless interim answers", forever("HTTP/1.1 103 Early Hints\r\n\r\n"), Unhealthy, errTooLong.Error()},
		{"interim answer first", say("HTTP/1.1 103 Early Hints\r\n\r\n"+ok+"Content-Length: 0\r\n\r\n", leave), Healthy, ""},
		{"leaves", leave, Unhealthy, "connection closed without an answer"},
		{"leaves in the head", say("HTTP/1.1 200 OK\r\nX-A: b", leave), Unhealthy, "connection closed without an answer"},
		{"leaves in the body", say(ok+"Content-Length: 10\r\n\r\nabc", leave), Unhealthy, "connection closed in the middle of the answer"},
		{"other protocol", say("SSH-2.0-OpenSSH_9\x1b[2J\r\n", leave), Unhealthy, `malformed HTTP response "SSH-2.0-OpenSSH_9\x1b[2J"`},
	}
	before := descriptors(t)
	var p Prober
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			timeout := 10 * time.Second
			if strings.Contains(tt.reason, " within ") {
				timeout = time.Second
			}
			url := serve(t, tt.speak)
			begin := time.Now()
			got := p.HTTP(t.Context(), get(strings.Replace(url, "//", "//ann:s3cret@", 1)), timeout)
			if got.Verdict != tt.verdict || !strings.HasPrefix(got.Reason, tt.reason) || got.Reason != "" && tt.reason == "" {
				t.Errorf("got %s %q, want %s %q", got.Verdict, got.Reason, tt.verdict, tt.reason)
			}
			if strings.Contains(got.Reason, "s3cret") {
				t.Errorf("the reason tells a password: %q", got.Reason)
			}
			// Wide enough for a busy machine; a probe without an end would hang.
			if took := time.Since(begin); took > timeout+5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	settle(t, "descriptors", before, func() int { return descriptors(t) })
	settle(t, "goroutines of probes", 0, probing)
}

func TestTLSHandshakeHangs(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepted by the kernel alone
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var p Prober
	check(t, p.HTTP(t.Context(), get("https://"+l.Addr().String()), time.Second), Unhealthy,
		"TLS handshake not done within 1s")
}

// closedPort returns an address on which nobody listens and, until the test
// ends, nobody else can.
func closedPort(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

func TestRefused(t *testing.T) {
	t.Parallel()
	address := closedPort(t)
	var p Prober
	check(t, p.TCP(t.Context(), &spec.TCPProbe{Address: address}, 10*time.Second), Unhealthy, "connection refused")
	check(t, p.HTTP(t.Context(), get("http://ann:s3cret@"+address+"/"), 10*time.Second), Unhealthy, "connection refused")
}

func TestTCP(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var p Prober
	check(t, p.TCP(t.Context(), &spec.TCPProbe{Address: l.Addr().String()}, 10*time.Second), Healthy, "")
	if got := p.TCP(t.Context(), &spec.TCPProbe{Address: "no-port"}, 10*time.Second); got.Verdict != Unhealthy || got.Reason == "" {
		t.Errorf("got %+v", got)
	}
	if got := p.TCP(t.Context(), &spec.TCPProbe{Address: "nosuchhost.invalid:1"}, 10*time.Second); got.Verdict != Unhealthy ||
		!strings.HasPrefix(got.Reason, "lookup nosuchhost.invalid: ") {
		t.Errorf("got %+v", got)
	}
}

// TestFullBacklog: a process that no longer accepts looks like a hang once
// its backlog is full.
func TestFullBacklog(t *testing.T) {
	t.Parallel()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	var p Prober
	var got Result
	for range 8 { // how many fit is the kernel's business
		conn, err := dial(within(t, 100*time.Millisecond), "tcp", address)
		if err != nil {
			break
		}
		defer conn.Close()
	}
	got = p.TCP(t.Context(), &spec.TCPProbe{Address: address}, 100*time.Millisecond)
	check(t, got, Unhealthy, "no connection within 100ms")
}

func TestFullUnixBacklog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var p Prober
	check(t, p.HTTP(t.Context(), get("unix://"+path+":/"), 10*time.Second), Unhealthy, path+": nobody accepts connections")
}

func TestCancelledSaysNothing(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	url := serve(t, func(conn net.Conn) { close(arrived); hold(conn) })
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-arrived; cancel() }() // ends when the request is there
	var p Prober
	check(t, p.HTTP(ctx, get(url), time.Minute), Unknown, "cancelled")
	check(t, p.TCP(ctx, &spec.TCPProbe{Address: strings.Trim(url, "htp:/")}, time.Minute), Unknown, "cancelled")
}

// TestOwnShortageSaysNothing: a daemon out of descriptors must not find
// everything unhealthy.
func TestOwnShortageSaysNothing(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		err := &failure{connecting, "h:1", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", errno)}}
		if got := failed(t.Context(), time.Second, err); got.Verdict != Unknown || got.Reason != "not probed: "+errno.Error() {
			t.Errorf("%v: got %+v", errno, got)
		}
	}
}

func TestReasonsAreBounded(t *testing.T) {
	t.Parallel()
	url := serve(t, say("HTTP/1.1 503 x\r\nContent-Type: text/plain\r\n\r\n"+strings.Repeat("ä\x1b", 10000), leave))
	var p Prober
	got := p.HTTP(t.Context(), get(url), 10*time.Second)
	if n := len([]rune(got.Reason)); n != maxReason || strings.ContainsRune(got.Reason, 0x1b) {
		t.Errorf("%d runes: %q", n, got.Reason)
	}
}

// descriptors counts this process's open descriptors.
func descriptors(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(entries)
}

// probing counts the goroutines that are inside this package's code and not
// in its tests.
func probing() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "healthcheck.(*Prober)")
}

// settle waits until now reports at most want.
func settle(t *testing.T, what string, want int, now func() int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for now() > want {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d left, want %d", what, now(), want)
		}
		runtime.Gosched()
	}
}
