package procman

import (
	"strconv"
	"strings"
)

// runTag is the value of GOSUP_RUN, taken apart: whose a process is.
type runTag struct {
	supervisor string
	name       string // of the process, or of a dependency that is probed
	run        uint64 // 0 for a dependency's probe, and for a command beside what has never run
	task       string // "pre_start", "exec3" or "check0/probe12"; "" for the run itself
}

// String returns the value.
func (t runTag) String() string {
	s := t.supervisor + "/" + t.name
	if t.run != 0 {
		s += "/" + strconv.FormatUint(t.run, 10)
	}
	if t.task != "" {
		s += "/" + t.task
	}
	return s
}

// parseRunTag takes a value apart; false if it is none.
func parseRunTag(value string) (runTag, bool) {
	parts := strings.Split(value, "/")
	for i := len(parts) - 1; i >= 2; i-- {
		run, ok := parseRun(parts[i])
		if !ok {
			continue
		}
		t := runTag{parts[0], strings.Join(parts[1:i], "/"), run, strings.Join(parts[i+1:], "/")}
		return t, t.name != ""
	}
	last := parts[len(parts)-1]
	if len(parts) >= 3 && (strings.HasPrefix(last, "probe") || strings.HasPrefix(last, "exec")) {
		return runTag{parts[0], strings.Join(parts[1:len(parts)-1], "/"), 0, last}, true
	}
	return runTag{}, false
}

// parseRun reads a run number, which is at least 1.
func parseRun(s string) (n uint64, ok bool) {
	if s == "" || s[0] == '0' || len(s) > 19 {
		return 0, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}
