//go:build linux

package main

import (
	"fmt"
	"os"
)

// memoryCases measure what the daemon and its helpers take with n idle
// processes, whose output is captured by all that can.
func memoryCases(b *bench) []kase {
	// In MiB and by the number of processes.
	most := map[int]float64{1: 10, 1000: 13}
	out := []kase{binarySize()}
	for _, n := range b.sizes {
		memory := row{
			name: fmt.Sprintf("memory with %s, daemon and helpers", thousands(n)), unit: "MiB PSS",
			target: target{most: most[n]},
		}
		threads := row{name: fmt.Sprintf("threads with %s", thousands(n)), unit: "threads"}
		if n == 1000 {
			threads.target = target{most: 12}
		}
		out = append(out, kase{
			name:   memory.name,
			rounds: 3,
			can:    func(t *tool) bool { return t.holds(n) },
			run: func(b *bench, t *tool) error {
				s, err := b.idle(t, n)
				if err != nil {
					return err
				}
				defer s.close()
				u, err := measure(s.daemons(), true)
				if err != nil {
					return err
				}
				b.add(memory, t.name, float64(u.pssKiB)/1024)
				b.add(threads, t.name, float64(u.threads))
				return nil
			},
		})
	}
	return out
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
	rest := int64(2e9)
	if b.quick {
		rest = 2e8
	}
	pause(rest)
	return s, s.count()
}

// binarySize is what gosup takes on disk.
func binarySize() kase {
	of := row{name: "binary", unit: "MB", target: target{most: 20}}
	return kase{
		name:   of.name,
		rounds: 1,
		can:    func(t *tool) bool { return t.name == "gosup" },
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
