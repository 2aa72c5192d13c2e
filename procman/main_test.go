//go:build linux

package procman

import (
	"fmt"
	"os"
	"testing"
)

// TestMain makes the test binary its own workload: with a role in its
// environment it plays that role, so that tests have real children and need
// no other program.
func TestMain(m *testing.M) {
	if role := os.Getenv("PROCMAN_TEST_ROLE"); role != "" {
		play, ok := roles[role]
		if !ok {
			fmt.Fprintf(os.Stderr, "no role %q\n", role)
			os.Exit(99)
		}
		play(os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}
