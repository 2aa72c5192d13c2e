// Command gosup is a process supervisor: it starts the processes of a
// configuration file, restarts them by strategy and budget, and answers
// gosup ctl on a unix socket.
//
// Each verb has a file of its own; what is worth testing without a terminal
// lives in the packages that the verbs wire together.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"gosup/procman"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		// It stands between a fork and a command: nothing else is to be done.
		os.Exit(procman.Shim(os.Args[2:]))
	}
	// Sampling the heap costs more than a megabyte: servePprof turns it on.
	runtime.MemProfileRate = 0
	root := rootFor(os.Args[1:])
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], cobra.ShellCompRequestCmd) {
		completeValues(root)
	}
	os.Exit(execute(root, os.Stderr))
}

// The exit codes of every command. Scripts rely on them.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitNotRunning  = 3 // ctl status and ctl wait: not in the wanted state
	exitUnknown     = 4 // no such process
	exitPermission  = 5
	exitConfig      = 6
	exitUnreachable = 7 // no daemon answers
)

// exitError ends the command with a code of its own. With a nil err nothing
// is printed: the command has said what there was to say.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageErrorf is the error of a command that was called wrongly.
func usageErrorf(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// execute runs the command that the arguments name, reports its error as one
// line and returns the exit code. An error without a code of its own means
// wrong usage when it comes from cobra, before the command was reached, and a
// failure when it comes from the command.
func execute(root *cobra.Command, stderr io.Writer) int {
	reached := false
	root.PersistentPreRun = func(*cobra.Command, []string) { reached = true }
	cmd, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	if !reached {
		fmt.Fprintf(stderr, "gosup: %v (see %s --help)\n", err, cmd.CommandPath())
		return exitUsage
	}
	coded := &exitError{code: exitFailed, err: err}
	errors.As(err, &coded)
	if coded.err != nil {
		fmt.Fprintf(stderr, "gosup: %v\n", err)
	}
	return coded.code
}
