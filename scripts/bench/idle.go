//go:build linux

package main

import (
	"fmt"
	"os"
)

// idleCases measure the daemon and its helpers while n processes do nothing:
// memory and threads, with the output captured by all that can; what wakes up
// and what that costs; and the commands of people.
func idleCases(b *bench) []kase {
	// In MiB and by the number of processes: 10 and 13 MB.
	most := map[int]float64{1: 9.5, 1000: 12.4}
	out := []kase{binarySize()}
	for _, n := range b.sizes {
		c := idleCase{
			n: n,
			memory: row{
				name: fmt.Sprintf("memory with %s, daemon and helpers", thousands(n)), unit: "MiB PSS",
				target: target{most: most[n]},
			},
			threads: row{name: fmt.Sprintf("threads with %s", thousands(n)), unit: "threads"},
			wakeups: row{name: fmt.Sprintf("idle with %s, wake-ups", thousands(n)), unit: "/s", target: target{nothing: true}},
			cpu:     row{name: fmt.Sprintf("idle with %s, CPU", thousands(n)), unit: "ms/s"},
			list:    row{name: fmt.Sprintf("list of %s, whole command", thousands(n)), unit: "ms"},
			restart: row{name: fmt.Sprintf("restart one of %s by command, to main()", thousands(n)), unit: "ms"},
		}
		if n == 1000 {
			c.threads.target, c.list.target = target{most: 12}, target{most: 15}
		}
		out = append(out, kase{
			name: "idle with " + thousands(n),
			can:  func(t *tool) bool { return t.holds(n) },
			run:  c.run,
		})
	}
	return out
}

type idleCase struct {
	n                             int
	memory, threads, wakeups, cpu row
	list, restart                 row
}

func (c idleCase) run(b *bench, t *tool) error {
	s, err := b.idle(t, c.n)
	if err != nil {
		return err
	}
	defer s.close()
	u, err := measure(s.daemons(), true)
	if err != nil {
		return err
	}
	b.add(c.memory, t.name, float64(u.pssKiB)/1024)
	b.add(c.threads, t.name, float64(u.threads))
	if c.n == 1 && !b.quick {
		return nil
	}
	u, seconds, err := watch(s.daemons(), b.window()/2)
	if err != nil {
		return err
	}
	b.add(c.wakeups, t.name, float64(u.wakeups)/seconds)
	b.add(c.cpu, t.name, float64(u.cpuNS)/1e6/seconds)
	if t.list == nil || t.restart == nil {
		return nil
	}
	return b.commands(s, c.list, c.restart)
}

// idle starts n processes with their output captured, and lets the daemon come
// to rest.
func (b *bench) idle(t *tool, n int) (*session, error) {
	s, err := b.start(t, place{procs: stampers(n), capture: true})
	if err != nil {
		return nil, err
	}
	if _, err := s.await(); err != nil {
		s.close()
		return nil, err
	}
	rest := int64(3e9) // what is given back after a start is given back by then
	if b.quick {
		rest = 2e8
	}
	pause(rest)
	return s, s.count()
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

// binarySize is what gosup takes on disk.
func binarySize() kase {
	of := row{name: "binary", unit: "MB", target: target{most: 20}}
	return kase{
		name: of.name,
		once: true,
		can:  func(t *tool) bool { return t.name == "gosup" },
		run: func(b *bench, t *tool) error {
			info, err := os.Stat(t.binary)
			if err != nil {
				return err
			}
			b.add(of, t.name, float64(info.Size())/1e6)
			return nil
		},
	}
}
