package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"gosup/control"
	"gosup/notify"
)

// address returns where a socket of a process listens.
func (s *supervisor) address(process, socket string) string {
	s.t.Helper()
	for _, f := range s.handed(process) {
		if f.Name == socket {
			return f.Address
		}
	}
	s.t.Fatalf("%s has no socket %s", process, socket)
	return ""
}

// handed returns what a process is handed.
func (s *supervisor) handed(process string) []control.Descriptor {
	s.t.Helper()
	answer, err := s.client.DescribeJSON(s.t.Context(), process)
	var d control.Description
	if err == nil {
		err = json.Unmarshal(answer, &d)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return d.Descriptors
}

// load is clients that ask for a page again and again, each time on a new
// connection.
type load struct {
	url    string
	client http.Client
	stop   chan struct{}
	done   sync.WaitGroup

	answers atomic.Int64
	mu      sync.Mutex
	errors  []error
}

func startLoad(url string, clients int) *load {
	l := &load{url: url, stop: make(chan struct{}), client: http.Client{
		Timeout:   patience,
		Transport: &http.Transport{DisableKeepAlives: true},
	}}
	for range clients {
		l.done.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				if err := l.ask(); err != nil {
					l.mu.Lock()
					l.errors = append(l.errors, err)
					l.mu.Unlock()
				}
			}
		})
	}
	return l
}

func (l *load) ask() error {
	answer, err := l.client.Get(l.url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), "hello") {
		return fmt.Errorf("got %s, %q", answer.Status, body)
	}
	l.answers.Add(1)
	return nil
}

// more waits until so many more requests have been answered.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	want := l.answers.Load() + n
	if !eventually(func() bool { return l.answers.Load() >= want }) {
		t.Fatalf("%d answers, want %d", l.answers.Load(), want)
	}
}

// end stops the load and checks that each request has been answered.
func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.done.Wait()
	t.Logf("%d requests answered", l.answers.Load())
	if len(l.errors) > 0 {
		t.Errorf("%d requests refused or lost, the first: %v", len(l.errors), l.errors[0])
	}
}

const servers = `
defaults:
  command: [gosup, demo, --http, "fd://http", --ready-after, 0s]
  readiness: notify
processes:
  web: {instances: 2, sockets: {http: "tcp://127.0.0.1:0"}}
  one: {sockets: {http: "tcp://127.0.0.1:0"}%s}
`

// TestRestartsRefuseNobody: under load, neither a rolling restart of instances
// nor that of the only process loses a request, nor do stops, reloads and a
// change of scale.
func TestRestartsRefuseNobody(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, fmt.Sprintf(servers, ""))
	s.wait("running", "all")
	web, one := s.address("web@1", "http"), s.address("one", "http")
	if other := s.address("web@2", "http"); other != web || web == one {
		t.Fatalf("sockets: %s, %s and %s", web, other, one)
	}
	var loads []*load
	for _, address := range []string{web, one} {
		loads = append(loads, startLoad("http://"+strings.TrimPrefix(address, "tcp://"), 4))
	}
	before := s.status("one").PID
	for range 4 {
		s.act("restart", "web")
		s.act("restart", "one")
		for _, l := range loads {
			l.more(t, 50)
		}
	}
	if s.status("one").PID == before {
		t.Error("it was not restarted")
	}
	s.act("stop", "all") // who asks now waits
	s.act("start", "all")
	s.rewrite(fmt.Sprintf(servers, ", description: other, env: {NEW: run}"))
	s.wait("running", "one")
	if got := s.address("one", "http"); got != one {
		t.Errorf("after a reload it listens on %s, before on %s", got, one)
	}
	for _, l := range loads {
		l.more(t, 50)
		l.end(t)
	}
}

