package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosup/logs"
	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// boot is the wall time at which the clock of a fake stood at 0.
var boot = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// fake is a Supervisor over snapshots that the test makes by hand.
type fake struct {
	mu       sync.Mutex
	now      tree.Time
	snap     *tree.Snapshot
	changed  chan struct{} // closed and replaced by every change
	notes    []tree.Noted
	forgot   uint64 // notes up to this one are no longer kept
	asked    []tree.Asked
	answer   func(tree.Asked) tree.Answer
	shut     []tree.Shutdown
	told     []tree.Event
	crashes  map[string][]tree.Crash
	execute  func(ctx context.Context, n *tree.Node, argv []string, files []int, terminal bool, signals <-chan int) (tree.Exit, error)
	output   func(ctx context.Context, from []logs.Source, q logs.Query, emit func(logs.Record) error) error
	stuck    atomic.Bool // the loop does not turn
	measured string      // by the loop and the probes
}

func newFake(nodes ...*tree.Node) *fake {
	f := &fake{now: tree.Time(100 * time.Second), changed: make(chan struct{})}
	f.snap = &tree.Snapshot{Version: 1, Nodes: nodes}
	f.output = func(context.Context, []logs.Source, logs.Query, func(logs.Record) error) error { return nil }
	f.answer = func(tree.Asked) tree.Answer { return tree.Answer{} }
	return f
}

func (f *fake) update(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// publish replaces the snapshot.
func (f *fake) publish(nodes ...*tree.Node) {
	f.update(func() { f.snap = &tree.Snapshot{Version: f.snap.Version + 1, Nodes: nodes} })
}

func (f *fake) note(n tree.Note) {
	f.update(func() {
		n.Seq = f.forgot + uint64(len(f.notes)) + 1
		n.At = f.now
		f.notes = append(f.notes, tree.Noted{Note: n, Wall: f.Wall(n.At)})
	})
}

func (f *fake) Snapshot() *tree.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snap
}

func (f *fake) Changed(ctx context.Context, after uint64) (*tree.Snapshot, error) {
	var snap *tree.Snapshot
	err := f.until(ctx, func() bool { snap = f.snap; return snap.Version > after })
	return snap, err
}

// until waits for a condition, which is looked at under the lock.
func (f *fake) until(ctx context.Context, is func() bool) error {
	for {
		f.mu.Lock()
		ok, changed := is(), f.changed
		f.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *fake) Ask(_ context.Context, a tree.Asked) (ans tree.Answer, err error) {
	f.update(func() {
		f.asked = append(f.asked, a)
		ans = f.answer(a)
	})
	return ans, nil
}

func (f *fake) Shutdown(u tree.Urgency, by, why string) {
	f.update(func() { f.shut = append(f.shut, tree.Shutdown{Urgency: u, By: by, Why: why}) })
}

func (f *fake) Events(since uint64) ([]tree.Noted, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := max(since, f.forgot) - f.forgot
	return f.notes[min(from, uint64(len(f.notes))):], since < f.forgot
}

func (f *fake) EventsChanged(ctx context.Context, since uint64) error {
	return f.until(ctx, func() bool { return f.forgot+uint64(len(f.notes)) > since })
}

func (f *fake) Tell(e tree.Event) {
	f.update(func() { f.told = append(f.told, e) })
}

func (f *fake) Descriptors(p *spec.Process) []tree.Descriptor {
	if p.Name != "web" {
		return nil
	}
	return []tree.Descriptor{
		{Name: "http", Kind: "socket", Address: "tcp://127.0.0.1:8080"},
		{Name: "stored", Kind: "pipe", Stored: true},
	}
}

func (f *fake) Crashes(name string) ([]tree.Crash, error) { return f.crashes[name], nil }

func (f *fake) Execute(ctx context.Context, n *tree.Node, argv []string, files []int, terminal bool, signals <-chan int) (tree.Exit, error) {
	defer closeAll(files)
	return f.execute(ctx, n, argv, files, terminal, signals)
}

func (f *fake) Source(n *tree.Node) logs.Source {
	return logs.Source{Name: n.Name, Logs: n.Process.Logs}
}

func (f *fake) ReadOutput(ctx context.Context, from []logs.Source, q logs.Query, emit func(logs.Record) error) error {
	return f.output(ctx, from, q, emit)
}

// Usage tells that each running process uses what its number says.
func (f *fake) Usage(each func(tree.NodeID, uint64, time.Duration, float64, int64)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.snap.Nodes {
		if n.PID != 0 {
			each(n.ID, n.Run, time.Duration(n.ID)*time.Second, float64(n.ID)+0.5, int64(n.ID)<<20)
		}
	}
}

func (f *fake) Output(n *tree.Node) logs.Stats {
	return logs.Stats{Bytes: 1000 * uint64(n.ID), Dropped: 10, Rotations: 1, Stalled: true}
}

func (f *fake) WriteMeasured(w io.Writer) { io.WriteString(w, f.measured) }
func (f *fake) Strangers() uint64         { return 7 }

func (f *fake) Alive(ctx context.Context) error {
	if f.stuck.Load() {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (f *fake) Now() tree.Time             { return f.now }
func (f *fake) Wall(t tree.Time) time.Time { return boot.Add(time.Duration(t)) }
func (f *fake) Name() string               { return "test" }
func (f *fake) Started() tree.Time         { return tree.Time(time.Second) }

// running returns a process that has been running for 10 s of the fake's time.
func running(id tree.NodeID, name string) *tree.Node {
	return &tree.Node{
		ID: id, Name: name, Process: &spec.Process{Name: name, Restart: spec.Restart{SuccessCodes: []int{0}}},
		State: tree.StateRunning, PID: 1000 + int(id), Run: 1, Ready: true, StartedAt: tree.Time(90 * time.Second),
		HasBudget: true, Limit: policy.Limit{Max: 5, Within: time.Minute},
	}
}

// in returns n in another state, with no run.
func in(n *tree.Node, s tree.State, reason string) *tree.Node {
	c := *n
	c.State, c.Reason, c.PID, c.StartedAt, c.Ready = s, reason, 0, 0, false
	return &c
}

// with returns a copy of n with a change.
func with(n *tree.Node, change func(n *tree.Node)) *tree.Node {
	c := *n
	change(&c)
	return &c
}

// world is a server with a fake behind it.
type world struct {
	*fake
	socket string
	server *Server
}

// serve starts a server that ends with the test.
func serve(t *testing.T, f *fake, change ...func(*Options, *deadlines, *Socket)) *world {
	t.Helper()
	o := Options{
		Version: "v0", Access: Access{UID: os.Getuid(), GID: -1},
		Log: slog.New(slog.DiscardHandler),
	}
	d := defaultDeadlines()
	s := Socket{Path: filepath.Join(t.TempDir(), "gosup.sock"), Mode: 0o600, GID: -1}
	for _, c := range change {
		c(&o, &d, &s)
	}
	l, err := Listen(s)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{fake: f, socket: s.Path, server: newServer(f, o, d)}
	done := make(chan error)
	go func() { done <- w.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		w.server.Close(ctx)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) client() *Client { return NewClient(w.socket) }

// dial opens a bare connection that ends with the test.
func (w *world) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// soon returns a context for what should come at once.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// codeOf returns the code of a problem; "" of no error.
func codeOf(t *testing.T, err error) Code {
	t.Helper()
	if err == nil {
		return ""
	}
	var p *Problem
	if !errors.As(err, &p) {
		t.Fatalf("no problem but %T: %v", err, err)
	}
	return p.Code
}
