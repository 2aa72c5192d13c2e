package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gosup/control"
)

// patient is a server whose answers to health checks a test chooses.
type patient struct {
	l    net.Listener
	mode atomic.Value // string
	over chan struct{}
}

// startPatient starts a server that is healthy. It ends with the test.
func startPatient(t *testing.T) *patient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &patient{l: l, over: make(chan struct{})}
	p.mode.Store("ok")
	go p.accept(p.l)
	t.Cleanup(func() {
		close(p.over)
		l.Close()
	})
	return p
}

func (p *patient) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed
		}
		go p.answer(conn) // ends with the connection or the test
	}
}

// answer reads a request and answers as the mode says.
func (p *patient) answer(conn net.Conn) {
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 4096)); err != nil {
		return
	}
	const head = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
	switch p.mode.Load() {
	case "ok":
		io.WriteString(conn, head+"Content-Length: 2\r\n\r\nok")
	case "down":
		io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
	case "degraded":
		body := `{"status":"degraded","reason":"disk 91% full"}`
		fmt.Fprintf(conn, "%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)
	case "hang":
		<-p.over
	case "slow":
		p.drip(conn, head+"Content-Length: 9\r\n\r\nok")
	case "endless head":
		io.WriteString(conn, head)
		p.pour(conn, strings.Repeat("X-More: and more\r\n", 1000))
	case "endless body":
		io.WriteString(conn, head+"\r\n")
		p.pour(conn, strings.Repeat("x", 4096))
	case "huge":
		fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n", head, 1<<40)
		p.pour(conn, strings.Repeat("x", 4096))
	case "nonsense":
		io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n")
	}
}

// drip writes a byte a tenth of a second until nobody reads any more.
func (p *patient) drip(conn net.Conn, text string) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := 0; i < len(text); i++ {
		if _, err := conn.Write([]byte{text[i]}); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-p.over:
			return
		}
	}
}

// pour writes until nobody reads any more.
func (p *patient) pour(conn net.Conn, text string) {
	for {
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
	}
}

func (p *patient) url() string { return "http://" + p.l.Addr().String() + "/healthz" }

// turned returns the first event at which the health of a process became to,
// and waits for it.
func (s *supervisor) turned(name, to string, nth int) control.Event {
	s.t.Helper()
	var found control.Event
	if !eventually(func() bool {
		n := 0
		for _, e := range s.events(name) {
			if e.Type == "health" && e.To == to {
				if n++; n == nth {
					found = e
					return true
				}
			}
		}
		return false
	}) {
		s.t.Fatalf("%s: no health event %d to %s in %+v", name, nth, to, s.events(name))
	}
	return found
}

// slack is how late a busy machine may make what is measured.
const slack = 2 * time.Second

// The figures of the health example (10s/5s/3: a refused connection is found in
// 20–30 s, a hang in 25–35 s) at a tenth of the scale, at any phase of the
// interval.
func TestHealthFigures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		fail      func(p *patient)
		low, high time.Duration
		reason    string
	}{
		{"refused", func(p *patient) { p.l.Close() }, 2 * time.Second, 3 * time.Second, "connection refused"},
		{"hang", func(p *patient) { p.mode.Store("hang") }, 2500 * time.Millisecond, 3500 * time.Millisecond, "no answer within 500ms"},
		{"status", func(p *patient) { p.mode.Store("down") }, 2 * time.Second, 3 * time.Second, "HTTP 503"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := startPatient(t)
			var file strings.Builder
			file.WriteString("processes:\n")
			const phases = 5
			for i := range phases {
				fmt.Fprintf(&file, "  p%d: {command: [sleep, inf], readiness: {delay: %dms}, health: {http: {url: %q}, interval: 1s, timeout: 500ms, unhealthy_threshold: 3, on_unhealthy: none}}\n",
					i, 1+200*i, p.url())
			}
			s := startSupervisor(t, file.String())
			for i := range phases {
				s.turned(fmt.Sprintf("p%d", i), "healthy", 1)
			}
			failed := time.Now()
			tt.fail(p)
			for i := range phases {
				e := s.turned(fmt.Sprintf("p%d", i), "unhealthy", 1)
				// Events are cut to the millisecond, and probes that are due within
				// 10 ms go together.
				took := e.Time.Sub(failed)
				if took < tt.low-20*time.Millisecond || took > tt.high+slack {
					t.Errorf("phase %d: found after %v, want %v to %v", i, took, tt.low, tt.high)
				}
				if !strings.Contains(e.Cause, tt.reason) {
					t.Errorf("cause %q, want %q in it", e.Cause, tt.reason)
				}
			}
		})
	}
}

