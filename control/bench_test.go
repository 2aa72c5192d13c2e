package control

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"gosup/tree"
)

func thousand() []*tree.Node {
	nodes := make([]*tree.Node, 1000)
	for i := range nodes {
		nodes[i] = running(tree.NodeID(i+1), fmt.Sprint("group/process-", i))
		nodes[i].LastExit = &tree.Exit{Code: 1}
		nodes[i].Reason = "restart 1 of 5, after: exited with code 1"
	}
	return nodes
}

func BenchmarkEncode1000(b *testing.B) {
	f := newFake()
	s := newServer(f, Options{Log: slog.New(slog.DiscardHandler)}, defaultDeadlines())
	nodes := thousand()
	for b.Loop() {
		writeProcesses(nowhere{}, s.clock(), nodes)
	}
}

// nowhere is an http.ResponseWriter.
type nowhere struct{}

func (nowhere) Header() http.Header              { return http.Header{} }
func (nowhere) Write(b []byte) (int, error)      { return len(b), nil }
func (nowhere) WriteHeader(int)                  {}
func (nowhere) SetWriteDeadline(time.Time) error { return nil }

func BenchmarkDecode1000(b *testing.B) {
	f := newFake()
	c := clock{now: f.Now(), wall: f.Wall}
	var list []Process
	for _, n := range thousand() {
		list = append(list, c.process(n))
	}
	in := appendProcesses(nil, list)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := DecodeProcesses(in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStatusClients has 200 clients ask for the status of a thousand
// processes, each once a second over a connection of its own. It says how
// long they wait for an answer: the time for an operation is that in which they
// ask, and means nothing.
func BenchmarkStatusClients(b *testing.B) {
	const clients, every = 200, time.Second
	f := newFake(thousand()...)
	socket := filepath.Join(b.TempDir(), "s")
	l, err := Listen(Socket{Path: socket, Mode: 0o600, GID: -1})
	if err != nil {
		b.Fatal(err)
	}
	s := newServer(f, Options{Access: Access{UID: os.Getuid(), GID: -1}, Log: slog.New(slog.DiscardHandler)}, defaultDeadlines())
	go s.Serve(l) // ends with Close
	defer s.Close(b.Context())
	var mu sync.Mutex
	var waited []time.Duration
	var all sync.WaitGroup
	for b.Loop() {
		for i := range clients {
			all.Go(func() {
				<-time.After(every * time.Duration(i) / clients)
				took, err := pollStatus(socket, 3, every)
				if err != nil {
					b.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				waited = append(waited, took...)
			})
		}
		all.Wait()
	}
	slices.Sort(waited)
	b.ReportMetric(float64(waited[len(waited)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(waited[len(waited)*99/100].Microseconds()), "p99-µs")
}

// pollStatus asks so many times and returns how long each answer took.
func pollStatus(socket string, times int, every time.Duration) (took []time.Duration, err error) {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	defer client.CloseIdleConnections()
	for range times {
		begin := time.Now()
		resp, err := client.Get("http://gosup/v1/processes")
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return nil, err
		}
		resp.Body.Close()
		took = append(took, time.Since(begin))
		<-time.After(every - time.Since(begin))
	}
	return took, nil
}
