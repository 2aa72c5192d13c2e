//go:build linux

package main

import "fmt"

// startCases measure the time from the daemon's exec until all its processes
// have entered main(), and from the order to end until it and all of them have.
func startCases(b *bench) []kase {
	var out []kase
	for _, n := range b.sizes {
		c := startCase{
			n: n, times: 1,
			start:    row{name: fmt.Sprintf("start of %s, all in main()", thousands(n)), unit: "ms", target: target{times: 1.4}},
			shutdown: row{name: fmt.Sprintf("shutdown of %s", thousands(n)), unit: "ms"},
		}
		if n == 1 {
			c.start.name, c.start.target = "daemon's exec to the first main()", target{most: 10}
			c.times = 5
		}
		if n == 1000 {
			c.shutdown.target = target{times: 1.5}
		}
		if b.quick {
			c.times = 1
		}
		out = append(out, kase{
			name: c.start.name,
			can:  func(t *tool) bool { return t.holds(n) },
			run:  c.run,
		})
	}
	return out
}

// startCase starts n processes and ends them, so many times a round.
type startCase struct {
	n, times        int
	start, shutdown row
}

func (c startCase) run(b *bench, t *tool) error {
	for range c.times {
		if err := c.once(b, t); err != nil {
			return err
		}
	}
	return nil
}

func (c startCase) once(b *bench, t *tool) error {
	s, err := b.start(t, place{procs: stampers(c.n)})
	if err != nil {
		return err
	}
	defer s.close()
	last, err := s.await()
	if err != nil {
		return err
	}
	b.add(c.start, t.name, float64(last-s.began)/1e6)
	if t.once || t.abandons {
		return nil
	}
	pause(max(int64(t.settle), 1e8))
	ms, err := s.shutdown()
	if err != nil {
		return err
	}
	b.add(c.shutdown, t.name, ms)
	return nil
}
