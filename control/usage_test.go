package control

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"gosup/tree"
)

// What processes use is told to who asks for it, and of nobody who does not
// run.
func TestUsage(t *testing.T) {
	t.Parallel()
	w := serve(t, newFake(&tree.Node{ID: 1, Name: "api", IsGroup: true}, running(2, "web"), in(running(3, "job"), tree.StateStopped, "")))
	check := func(what string, p *Process, want bool) {
		t.Helper()
		got := p.CPUPercent != nil && p.MemoryBytes != nil
		if got != want || got && (*p.CPUPercent != 2.5 || *p.MemoryBytes != 2<<20) {
			t.Errorf("%s: %s uses %v %% and %v bytes", what, p.Name, p.CPUPercent, p.MemoryBytes)
		}
	}
	c := w.client()
	plain, err := c.Processes(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	check("status", &plain[0], false)
	b, err := c.ProcessesUsageJSON(soon(t), "web", "job")
	if err != nil {
		t.Fatal(err)
	}
	asked, err := DecodeProcesses(b)
	if err != nil {
		t.Fatal(err)
	}
	check("status with usage", &asked[0], true)
	check("status with usage", &asked[1], false)
	nodes, _, err := c.TreeChanged(soon(t), 0, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	check("tree", &nodes[0].Process, false)
	check("tree", &nodes[1].Process, true)
	b, err = c.DescribeJSON(soon(t), "web")
	var d Description
	if err := errors.Join(err, json.Unmarshal(b, &d)); err != nil {
		t.Fatal(err)
	}
	check("describe", &d.Process, true)
	if resp, _ := w.raw(t, "GET /v1/processes?usage=maybe HTTP/1.1\nHost: x\nConnection: close\n\n"); resp.StatusCode != 400 {
		t.Errorf("usage=maybe: got %s", resp.Status)
	}
}

// Who knows a tree is told when there is another, or that there is none.
func TestTreeChanged(t *testing.T) {
	t.Parallel()
	w := serve(t, newFake(running(1, "web")))
	c := w.client()
	_, version, err := c.TreeChanged(soon(t), 0, time.Hour) // not the version that there is: at once
	if err != nil || version != 1 {
		t.Fatalf("got version %d, %v", version, err)
	}
	_, version, err = c.TreeChanged(soon(t), 1, time.Millisecond) // the time is over
	if err != nil || version != 1 {
		t.Fatalf("got version %d, %v", version, err)
	}
	type answer struct {
		nodes   []Node
		version uint64
		err     error
	}
	got := make(chan answer, 1)
	ctx, cancel := context.WithCancel(soon(t))
	wait := func() { // ends with its answer
		nodes, version, err := c.TreeChanged(ctx, 1, time.Hour)
		got <- answer{nodes, version, err}
	}
	go wait()
	w.publish(in(running(1, "web"), tree.StateStopped, "by uid 0"))
	if a := <-got; a.err != nil || a.version != 2 || a.nodes[0].State != "stopped" {
		t.Errorf("got %+v", a)
	}
	w.fake.mu.Lock()
	w.fake.snap.Version = 1 // as if it were the same again
	w.fake.mu.Unlock()
	go wait()
	cancel()
	if a := <-got; !errors.Is(a.err, context.Canceled) {
		t.Errorf("got %+v", a)
	}
	for _, query := range []string{"after=x", "after=1&timeout=x", "usage=x"} {
		if resp, _ := w.raw(t, "GET /v1/tree?"+query+" HTTP/1.1\nHost: x\nConnection: close\n\n"); resp.StatusCode != 400 {
			t.Errorf("%s: got %s", query, resp.Status)
		}
	}
}