// TestFDStore: what a process stores it is given back, by each later run.
func TestFDStore(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, `
processes:
  keeper: {command: [gosup, demo, --fdstore, --ready-after, 0s], readiness: notify, restart: {strategy: immediate}}
`)
	s.wait("running", "keeper")
	s.act("restart", "keeper")
	pid := s.status("keeper").PID
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := s.client.Act(ctx, "signal", control.ActionRequest{Names: []string{"keeper"}, Signal: "KILL"}); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool { p := s.status("keeper"); return p.State == "running" && p.PID != pid }) {
		t.Fatal("not restarted")
	}
	s.act("stop", "keeper")
	s.act("start", "keeper")
	for n := 1; n <= 4; n++ {
		// The last run lives: what it has written may be on its way to the log.
		want := fmt.Sprintf("start %d, counted in a stored descriptor", n)
		if !eventually(func() bool { return strings.Contains(s.log("keeper"), want) }) {
			t.Errorf("the log has no %q:\n%s", want, s.log("keeper"))
		}
	}
	if got := s.handed("keeper"); len(got) != 1 || got[0] != (control.Descriptor{Name: "starts", Kind: "file", Stored: true}) {
		t.Errorf("got %+v", got)
	}
}

// TestFDStoreFlood: a process that stores without end, or under names that would
// say something else, costs the daemon no more than its share.
func TestFDStoreFlood(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, `
processes:
  keeper: {command: [gosup, demo, --ready-after, 0s], readiness: notify}
`)
	s.wait("running", "keeper")
	sockets, err := filepath.Glob(filepath.Join(s.dir, ".gosup/run/notify/*"))
	if err != nil || len(sockets) != 1 {
		t.Fatal(sockets, err)
	}
	var files []*os.File
	for range 100 {
		from, to, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { from.Close(); to.Close() })
		files = append(files, from, to)
	}
	count := func() int {
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	send := func(state string, files ...*os.File) {
		t.Helper()
		if err := notify.SendFiles(sockets[0], state, files...); err != nil {
			t.Fatal(err)
		}
	}
	before := count()
	for _, name := range []string{"a:b", "a\tb", "", strings.Repeat("x", 256)} {
		send("FDSTORE=1\nFDNAME="+name, files[:3]...)
	}
	for i := range 60 {
		send(fmt.Sprintf("FDSTORE=1\nFDNAME=%d", i), files...)
	}
	if !eventually(func() bool { return len(s.handed("keeper")) == 64 }) {
		t.Fatalf("%d descriptors are stored", len(s.handed("keeper")))
	}
	for _, f := range s.handed("keeper") {
		if f != (control.Descriptor{Name: "0", Kind: "pipe", Stored: true}) {
			t.Errorf("stored: %+v", f)
		}
	}
	const others = 10 // connections of this test's client
	if !eventually(func() bool { return count() <= before+64+others }) {
		t.Errorf("the daemon has %d descriptors, before it had %d", count(), before)
	}
	send("FDSTOREREMOVE=1\nFDNAME=0")
	if !eventually(func() bool { return len(s.handed("keeper")) == 0 && count() <= before+others }) {
		t.Errorf("after they were removed the daemon has %d descriptors, before it had %d", count(), before)
	}
}

