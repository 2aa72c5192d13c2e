//go:build linux

package main

import (
	"fmt"
	"syscall"
	"time"
)

// restartCases measure the time from kill(2) of a process to the main() of its
// next run, alone and beside idle ones.
func restartCases(b *bench) []kase {
	var out []kase
	for _, idle := range []int{0, 500} {
		name := "restart, kill to main()"
		if b.quick {
			idle = min(idle, 10)
		}
		if idle > 0 {
			name += fmt.Sprintf(", beside %d idle", idle)
		}
		out = append(out, kase{
			name: name,
			can:  func(t *tool) bool { return t.holds(idle+1) && !t.once },
			run: func(b *bench, t *tool) error {
				return b.restarts(t, stampers(idle+1), func(ms float64) {
					b.add(row{name: name + ", median", unit: "ms", target: target{times: 1.25}}, t.name, ms)
					b.add(row{name: name + ", p99", unit: "ms", q: 0.99, target: target{times: 2}}, t.name, ms)
				})
			},
		})
	}
	return out
}

// restarts kills the first process again and again, 100 times or for as long
// as a slow tool is given.
func (b *bench) restarts(t *tool, procs []proc, add func(ms float64)) error {
	s, err := b.start(t, place{procs: procs})
	if err != nil {
		return err
	}
	defer s.close()
	if _, err := s.await(); err != nil {
		return err
	}
	kills, limit := 100, 4*time.Second
	if b.quick {
		kills, limit = 3, 3*time.Second
	}
	began := now()
	for done := 0; done < kills && (done < 3 || now()-began < int64(limit)); done++ {
		pause(max(int64(t.settle), 10e6))
		ms, err := s.revive(0, func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) })
		if err != nil {
			return fmt.Errorf("restart %d: %w", done+1, err)
		}
		add(ms)
	}
	return s.count()
}
