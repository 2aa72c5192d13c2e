//go:build linux

package main

import "fmt"

// startCases measure the time from the daemon's exec until all its processes
// have entered main().
func startCases(b *bench) []kase {
	var out []kase
	for _, n := range b.sizes {
		of := row{name: fmt.Sprintf("start of %s, all in main()", thousands(n)), unit: "ms", target: target{times: 1.4}}
		rounds := 5
		if n == 1 {
			of.name, of.target = "daemon's exec to the first main()", target{most: 10}
			rounds = 20
		}
		out = append(out, kase{
			name:   of.name,
			rounds: rounds,
			can:    func(t *tool) bool { return t.holds(n) },
			run: func(b *bench, t *tool) error {
				s, err := b.start(t, place{procs: stampers(n)})
				if err != nil {
					return err
				}
				defer s.close()
				last, err := s.await()
				if err != nil {
					return err
				}
				b.add(of, t.name, float64(last-s.began)/1e6)
				return nil
			},
		})
	}
	return out
}
