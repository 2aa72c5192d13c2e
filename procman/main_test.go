//go:build linux

package procman

import (
	"fmt"
	"os"
	"testing"
)

// TestMain makes the test binary its own workload: with a role in its
// environment it plays that role, so that tests have real children and need
// no other program. It is its own shim, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		os.Exit(Shim(os.Args[2:]))
	}
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