// TestStartOnConnection: the first request starts the process and is answered by
// it; until then all is well, and nobody has to do anything.
func TestStartOnConnection(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, `
processes:
  lazy:
    command: [gosup, demo, --http, "fd://http", --ready-after, 0s]
    readiness: notify
    sockets: {http: "tcp://127.0.0.1:0"}
    start_on_connection: true
    restart: {strategy: immediate}
`)
	address := ""
	if !eventually(func() bool {
		for _, f := range s.handed("lazy") {
			address = f.Address
		}
		return address != ""
	}) {
		t.Fatal("its socket was not opened")
	}
	p := s.wait("waiting", "lazy")[0]
	if p.Reason != "waits for the first connection on http" || !p.Listens() || p.PID != 0 {
		t.Errorf("got %+v", p)
	}
	l := load{url: "http://" + strings.TrimPrefix(address, "tcp://")}
	for round := range 3 {
		if err := l.ask(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		pid := s.wait("running", "lazy")[0].PID
		if round == 2 {
			break
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, err := s.client.Act(ctx, "signal", control.ActionRequest{Names: []string{"lazy"}, Signal: "KILL"}); err != nil {
			t.Fatal(err)
		}
		if !eventually(func() bool { p := s.status("lazy"); return p.State == "waiting" && p.PID != pid }) {
			t.Fatalf("it does not listen again: %+v", s.status("lazy"))
		}
		l.client.CloseIdleConnections()
	}
	s.act("stop", "lazy")
	s.act("start", "lazy") // a person needs no connection
	if got := s.status("lazy"); got.State != "running" {
		t.Errorf("got %+v", got)
	}
}

// TestDeathOfGosupRefusesNobody: while gosup is dead its processes go on to take
// connections; the next one takes the sockets over, and restarts lose nothing.
func TestDeathOfGosupRefusesNobody(t *testing.T) {
	t.Parallel()
	// What was not saved before the death, that they were ready, is taken to be so
	// when the time for it is over.
	file := strings.Replace(fmt.Sprintf(servers, ""), "readiness: notify", "readiness: {notify: true, timeout: 8s}", 1)
	s := startSupervisor(t, file)
	before := s.wait("running", "all")
	address := s.address("web@1", "http")
	l := startLoad("http://"+strings.TrimPrefix(address, "tcp://"), 4)
	l.more(t, 50)
	s.end(syscall.SIGKILL, 128+int(syscall.SIGKILL))
	l.more(t, 50)
	s = startSupervisorIn(t, s.dir, []string{"gosup", "run"})
	for i, p := range s.wait("running", "all") {
		if p.PID != before[i].PID {
			t.Errorf("%s was %d and is %d", p.Name, before[i].PID, p.PID)
		}
	}
	for _, name := range []string{"web@1", "web@2"} {
		if got := s.address(name, "http"); got != address {
			t.Errorf("%s listens on %s, before on %s", name, got, address)
		}
	}
	s.act("restart", "all")
	l.more(t, 50)
	l.end(t)
}

// TestUpgradeKeepsDescriptors: a gosup that replaces itself under load has the
// same sockets, watches those that somebody is waited for on, and has what
// processes have stored.
func TestUpgradeKeepsDescriptors(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, fmt.Sprintf(servers, "")+`
  lazy: {sockets: {http: "tcp://127.0.0.1:0"}, start_on_connection: true}
  keeper: {command: [gosup, demo, --fdstore, --ready-after, 0s]}
`)
	before := s.wait("running", "web", "one", "keeper")
	s.wait("waiting", "lazy")
	lazy := s.address("lazy", "http")
	l := startLoad("http://"+strings.TrimPrefix(s.address("web@1", "http"), "tcp://"), 4)
	l.more(t, 50)
	for range 3 {
		upgrade := exec.Command("gosup", "ctl", "upgrade")
		upgrade.Dir = s.dir
		if out, err := upgrade.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		l.more(t, 50)
	}
	for i, p := range s.wait("running", "web", "one", "keeper") {
		if p.PID != before[i].PID {
			t.Errorf("%s was %d and is %d", p.Name, before[i].PID, p.PID)
		}
	}
	s.act("restart", "web", "keeper")
	l.more(t, 50)
	l.end(t)
	if want := "start 2, counted in a stored descriptor"; !strings.Contains(s.log("keeper"), want) {
		t.Errorf("the log has no %q:\n%s", want, s.log("keeper"))
	}
	if got := s.address("lazy", "http"); got != lazy {
		t.Errorf("lazy listens on %s, before on %s", got, lazy)
	}
	once := load{url: "http://" + strings.TrimPrefix(lazy, "tcp://")}
	if err := once.ask(); err != nil {
		t.Error(err)
	}
}
