package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// isTerminal reports whether f is a terminal.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// signalName returns a signal's name, "SIGTERM".
func signalName(s syscall.Signal) string { return unix.SignalName(s) }

// colorful reports whether what is written to f may be coloured, see
// no-color.org.
func colorful(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(f)
}
