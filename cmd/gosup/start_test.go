package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStartWithFewDescriptors: many processes that start at once take hardly
// more descriptors than they have when they run.
func TestStartWithFewDescriptors(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString("processes:\n")
	var names []string
	for i := range 350 {
		names = append(names, fmt.Sprintf("p%d", i))
		fmt.Fprintf(&file, "  %s: {command: [sleep, inf], stop: {kill: process}}\n", names[i])
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gosup.yaml"), []byte(file.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startSupervisorIn(t, dir, []string{"sh", "-c", "ulimit -n 550; exec gosup run"})
	for _, p := range s.wait("running", names...) {
		if p.TotalRestarts != 0 {
			t.Errorf("%s: %d restarts, the last for: %s", p.Name, p.TotalRestarts, p.Reason)
		}
	}
}