// Bad answers have a reason, and cost neither descriptors nor threads.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	p := startPatient(t)
	s := startSupervisor(t, fmt.Sprintf(`
processes:
  web:
    command: [sleep, inf]
    health: {http: {url: %q}, interval: 1s, timeout: 1s, unhealthy_threshold: 1, on_unhealthy: none}
`, p.url()))
	s.turned("web", "healthy", 1)
	before := s.descriptors()
	bad := []struct{ mode, reason string }{
		{"slow", "no answer within 1s"}, {"endless head", "too long"}, {"nonsense", "malformed"}, {"hang", "no answer within 1s"},
	}
	for i, b := range bad {
		p.mode.Store(b.mode)
		if e := s.turned("web", "unhealthy", i+1); !strings.Contains(e.Cause, b.reason) || e.Cause == "" {
			t.Errorf("%s: cause %q, want %q in it", b.mode, e.Cause, b.reason)
		}
		p.mode.Store("ok")
		s.turned("web", "healthy", i+2)
	}
	p.mode.Store("degraded")
	if e := s.turned("web", "degraded", 1); e.Cause != "disk 91% full" {
		t.Errorf("degraded: cause %q", e.Cause)
	}
	// As much of a body as is read is enough to see that it is there.
	for i, mode := range []string{"endless body", "huge"} {
		p.mode.Store(mode)
		s.turned("web", "healthy", len(bad)+2+i)
		p.mode.Store("degraded")
		s.turned("web", "degraded", i+2)
	}
	if !eventually(func() bool { return s.descriptors() <= before+2 }) {
		t.Errorf("%d descriptors, there were %d", s.descriptors(), before)
	}
	if p := s.status("web"); p.TotalRestarts != 0 || p.Run != 1 {
		t.Errorf("on_unhealthy none: %+v", p)
	}
}

// descriptors returns how many the daemon has open.
func (s *supervisor) descriptors() int {
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(all)
}

// A process that shows degraded and then unhealthy is restarted for it, on its
// budget.
func TestUnhealthyDemo(t *testing.T) {
	t.Parallel()
	addr := freeAddress(t)
	s := startSupervisor(t, fmt.Sprintf(`
processes:
  web:
    command: [gosup, demo, --http, %q, --degraded-after, 1s, --unhealthy-after, 2s]
    restart: {strategy: delayed, delay: 300ms, max_restarts: 3, within: 1h}
    health: {http: {url: "http://%[1]s/healthz"}, interval: 200ms, unhealthy_threshold: 2, start_period: 10s}
`, addr))
	if e := s.turned("web", "degraded", 1); !strings.Contains(e.Cause, "told to be degraded") {
		t.Errorf("degraded: %+v", e)
	}
	s.turned("web", "unhealthy", 1)
	if !eventually(func() bool { p := s.status("web"); return p.Run == 2 && p.State == "running" }) {
		t.Fatalf("no second run: %+v", s.status("web"))
	}
	p := s.status("web")
	if p.Restarts != 1 || p.LastExit == nil || p.LastExit.Cause != "unhealthy" || p.LastExit.Code == nil || *p.LastExit.Code != 0 {
		t.Errorf("after the restart: %+v, last exit %+v", p, p.LastExit)
	}
	if !strings.Contains(s.log("web"), "farewell on TERM") {
		t.Error("it was not stopped properly")
	}
	s.turned("web", "healthy", 2)
	for _, e := range s.events("web") {
		if e.To == "backoff" && !strings.Contains(e.Cause, "restart 1 of 3, after: unhealthy: HTTP 503") {
			t.Errorf("backoff: %+v", e)
		}
	}
}

// A process whose heartbeat stops is unhealthy once its silence is longer than
// the timeout, and is restarted.
func TestHeartbeatStops(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, `
processes:
  beats:
    command: [gosup, demo, --heartbeat, 50ms, --heartbeat-stop-after, 500ms]
    restart: {strategy: immediate}
    health: {heartbeat: {timeout: 1s}, start_period: 10s}
  beats-on:
    command: [gosup, demo, --heartbeat, 50ms]
    health: {heartbeat: {timeout: 1s}, start_period: 10s}
`)
	e := s.turned("beats", "unhealthy", 1)
	if e.Cause != "Heartbeat timeout" {
		t.Errorf("cause %q", e.Cause)
	}
	began := s.turned("beats", "healthy", 1).Time
	if took := e.Time.Sub(began); took < 1250*time.Millisecond || took > 1600*time.Millisecond+slack {
		t.Errorf("found after %v, want 0.5 s of heartbeats and 1 s of silence", took)
	}
	s.turned("beats", "healthy", 2)
	if p := s.status("beats-on"); p.Run != 1 || p.Health != "healthy" {
		t.Errorf("beats-on: %+v", p)
	}
	if p := s.status("beats"); p.TotalRestarts == 0 || p.LastExit.Cause != "unhealthy" {
		t.Errorf("beats: %+v", p)
	}
}

