package spec

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The real-time signals of Linux as the C library counts them (signal(7)):
// it keeps the first two of the kernel for itself.
const (
	firstRealTime = 34
	lastRealTime  = 64
)

// SignalNumber returns the number of a signal that is written as a number or
// by its name, with or without SIG: "15", "TERM", "sigterm", "SIGRTMIN+3". It
// returns false for what this platform has no signal for.
func SignalNumber(text string) (int, bool) {
	if v, err := strconv.Atoi(text); err == nil {
		return v, v >= 1 && v <= lastSignal()
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if v := unix.SignalNum(name); v != 0 {
		return int(v), true
	}
	if lastSignal() < lastRealTime {
		return 0, false
	}
	base, offset := 0, ""
	if rest, ok := strings.CutPrefix(name, "SIGRTMIN"); ok {
		base, offset = firstRealTime, rest
	} else if rest, ok := strings.CutPrefix(name, "SIGRTMAX"); ok {
		base, offset = lastRealTime, rest
	}
	if base == 0 || offset != "" && offset[0] != '+' && offset[0] != '-' {
		return 0, false
	}
	v, err := strconv.Atoi("0" + offset)
	if offset != "" {
		v, err = strconv.Atoi(offset)
	}
	return base + v, err == nil && base+v >= firstRealTime && base+v <= lastRealTime
}

// SignalName returns the name of a signal's number: "SIGTERM", "SIGRTMIN+3",
// or the number itself where it has none.
func SignalName(v int) string {
	if name := unix.SignalName(syscall.Signal(v)); name != "" {
		return name
	}
	if v >= firstRealTime && v <= lastRealTime {
		return "SIGRTMIN+" + strconv.Itoa(v-firstRealTime)
	}
	return strconv.Itoa(v)
}

// lastSignal returns the highest signal of this platform.
func lastSignal() int {
	if unix.SignalNum("SIGPWR") != 0 { // Linux alone has it
		return lastRealTime
	}
	return 31
}
