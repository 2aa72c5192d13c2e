package main

import (
	"path/filepath"
	"testing"
	"time"

	"gosup/config"
	"gosup/sim"
)

// threeLevels is a tree whose crasher takes all of it down, from the inside
// out: (2+1) × (1+1) × (1+1) starts.
const threeLevels = `
groups:
  outer:
    restart: {max_restarts: 1, strategy: immediate}
    groups:
      middle:
        strategy: one_for_all
        on_exhausted: escalate
        restart: {max_restarts: 1, strategy: immediate}
        processes:
          beside: {command: [gosup, demo]}
        groups:
          inner:
            strategy: rest_for_one
            on_exhausted: escalate
            restart: {max_restarts: 2, strategy: immediate}
            processes:
              before: {command: [gosup, demo]}
              crasher: {command: [gosup, demo, --crash-after, 300ms]}
              after: {command: [gosup, demo]}
processes:
  outside: {command: [gosup, demo]}
`

// A real tree escalates exactly as simulate says.
func TestEscalationIsAsSimulated(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, threeLevels)
	tree, problems := config.Load(filepath.Join(s.dir, "gosup.yaml"), config.Options{})
	if problems.Failed() {
		t.Fatal(problems)
	}
	const crasher = "outer/middle/inner/crasher"
	told := sim.Simulate(tree, sim.Crash{Process: crasher, After: 300 * time.Millisecond, For: time.Hour})
	if told.Starts != 12 || !told.Failed {
		t.Fatalf("simulate says %d starts, failed: %v; the rules say 12, and failed", told.Starts, told.Failed)
	}
	if p := s.wait("failed", crasher)[0]; p.Run != uint64(told.Starts) {
		t.Errorf("%s was started %d times, simulate says %d", crasher, p.Run, told.Starts)
	}
	for _, other := range told.Others {
		p := s.wait("failed", other.Name)[0]
		if want := uint64(other.Restarts) + 1; p.Run != want || !other.Failed {
			t.Errorf("%s was started %d times and is failed, simulate says %d and failed: %v", other.Name, p.Run, want, other.Failed)
		}
	}
	if len(told.Others) != 3 {
		t.Errorf("simulate names %v", told.Others)
	}
	if p := s.status("outside"); p.Run != 1 || p.State != "running" {
		t.Errorf("outside was started %d times and is %s", p.Run, p.State)
	}
}
