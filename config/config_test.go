package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// testOptions are those of a daemon with a small environment.
func testOptions() Options {
	env := map[string]string{"PORT": "8080", "EMPTY": "", "HOST": "db.example", "SECRET": "s3cret"}
	return Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
}

// TestBad compares what is said of each bad file, warnings included.
func TestBad(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			tree, problems := Load(file, testOptions())
			if problems.Failed() != (tree == nil) {
				t.Errorf("tree %v with problems that failed: %v", tree, problems.Failed())
			}
			got := problems.Error() + "\n"
			golden := strings.TrimSuffix(file, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
			for _, p := range problems {
				if p.Line < 1 || p.Col < 1 || p.What == "" || p.Hint == "" {
					t.Errorf("a problem without a place, or without a hint: %#v", p)
				}
			}
		})
	}
}
