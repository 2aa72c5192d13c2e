package config

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gosup/spec"
)

func TestLoadSockets(t *testing.T) {
	t.Parallel()
	tree, problems := Load("testdata/good/full.yaml", testOptions())
	if tree == nil {
		t.Fatal(problems)
	}
	dir, err := filepath.Abs("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	want := []spec.Socket{
		{Name: "http", Network: spec.TCP, Address: "127.0.0.1:8080", UID: -1, GID: -1},
		{Name: "all", Network: spec.UDP, Address: ":8080", UID: -1, GID: -1},
		{Name: "six", Network: spec.TCP, Address: "[fe80::1%eth0]:0", UID: -1, GID: -1},
		{Name: "admin", Network: spec.Unix, Address: dir + "/run/admin2.sock", Mode: 0o660},
		{Name: "own", Network: spec.Unix, Address: "/run/own.sock", Mode: 0o600, UID: -1, GID: -1},
	}
	listener := one(t, tree, "listener@2")
	if d := cmp.Diff(want, listener.Sockets); d != "" {
		t.Errorf("sockets (-want +got):\n%s", d)
	}
	if !listener.StartOnConnection || one(t, tree, "web").StartOnConnection {
		t.Error("start_on_connection is not what the file says")
	}
}

// TestSocketLayers: a process refines what the defaults say of a socket, and
// its paths belong to its user.
func TestSocketLayers(t *testing.T) {
	t.Parallel()
	tree := parse(t, `
defaults:
  user: root
  sockets: {x: {listen: "unix:///x${GOSUP_INSTANCE}", mode: "0666"}}
processes:
  plain: {command: a}
  refined: {command: a, sockets: {x: {listen: unix:///y, group: 7}, more: "tcp://:9"}}
`)
	for name, want := range map[string][]spec.Socket{
		"plain": {{Name: "x", Network: spec.Unix, Address: "/x1", Mode: 0o666}},
		"refined": {{Name: "x", Network: spec.Unix, Address: "/y", Mode: 0o666, GID: 7},
			{Name: "more", Network: spec.TCP, Address: ":9", UID: -1, GID: -1}},
	} {
		if d := cmp.Diff(want, one(t, tree, name).Sockets); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
