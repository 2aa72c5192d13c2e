package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A command line that names a verb gets that verb as it is among all others.
func TestRootForAVerb(t *testing.T) {
	t.Parallel()
	for _, whole := range newRoot().Commands() {
		root := rootFor([]string{whole.Name(), "--help"})
		if whole.Name() == "completion" {
			if len(root.Commands()) != len(newRoot().Commands()) {
				t.Error("completion does not see all verbs")
			}
			continue
		}
		alone, _, err := root.Find([]string{whole.Name()})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(whole.UsageString(), alone.UsageString()); diff != "" {
			t.Errorf("%s alone has another usage:\n%s", whole.Name(), diff)
		}
	}
	for _, args := range [][]string{nil, {"help", "run"}, {"nonsense"}, {"--help"}, {"__complete", ""}} {
		if got := rootFor(args).UsageString(); !strings.Contains(got, "simulate") || !strings.Contains(got, "version") {
			t.Errorf("%q does not see all verbs:\n%s", args, got)
		}
	}
}
