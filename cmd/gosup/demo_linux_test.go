package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
)

func TestDemoLeavesOrphans(t *testing.T) {
	t.Parallel()
	p := startDemo(t, nil, "--fork", "2")
	// Both are there before the first one says farewell: lines that are not
	// waited for are gone.
	var pids [2]int
	for i := range pids {
		pids[i], _ = strconv.Atoi(p.until(`^demo: orphan, pid (\d+)$`)[1])
	}
	for _, pid := range pids {
		ppid, session := parentage(t, pid)
		if ppid == p.cmd.Process.Pid {
			t.Errorf("orphan %d is a child of the demo", pid)
		}
		if session != pid {
			t.Errorf("orphan %d is in session %d, want one of its own", pid, session)
		}
		syscall.Kill(pid, syscall.SIGTERM)
		p.until(fmt.Sprintf(`^demo: orphan %d: farewell on TERM$`, pid))
	}
}

// parentage reads the parent and the session of a process; proc_pid_stat(5).
func parentage(t *testing.T, pid int) (ppid, session int) {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	var comm, state string
	var group int
	if _, err := fmt.Sscan(string(stat), &pid, &comm, &state, &ppid, &group, &session); err != nil {
		t.Fatal(err)
	}
	return ppid, session
}
