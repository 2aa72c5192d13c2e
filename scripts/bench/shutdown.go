//go:build linux

package main

import "fmt"

// shutdownCases measure the time from the order to the end of the daemon and
// of all its processes.
func shutdownCases(b *bench) []kase {
	var out []kase
	for _, n := range b.sizes {
		of := row{name: fmt.Sprintf("shutdown of %s", thousands(n)), unit: "ms"}
		if n == 1000 {
			of.target = target{times: 1.5}
		}
		out = append(out, kase{
			name:   of.name,
			rounds: 3,
			can:    func(t *tool) bool { return t.holds(n) && !t.once && !t.abandons },
			run: func(b *bench, t *tool) error {
				s, err := b.start(t, place{procs: stampers(n)})
				if err != nil {
					return err
				}
				defer s.close()
				if _, err := s.await(); err != nil {
					return err
				}
				pause(max(int64(t.settle), 1e8))
				ms, err := s.shutdown()
				if err != nil {
					return err
				}
				b.add(of, t.name, ms)
				return nil
			},
		})
	}
	return out
}
