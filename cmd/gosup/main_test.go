package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the shipped main callable as the command gosup, in scripts
// and by os/exec: it is this test binary under another name.
func TestMain(m *testing.M) {
	// A binary built for the race detector waits a second before it exits.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	testscript.Main(suite{m}, map[string]func(){"gosup": main, "clinger": clinger, "rude": rude, "forker": forker})
}

// suite runs the tests, once the commands are in the PATH.
type suite struct{ *testing.M }

func (s suite) Run() int {
	if raced {
		dir, err := quickClients()
		defer os.RemoveAll(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, "make a gosup for clients:", err)
			return 1
		}
	}
	return s.M.Run()
}

// quickClients puts a gosup first in the PATH that is built for the race
// detector only as a daemon. With that each start costs some thousand page faults
// more, and the tests start thousands of clients. The folder is the caller's.
func quickClients() (dir string, err error) {
	daemon, err := exec.LookPath("gosup")
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp("", "gosup-clients"); err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // also for clients of other users
		return dir, err
	}
	client := filepath.Join(dir, "plain", "gosup")
	if out, err := exec.Command("go", "build", "-o", client, ".").CombinedOutput(); err != nil {
		return dir, fmt.Errorf("%w\n%s", err, out)
	}
	const script = `#!/bin/sh
case $1 in
run) exec %s "$@" ;;
*) exec %s "$@" ;;
esac
`
	os.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return dir, os.WriteFile(filepath.Join(dir, "gosup"), fmt.Appendf(nil, script, daemon, client), 0o755)
}
