package sim

import (
	"fmt"

	"gosup/tree"
)

// The signals that a simulated process knows, by their Linux numbers.
const (
	sighup  = 1
	sigint  = 2
	sigquit = 3
	sigabrt = 6
	sigkill = 9
	sigsegv = 11
	sigterm = 15
)

var signalNames = map[int]string{
	sighup: "SIGHUP", sigint: "SIGINT", sigquit: "SIGQUIT", sigabrt: "SIGABRT",
	sigkill: "SIGKILL", sigsegv: "SIGSEGV", sigterm: "SIGTERM",
}

// SignalName returns the name of a signal, "SIGTERM".
func SignalName(signal int) string {
	if s, ok := signalNames[signal]; ok {
		return s
	}
	return fmt.Sprintf("signal %d", signal)
}

// ParseSignal returns the number of a signal that a simulated process knows,
// by its name, and false for any other word.
func ParseSignal(name string) (int, bool) {
	for n, s := range signalNames {
		if s == name || s == "SIG"+name {
			return n, true
		}
	}
	return 0, false
}

// Killed is the end of a run by a signal.
func Killed(signal int) tree.Exit {
	return tree.Exit{Code: -1, Signal: signal, Name: SignalName(signal), Core: signal == sigsegv || signal == sigabrt}
}
