package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSocket(t *testing.T) {
	t.Parallel()
	const processes = "\nprocesses:\n  web: {command: web}\n"
	for _, test := range []struct {
		name, text string
		want       string // relative to the folder of the file; "" for an error
	}{
		{"none", processes, ".gosup/run/gosup.sock"},
		{"runtime_dir", "supervisor:\n  runtime_dir: run\n" + processes, "run/gosup.sock"},
		{"socket", processes + "supervisor:\n  name: x\n\n# why\n  socket: x.sock\nenv: {A: b}\n", "x.sock"},
		{"flow", "supervisor: {name: x,\n  socket: x.sock}" + processes, "x.sock"},
		{"quoted", "\"supervisor\":\n  socket: x.sock" + processes, "x.sock"},
		{"JSON", `{"supervisor": {"socket": "x.sock"}, "processes": {"web": {"command": ["web"]}}}`, "x.sock"},
		{"alias", "x-dir: &d run\nsupervisor:\n  runtime_dir: *d\n" + processes, "run/gosup.sock"},
		{"variable", "supervisor:\n  socket: ${DIR}/x.sock\n" + processes, "dir/x.sock"},
		{"mistake elsewhere", "supervisor:\n  socket: x.sock\nprocesses:\n  web: {comand: [\n", "x.sock"},
		{"mistake in it", "supervisor:\n  sockt: x.sock\n" + processes, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "gosup.yaml")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, problems := Socket(path, Options{Env: func(name string) (string, bool) { return strings.ToLower(name), name == "DIR" }})
			if test.want == "" {
				if got != "" || !problems.Failed() {
					t.Fatalf("got %q, %v; want a problem", got, problems)
				}
				return
			}
			if want := filepath.Join(dir, test.want); got != want || problems.Failed() {
				t.Errorf("got %q, %v; want %q", got, problems, want)
			}
		})
	}
	if _, problems := Socket(filepath.Join(t.TempDir(), "nope.yaml"), Options{}); !problems.Failed() {
		t.Error("a missing file is no problem")
	}
}