// Each kind of readiness lets its process run and its dependents start, and not
// before.
func TestReadiness(t *testing.T) {
	t.Parallel()
	addr := freeAddress(t)
	s := startSupervisor(t, fmt.Sprintf(`
defaults: {restart: {max_restarts: 1, strategy: immediate}}
processes:
  notify: {command: [gosup, demo, --ready-after, 300ms], readiness: notify}
  log: {command: [sh, -c, 'echo almost; sleep 0.3; echo now listening on 1 >&2; exec sleep inf'], readiness: {log: "listening on [0-9]+$"}}
  fd: {command: [sh, -c, 'ls /proc/$$$$/fd; sleep 0.3; echo >&5; exec sleep inf'], readiness: {fd: 5}}
  fd-twice: {command: [sh, -c, 'ls /proc/$$$$/fd; sleep 0.3; echo >&7; echo again >&7; exec sleep inf'], readiness: {fd: 7}}
  http: {command: [sh, -c, 'sleep 0.3; exec gosup demo --http %s'], readiness: {http: {url: "http://%[1]s/healthz"}}}
  exec: {command: [sh, -c, 'rm -f done; sleep 0.3; touch done; exec sleep inf'], readiness: {exec: {command: [test, -e, done]}}}
  delay: {command: [sleep, inf], readiness: {delay: 300ms}}
  after: {command: [sleep, inf], depends_on: [notify, log, fd, fd-twice, http, exec, delay]}
  never: {command: [sleep, inf], readiness: {notify: true, timeout: 400ms}}
  waits: {command: [sleep, inf], depends_on: {never: ready}}
`, addr))
	after := s.wait("running", "after")[0]
	for _, name := range []string{"notify", "log", "fd", "fd-twice", "http", "exec", "delay"} {
		var started, ready time.Time
		for _, e := range s.events(name) {
			switch e.To {
			case "starting":
				started = e.Time
			case "running":
				ready = e.Time
			}
		}
		if took := ready.Sub(started); took < 290*time.Millisecond || took > 500*time.Millisecond+slack {
			t.Errorf("%s: running %v after it was started", name, took)
		}
		if after.StartedAt.Before(ready.Add(-time.Millisecond)) {
			t.Errorf("after was started at %v, before %s was ready", after.StartedAt, name)
		}
		if p := s.status(name); p.Run != 1 {
			t.Errorf("%s: %+v", name, p)
		}
	}
	// Nothing but what is meant for them is open in them.
	for name, want := range map[string]string{"fd": "0 1 2 5", "fd-twice": "0 1 2 7"} {
		if got := strings.Join(strings.Fields(s.log(name)), " "); got != want {
			t.Errorf("%s: has descriptors %s, want %s", name, got, want)
		}
	}
	never := s.wait("failed", "never")[0]
	if !strings.Contains(never.Reason, "not ready within 400ms") || never.TotalRestarts != 1 || never.LastExit.Cause != "start_failed" {
		t.Errorf("never: %+v, last exit %+v", never, never.LastExit)
	}
	waits := s.status("waits")
	if waits.State != "waiting" || len(waits.WaitingOn) != 1 || waits.WaitingOn[0] != "never" || !strings.Contains(waits.Reason, "never to be ready: it is failed") {
		t.Errorf("waits: %+v", waits)
	}
	s.act("stop", "all")
}

