//go:build linux

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the program callable as the command bench. It sweeps all its
// descendants, so it must be a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bench": main})
}

// TestQuickRun measures the floors, quickly, and wants a value of each in every
// row that they can have.
func TestQuickRun(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "result.json")
	tools := []string{"floor-go"}
	if _, err := exec.LookPath("cc"); err == nil {
		tools = append(tools, "floor-full")
	}
	cmd := exec.Command("bench", "-quick", "-dir", t.TempDir(), "-json", file, "-sizes", "3",
		"-tools", strings.Join(tools, ","), "-jobs", "restart,start,idle,checks,growth")
	cmd.Stderr = os.Stderr
	table, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var result struct {
		Quick    bool
		Failures []failure
		Rows     []struct {
			Name  string
			Tools map[string]struct{ Value, Ratio float64 }
		}
	}
	if err := json.Unmarshal(text, &result); err != nil {
		t.Fatal(err)
	}
	if !result.Quick || len(result.Failures) > 0 {
		t.Errorf("quick %v, failures %v, want true and none:\n%s", result.Quick, result.Failures, table)
	}
	var names []string
	for _, row := range result.Rows {
		names = append(names, row.Name)
		for _, tool := range tools {
			if _, ok := row.Tools[tool]; !ok && !strings.Contains(row.Name, "checks a second") {
				t.Errorf("row %q: no value of %s:\n%s", row.Name, tool, table)
			}
		}
		v := row.Tools["floor-go"]
		if v.Value > 0 && v.Ratio != 1 {
			t.Errorf("row %q: ratio to itself: got %v, want 1", row.Name, v.Ratio)
		}
	}
	for _, want := range []string{
		"restart, kill to main(), median", "restart, kill to main(), beside 10 idle, p99",
		"start of 3, all in main()", "memory with 3, daemon and helpers", "threads with 3",
		"idle with 3, wake-ups", "shutdown of 3", "4 HTTP checks a second, daemon CPU for each",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("no row %q among %q", want, names)
		}
	}
}

// TestNonsense: what there is not is refused, before anything is started.
func TestNonsense(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-jobs", "sleep"}, {"-tools", "hammer"}, {"-sizes", "many"},
	} {
		if err := exec.Command("bench", args...).Run(); err == nil {
			t.Errorf("bench %v: no error", args)
		}
	}
}
