package control

import (
	"fmt"
	"log/slog"
	"net/http"
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
		s.answerProcesses(nowhere{}, s.clock(), nodes)
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