// A check whose command forks and hangs is killed with all that it has started,
// and says that its time was over.
func TestExecCheckThatHangs(t *testing.T) {
	t.Parallel()
	mark := strconv.Itoa(400_000_000 + os.Getpid())
	outside := strconv.Itoa(500_000_000 + os.Getpid())
	s := startSupervisor(t, fmt.Sprintf(`
dependencies:
  outside: {exec: {command: [sh, -c, 'sleep %s & sleep %[1]s']}, interval: 1m, timeout: 1m}
processes:
  web:
    command: [sleep, inf]
    health:
      exec: {command: [sh, -c, 'echo looking; setsid sleep %[2]s & (sleep %[2]s & sleep %[2]s) & sleep %[2]s']}
      interval: 300ms
      timeout: 200ms
      unhealthy_threshold: 3
      on_unhealthy: none
  good:
    command: [sh, -c, 'echo 3 >level; exec sleep inf']
    health: {exec: {command: [sh, -c, 'echo level; tail -c 2 level; exit $(cat level)'], degraded_exit_codes: [3]}, interval: 100ms}
`, outside, mark))
	if e := s.turned("web", "unhealthy", 1); !strings.HasPrefix(e.Cause, "timed out") {
		t.Errorf("cause %q", e.Cause)
	}
	if !eventually(func() bool { return s.status("web").HealthReason == "timed out: looking" }) {
		t.Errorf("reason %q", s.status("web").HealthReason)
	}
	if e := s.turned("good", "degraded", 1); e.Cause != "3" {
		t.Errorf("degraded: cause %q, want the last line", e.Cause)
	}
	// Of the probe under way there may be five, of those before none.
	if n := count(t, mark); n > 5 {
		t.Errorf("%d processes of probes are left", n)
	}
	s.act("stop", "all")
	if !eventually(func() bool { return count(t, mark) == 0 }) {
		t.Errorf("%d processes of probes are left after the stop", count(t, mark))
	}
	if n := count(t, outside); n == 0 {
		t.Error("the probe of the dependency is not under way")
	}
	s.end(syscall.SIGTERM, 0)
	if n := count(t, outside); n > 0 {
		t.Errorf("%d processes of probes have outlived gosup", n)
	}
}

// count returns how many processes have a word in their command line.
func count(t *testing.T, word string) (n int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		line, _ := os.ReadFile(file) // it may have ended
		if strings.Contains(string(line), word) && strings.HasPrefix(string(line), "sleep") {
			n++
		}
	}
	return n
}

// freeAddress returns an address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// clinger is a process that cannot do without the server of its argument: it
// ends with code 1 when that does not answer.
func clinger() {
	client := http.Client{Timeout: time.Second}
	for range time.Tick(50 * time.Millisecond) {
		resp, err := client.Get(os.Args[1])
		if err != nil || resp.StatusCode != http.StatusOK {
			fmt.Println("lost:", err)
			os.Exit(1)
		}
		resp.Body.Close()
	}
}

// What a process says badly is dropped and told of, and costs nothing; what it
// says well is heard.
func TestRudeNotifications(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, `
processes:
  rude: {command: rude, readiness: {notify: true, timeout: 20s}}
  quiet: {command: [sh, -c, 'exec sleep inf'], readiness: {notify: true, timeout: 10s}}
`)
	before := s.descriptors()
	s.wait("running", "rude")
	// Some are opened in the course of starting; it has sent two thousand.
	if !eventually(func() bool { return s.descriptors() <= before+20 }) {
		t.Errorf("%d descriptors, there were %d", s.descriptors(), before)
	}
	said, err := os.ReadFile(s.stderr)
	if err != nil || !strings.Contains(string(said), "notification dropped") {
		t.Errorf("nobody was told: %v\n%s", err, said)
	}
	if n := strings.Count(string(said), "notification dropped"); n > 20 {
		t.Errorf("told of %d times", n)
	}
	if p := s.status("quiet"); p.State != "starting" {
		t.Errorf("quiet: %+v", p)
	}
	// Whose socket it is does not say who it is for: nobody else's word counts
	// for it.
	if p := s.status("rude"); p.Run != 1 {
		t.Errorf("rude: %+v", p)
	}
	s.end(syscall.SIGTERM, 0)
	if _, err := os.Stat(filepath.Join(s.dir, ".gosup/run/notify")); !os.IsNotExist(err) {
		t.Errorf("the folder of the sockets is left: %v", err)
	}
}

// rude is a process that says all that it should not, and then that it is ready.
func rude() {
	socket := os.Getenv("NOTIFY_SOCKET")
	for _, text := range []string{"", "no assignment", "MAINPID=x", "READY=1\nBARRIER=1", "X_GOSUP_REQUESTS=-1", strings.Repeat("x", 5000)} {
		sendRights(socket, text, 0)
	}
	for range 2000 {
		sendRights(socket, "STATUS=flood", 0)
	}
	for range 20 {
		sendRights(socket, "STATUS=with descriptors", 100)
	}
	// The flood is over once a second has passed.
	<-time.After(2500 * time.Millisecond)
	sendRights(socket, "READY=1", 3)
	select {}
}

// sendRights sends a datagram with so many descriptors.
func sendRights(socket, text string, count int) {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		fmt.Println(err)
		return
	}
	var rights []byte
	if count > 0 {
		fds := make([]int, count)
		rights = syscall.UnixRights(fds...) // each is our stdin
	}
	raw.Control(func(fd uintptr) { _ = syscall.Sendmsg(int(fd), []byte(text), rights, nil, syscall.MSG_DONTWAIT) })
}
