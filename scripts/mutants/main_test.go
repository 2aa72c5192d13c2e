package main

import (
	"os"
	"path/filepath"
	"testing"
)

// Each fault has its place in today's code.
func TestFaultsApply(t *testing.T) {
	t.Parallel()
	if len(faults) < 30 {
		t.Errorf("only %d faults", len(faults))
	}
	names := map[string]bool{}
	for _, f := range faults {
		if names[f.name] {
			t.Errorf("%q is there twice", f.name)
		}
		names[f.name] = true
		data, err := os.ReadFile(filepath.Join("..", "..", f.file))
		if err != nil {
			t.Error(err)
			continue
		}
		faulty, err := f.apply(string(data))
		if err != nil {
			t.Error(err)
		} else if faulty == string(data) {
			t.Errorf("%q changes nothing", f.name)
		}
	}
}
