package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the shipped main callable as the command gosup, in scripts
// and by os/exec: it is this test binary under another name.
func TestMain(m *testing.M) {
	// A binary built for the race detector waits a second before it exits.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	testscript.Main(m, map[string]func(){"gosup": main, "clinger": clinger, "rude": rude, "forker": forker})
}
