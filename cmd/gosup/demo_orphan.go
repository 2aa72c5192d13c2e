package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// leaveOrphans forks twice: the child starts the orphans and exits, so that
// they are handed to the nearest subreaper, or to PID 1. They hold the demo's
// output open and live in sessions of their own, as daemons do.
func (d *demo) leaveOrphans() error {
	child := exec.Command(selfPath(), "demo", "--orphans", strconv.Itoa(d.fork))
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Run(); err != nil {
		return fmt.Errorf("--fork: %w", err)
	}
	d.say("left %d orphans for %v", d.fork, orphanLife)
	return nil
}

// startOrphans is what the child of leaveOrphans does.
func startOrphans(n int) error {
	for range n {
		orphan := exec.Command(selfPath(), "demo", "--orphan")
		orphan.Stdout, orphan.Stderr = os.Stdout, os.Stderr
		orphan.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := orphan.Start(); err != nil {
			return fmt.Errorf("start an orphan: %w", err)
		}
	}
	return nil
}

// liveAsOrphan is what an orphan does: it lives for a while.
func (d *demo) liveAsOrphan() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	d.say("orphan, pid %d", os.Getpid())
	select {
	case s := <-signals:
		d.say("orphan %d: farewell on %s", os.Getpid(), signalWord(s))
	case <-time.After(orphanLife):
		d.say("orphan %d: end", os.Getpid())
	}
	return nil
}

// selfPath is this binary, wherever it was started from.
func selfPath() string {
	if path, err := os.Executable(); err == nil {
		return path
	}
	return os.Args[0]
}
