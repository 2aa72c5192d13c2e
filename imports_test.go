// Package gosup holds the one rule of the architecture that a compiler does
// not know: which room may use which.
package gosup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms says what each package of this module may import of the others. A
// package that is not listed is a mistake: give it a line, and a place in
// ARCHITECTURE.md.
var rooms = map[string][]string{
	"policy":      {},
	"spec":        {"policy"},
	"tree":        {"spec", "policy"},
	"config":      {"spec", "policy"},
	"healthcheck": {"spec", "policy"},
	"notify":      {"spec", "policy"},
	"logs":        {"spec", "policy"},
	"journal":     {"tree", "spec", "policy"},
	"sim":         {"tree", "spec", "policy", "journal"},
	"control":     {"tree", "spec", "policy", "logs"},
	"procman":     {"tree", "spec", "policy", "journal", "logs", "healthcheck", "notify"},
}

// banned names what a package must not import of the standard library and of
// others, and why.
var banned = map[string][]string{
	// The tree is deterministic: no clock, no scheduler, no system.
	"policy": {"os", "sync", "context", "syscall", "log/slog", "golang.org/x/sys/unix", "math/rand", "math/rand/v2"},
	"spec":   {"os", "sync", "context", "log/slog"},
	"tree":   {"os", "sync", "sync/atomic", "context", "syscall", "log/slog", "golang.org/x/sys/unix", "math/rand", "math/rand/v2"},
	// os/exec waits for its children on a thread each, and takes their exits
	// from the one that reaps.
	"procman":     {"os/exec"},
	"logs":        {"os/exec"},
	"healthcheck": {"os/exec"},
	"notify":      {"os/exec"},
	"control":     {"os/exec"},
}

// onlyRoom names packages that a single room may import.
var onlyRoom = map[string]string{
	"charm.land/bubbletea/v2":      "cmd/gosup",
	"github.com/spf13/viper":       "cmd/gosup",
	"github.com/spf13/cobra":       "cmd/gosup",
	"github.com/fsnotify/fsnotify": "config",
}

type pkg struct {
	ImportPath string
	Imports    []string
	GoFiles    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	for _, p := range packages(t) {
		room, inside := strings.CutPrefix(p.ImportPath, "gosup/")
		if !inside {
			continue // the root, which has tests alone
		}
		free := strings.HasPrefix(room, "cmd/") || strings.HasPrefix(room, "scripts/")
		may, known := rooms[room]
		if !known && !free {
			t.Errorf("package %s has no line in rooms", room)
		}
		for _, imp := range p.Imports {
			other, ours := strings.CutPrefix(imp, "gosup/")
			switch {
			case ours && !free && !slices.Contains(may, other):
				t.Errorf("%s imports %s; it may import %v", room, other, may)
			case slices.Contains(banned[room], imp):
				t.Errorf("%s imports %s, which is banned there", room, imp)
			case onlyRoom[imp] != "" && onlyRoom[imp] != room && !strings.HasPrefix(room, "scripts/"):
				t.Errorf("%s imports %s, which only %s may", room, imp, onlyRoom[imp])
			}
		}
	}
}

// TestArchitectureNamesTheRooms: the table in ARCHITECTURE.md is the one here.
func TestArchitectureNamesTheRooms(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for room, may := range rooms {
		want := "nothing"
		if len(may) > 0 {
			want = "`" + strings.Join(may, "` `") + "`"
		}
		if row := fmt.Sprintf("| `%s` | %s |", room, want); !strings.Contains(string(text), row) {
			t.Errorf("ARCHITECTURE.md has no row %s", row)
		}
	}
}
