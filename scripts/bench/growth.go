//go:build linux

package main

import (
	"fmt"
	"syscall"
)

// growthCases measure what each of many idle processes costs: it should be the
// same for the ten-thousandth as for the first.
func growthCases(b *bench) []kase {
	sizes := []int{2000, 5000, 10000}
	if b.quick {
		sizes = []int{4}
	}
	var out []kase
	for _, n := range sizes {
		out = append(out, kase{
			name: "growth to " + thousands(n),
			once: true,
			can:  func(t *tool) bool { return t.compared() && t.holds(n) },
			run:  func(b *bench, t *tool) error { return b.growth(t, n) },
		})
	}
	return out
}

func (b *bench) growth(t *tool, n int) error {
	s, err := b.start(t, place{procs: stampers(n), capture: true})
	if err != nil {
		return err
	}
	defer s.close()
	last, err := s.await()
	if err != nil {
		return err
	}
	of := func(what, unit string) row {
		return row{name: fmt.Sprintf("with %s, %s", thousands(n), what), unit: unit}
	}
	b.add(of("start of each", "ms"), t.name, float64(last-s.began)/1e6/float64(n))
	pause(3e9)
	u, err := measure(s.daemons(), true)
	if err != nil {
		return err
	}
	b.add(of("memory of each", "KiB PSS"), t.name, float64(u.pssKiB)/float64(n))
	kill := of("restart, kill to main()", "ms")
	for range 20 {
		pause(10e6)
		ms, err := s.revive(0, func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) })
		if err != nil {
			return err
		}
		b.add(kill, t.name, ms)
	}
	if t.list != nil {
		list := of("list of each", "µs")
		for range 5 {
			ms, err := s.list()
			if err != nil {
				return err
			}
			b.add(list, t.name, 1000*ms/float64(n))
		}
	}
	ms, err := s.shutdown()
	if err != nil {
		return err
	}
	b.add(of("shutdown of each", "ms"), t.name, ms/float64(n))
	return nil
}
