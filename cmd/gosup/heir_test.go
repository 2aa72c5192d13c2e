package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"gosup/notify"
)

// A process that forks itself into the background and says which process is the
// main one from then on goes on in that: it is the same run, it is stopped with
// it, and its end is the run's end.
func TestMainPID(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, `
defaults: {restart: {strategy: immediate, max_restarts: 3}}
processes:
  forks: {command: [forker, child], readiness: notify}
  # Who names a process that is not its own is not believed.
  lies: {command: [forker, parent], readiness: notify}
  # And who names none leaves others behind, which are killed.
  silent: {command: [forker], readiness: notify}
`)
	s.wait("failed", "lies", "silent")
	if p := s.status("lies"); p.Run != 4 || p.LastExit == nil || p.LastExit.Code == nil || *p.LastExit.Code != 0 {
		t.Errorf("lies: %+v", p)
	}
	var first int
	if !eventually(func() bool {
		p := s.status("forks")
		first = p.PID
		return p.State == "running" && comm(p.PID) == "sleep"
	}) {
		t.Fatalf("forks: %+v", s.status("forks"))
	}
	if p := s.status("forks"); p.Run != 1 {
		t.Errorf("forks: %+v", p)
	}
	// Its death is the run's.
	if err := syscall.Kill(first, syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool {
		p := s.status("forks")
		return p.Run == 2 && p.State == "running" && comm(p.PID) == "sleep"
	}) {
		t.Fatalf("forks: %+v", s.status("forks"))
	}
	p := s.status("forks")
	if p.Restarts != 1 || p.LastExit.Signal != "SIGSEGV" {
		t.Errorf("forks: %+v, last exit %+v", p, p.LastExit)
	}
	ends, moved := 0, 0
	for _, e := range s.events("forks") {
		if e.Exit != nil {
			ends++
		}
		if e.To == "moved" {
			moved++
		}
	}
	if ends != 1 || moved != 2 {
		t.Errorf("%d ends and %d moves are noted, want 1 and 2", ends, moved)
	}
	s.act("stop", "forks")
	if syscall.Kill(p.PID, 0) == nil {
		t.Errorf("pid %d is left after the stop", p.PID)
	}
	s.end(syscall.SIGTERM, 0)
}

// comm returns the name of the program that a process runs.
func comm(pid int) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)) // "" for none
	return strings.TrimSpace(string(name))
}

// forker is a process that leaves a child behind, says who its main process is
// from now on (its child, its parent, or nothing), and ends.
func forker() {
	child := exec.Command("sleep", "inf")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	words := "READY=1"
	if len(os.Args) > 1 {
		pid := child.Process.Pid
		if os.Args[1] == "parent" {
			pid = os.Getppid()
		}
		words = fmt.Sprintf("MAINPID=%d\n%s", pid, words)
	}
	if err := notify.Send(os.Getenv("NOTIFY_SOCKET"), words); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
