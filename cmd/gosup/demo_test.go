package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is the deadline of every wait in these tests: far more than any of
// them needs.
const patience = 90 * time.Second

// demoProcess is a gosup demo under test.
type demoProcess struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// startDemo starts gosup demo with these arguments. It is killed when the test
// ends or has lost its patience; its output ends then, and with it every wait.
func startDemo(t *testing.T, env []string, args ...string) *demoProcess {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "gosup", append([]string{"demo"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &demoProcess{t: t, cmd: cmd, lines: bufio.NewScanner(stdout)}
}

// until reads lines up to one that matches and returns its submatches.
func (p *demoProcess) until(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	var seen []string
	for p.lines.Scan() {
		if m := re.FindStringSubmatch(p.lines.Text()); m != nil {
			return m
		}
		seen = append(seen, p.lines.Text())
	}
	p.t.Fatalf("output ended with no line like %q:\n%s", pattern, strings.Join(seen, "\n"))
	return nil
}

// code waits for the end and returns the exit code; -1 after a signal.
func (p *demoProcess) code() int {
	p.t.Helper()
	for p.lines.Scan() {
	}
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *demoProcess) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// fetch returns the status and the body of an answer.
func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestDemoSaysFarewell(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		signal syscall.Signal
		word   string
	}{{syscall.SIGTERM, "TERM"}, {syscall.SIGINT, "INT"}} {
		p := startDemo(t, nil)
		p.until(`^demo: steady, pid \d+$`)
		p.signal(tt.signal)
		p.until(`^demo: farewell on ` + tt.word + `$`)
		if got := p.code(); got != 0 {
			t.Errorf("exit code after %s: got %d, want 0", tt.word, got)
		}
	}
}

func TestDemoIgnoresTerm(t *testing.T) {
	t.Parallel()
	p := startDemo(t, nil, "--ignore-term")
	p.until(`^demo: ignores TERM, pid`)
	p.signal(syscall.SIGTERM)
	p.until(`^demo: TERM ignored$`)
	p.signal(syscall.SIGKILL)
	if got := p.code(); got != -1 {
		t.Errorf("exit code: got %d, want an end by KILL", got)
	}
}

func TestDemoShowsHealth(t *testing.T) {
	t.Parallel()
	p := startDemo(t, nil, "--http", "127.0.0.1:0", "--degraded-after", "300ms", "--unhealthy-after", "600ms")
	url := "http://" + p.until(`^demo: http on (.+)$`)[1] + "/healthz"
	for _, want := range []struct {
		line   string
		code   int
		health demoHealth
	}{
		{"", 200, demoHealth{"healthy", ""}},
		{"^demo: degraded$", 200, demoHealth{"degraded", "told to be degraded after 300ms"}},
		{"^demo: unhealthy$", 503, demoHealth{"unhealthy", "told to be unhealthy after 600ms"}},
	} {
		if want.line != "" {
			p.until(want.line)
		}
		code, body := fetch(t, url)
		var got demoHealth
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("body %q: %v", body, err)
		}
		if code != want.code || got != want.health {
			t.Errorf("got %d %+v, want %d %+v", code, got, want.code, want.health)
		}
	}
}

func TestDemoEndsAfterRequests(t *testing.T) {
	t.Parallel()
	p := startDemo(t, nil, "--http", "127.0.0.1:0", "--crash-after-requests", "2", "--exit-code", "9")
	url := "http://" + p.until(`^demo: http on (.+)$`)[1]
	fetch(t, url+"/healthz")
	if code, body := fetch(t, url+"/"); code != 200 || body != "hello from gosup demo, request 1\n" {
		t.Errorf("got %d %q", code, body)
	}
	if code, body := fetch(t, url+"/error"); code != 500 || body != "hello from gosup demo, request 2\n" {
		t.Errorf("got %d %q", code, body)
	}
	p.until(`^demo: end with code 9, after 2 requests$`)
	if got := p.code(); got != 9 {
		t.Errorf("exit code: got %d, want 9", got)
	}
}

func TestDemoNotifies(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify")
	messages := receive(t, path)
	next := func(want string) {
		t.Helper()
		for got := range messages {
			if got == want {
				return
			}
		}
		t.Fatalf("no message %q", want)
	}
	p := startDemo(t, []string{"NOTIFY_SOCKET=" + path}, "--http", "127.0.0.1:0",
		"--ready-after", "5ms", "--heartbeat", "20ms", "--heartbeat-stop-after", "1s", "--log-rate", "50")
	url := "http://" + p.until(`^demo: http on (.+)$`)[1]
	next("READY=1")
	next("WATCHDOG=1\nX_GOSUP_REQUESTS=0\nX_GOSUP_ERRORS=0")
	fetch(t, url+"/")
	fetch(t, url+"/error")
	next("WATCHDOG=1\nX_GOSUP_REQUESTS=2\nX_GOSUP_ERRORS=1")
	p.until(`^demo: no more heartbeats$`)
	lines := func(n int) {
		for range n {
			p.until(`^demo: line`)
		}
	}
	lines(5) // the last ones sent have arrived by then
	for len(messages) > 0 {
		<-messages
	}
	lines(5) // as long as five heartbeats
	if n := len(messages); n > 0 {
		t.Errorf("%d heartbeats after the last", n)
	}
}

// receive listens on a notify socket and delivers what comes in, until the
// test ends or loses its patience.
func receive(t *testing.T, path string) <-chan string {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(patience))
	messages := make(chan string, 1000)
	go func() {
		defer close(messages)
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			messages <- string(buf[:n])
		}
	}()
	return messages
}

func TestDemoLogs(t *testing.T) {
	t.Parallel()
	p := startDemo(t, nil, "--log-rate", "2000")
	start := time.Now()
	for i := 1; i <= 1000; i++ {
		if got, want := p.until(`^demo: line (.*)$`)[0], "demo: line "+strconv.Itoa(i); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("1000 lines at 2000 a second took only %v", took)
	}
}
