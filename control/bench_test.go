package control

import (
	"encoding/json"
	"fmt"
	"testing"

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
	c := clock{now: f.Now(), wall: f.Wall}
	nodes := thousand()
	for b.Loop() {
		out, err := json.Marshal(c.processes(nodes))
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(out)))
	}
}

func BenchmarkDecode1000(b *testing.B) {
	f := newFake()
	c := clock{now: f.Now(), wall: f.Wall}
	in, err := json.Marshal(c.processes(thousand()))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		var out []Process
		if err := json.Unmarshal(in, &out); err != nil {
			b.Fatal(err)
		}
	}
}
