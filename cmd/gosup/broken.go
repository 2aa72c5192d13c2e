package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gosup/procman"
)

// A panic of the loop is a fault of gosup's. Then it executes itself once more:
// the pid and the children stay, and the new one finds them as after a death.
// Where that happens again and again it gives up, as dead as if it had been
// killed: the processes live on, and whoever starts gosup again finds them.

const (
	// brokenVariable has the times of the last faults, in seconds since 1970.
	brokenVariable = "GOSUP_BROKEN"
	maxBroken      = 3
	brokenWithin   = time.Minute
)

// supervise runs the loop, and comes back from a fault of it as a new program.
func (d *daemon) supervise() (code int) {
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		d.log.Error("gosup has made a mistake (please report it)", "panic", fault, "stack", string(debug.Stack()))
		times, again := recentFaults(os.Getenv(brokenVariable), time.Now())
		if d.upgrader == nil || d.tree.Supervisor.RuntimeDir == "" || !again {
			d.log.Error("gosup gives up: its processes live on, and the next gosup finds them", "faults", len(strings.Fields(times)))
			d.own.close()
			os.Exit(exitFailed)
		}
		d.own.close()
		procman.HoldSignals()
		os.Setenv(brokenVariable, times)
		err := syscall.Exec("/proc/self/exe", os.Args, os.Environ())
		fmt.Fprintf(os.Stderr, "gosup: execute myself: %v\n", err)
		os.Exit(exitFailed)
	}()
	return d.manager.Run()
}

// recentFaults adds a fault at now to those that are remembered, and reports
// whether there were few enough within the last minute to go on.
func recentFaults(remembered string, now time.Time) (times string, again bool) {
	var recent []string
	for _, text := range strings.Fields(remembered) {
		at, err := strconv.ParseInt(text, 10, 64)
		if err == nil && now.Sub(time.Unix(at, 0)).Abs() < brokenWithin {
			recent = append(recent, text)
		}
	}
	recent = append(recent, strconv.FormatInt(now.Unix(), 10))
	return strings.Join(recent, " "), len(recent) <= maxBroken
}
