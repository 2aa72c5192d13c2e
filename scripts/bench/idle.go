//go:build linux

package main

import "fmt"

// idleCases measure what the daemon and its helpers do while nothing happens.
func idleCases(b *bench) []kase {
	var out []kase
	for _, n := range b.sizes {
		if n == 1 {
			continue
		}
		wakeups := row{name: fmt.Sprintf("idle with %s, wake-ups", thousands(n)), unit: "/s", target: target{nothing: true}}
		cpu := row{name: fmt.Sprintf("idle with %s, CPU", thousands(n)), unit: "ms/s"}
		out = append(out, kase{
			name:   fmt.Sprintf("idle with %s", thousands(n)),
			rounds: 2,
			can:    func(t *tool) bool { return t.holds(n) },
			run: func(b *bench, t *tool) error {
				s, err := b.idle(t, n)
				if err != nil {
					return err
				}
				defer s.close()
				u, seconds, err := watch(s.daemons(), b.window())
				if err != nil {
					return err
				}
				b.add(wakeups, t.name, float64(u.wakeups)/seconds)
				b.add(cpu, t.name, float64(u.cpuNS)/1e6/seconds)
				return nil
			},
		})
	}
	return out
}

// window is the time, in nanoseconds, in which something is watched.
func (b *bench) window() int64 {
	if b.quick {
		return 1e9
	}
	return 10e9
}

// watch returns what the processes take in a window of time, of nanoseconds.
func watch(pids []int, window int64) (u usage, seconds float64, err error) {
	before, err := measure(pids, false)
	if err != nil {
		return u, 0, err
	}
	began := now()
	pause(window)
	after, err := measure(pids, false)
	return after.since(before), float64(now()-began) / 1e9, err
}
