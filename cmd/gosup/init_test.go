package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gosup/config"
)

// TestShippedFiles: what newcomers see first has neither error nor warning.
func TestShippedFiles(t *testing.T) {
	t.Parallel()
	opt := config.Options{Env: lookupVariable}
	written := filepath.Join(t.TempDir(), "gosup.yaml")
	if err := writeStarter(written); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path      string
		processes int
	}{
		{written, 1},
		{"../../configs/example.yaml", 7},
		{"../../gosup.yaml", 7},
	} {
		tree, problems := config.Load(tt.path, opt)
		if len(problems) > 0 {
			t.Errorf("%s: %v", tt.path, problems)
		}
		if tree == nil || len(tree.Root.Members) != tt.processes {
			t.Errorf("%s: got %+v, want %d processes", tt.path, tree, tt.processes)
		}
	}
}

// TestStarterExamples: the part of the starter file that is commented out is
// right as well, once the comment signs are gone.
func TestStarterExamples(t *testing.T) {
	t.Parallel()
	text := uncomment(string(starter))
	tree, problems := config.Parse("starter.yaml", []byte(text), config.Options{Env: lookupVariable})
	if len(problems) > 0 || tree == nil || len(tree.Root.Members) != 3 {
		t.Errorf("problems %v in:\n%s", problems, text)
	}
}

// uncomment makes YAML of the examples in comments: the lines that begin with
// "  # " and a name or deeper indentation, but not the sentences before them.
func uncomment(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if example, ok := strings.CutPrefix(line, "  # "); ok && yamlLine.MatchString(example) {
			line = "  " + example
		}
		out.WriteString(line)
	}
	return out.String()
}

var yamlLine = regexp.MustCompile(`^(  |\w+:\n)`)
