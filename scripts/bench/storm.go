//go:build linux

package main

import (
	"fmt"
	"syscall"
)

// stormCases measure 200 processes that exit as soon as they have started: how
// many restarts the daemon makes, and how it treats a healthy process then.
func stormCases(b *bench) []kase {
	crashers := 200
	if b.quick {
		crashers = 10
	}
	return []kase{{
		name: fmt.Sprintf("storm of %d", crashers),
		can:  func(t *tool) bool { return t.holds(crashers+1) && !t.once },
		run:  func(b *bench, t *tool) error { return b.storm(t, crashers) },
	}}
}

func (b *bench) storm(t *tool, crashers int) error {
	procs := stampers(crashers + 1)
	for i := range crashers {
		procs[i+1].mode = "crash"
	}
	alone, err := b.restartAlone(t)
	if err != nil {
		return fmt.Errorf("the healthy one alone: %w", err)
	}
	s, err := b.start(t, place{procs: procs})
	if err != nil {
		return err
	}
	defer s.close()
	for len(s.pids) < len(procs) {
		if _, err := s.next(30e9); err != nil {
			return err
		}
	}
	restarts, seconds, err := b.countStarts(s)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%d that exit at once", crashers)
	b.add(row{name: name + ", restarts of all", unit: "/s"}, t.name, restarts/seconds)
	for range 5 {
		ms, err := s.revive(0, func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) })
		if err != nil {
			return fmt.Errorf("the healthy one: %w", err)
		}
		b.add(row{name: name + ", restart of a healthy one beside them", unit: "ms"}, t.name, ms)
		b.add(row{name: name + ", that beside its restart alone", unit: "times", target: target{most: 2}}, t.name, ms/alone)
		if err := s.follow(max(int64(t.settle), 1e8)); err != nil {
			return err
		}
	}
	return nil
}

// restartAlone returns the milliseconds that a restart takes where there is
// one process: the median of a few.
func (b *bench) restartAlone(t *tool) (float64, error) {
	s, err := b.start(t, place{procs: stampers(1)})
	if err != nil {
		return 0, err
	}
	defer s.close()
	if _, err := s.await(); err != nil {
		return 0, err
	}
	var samples []float64
	for began := now(); len(samples) < 11 && (len(samples) < 1 || now()-began < 1e9); {
		pause(max(int64(t.settle), 10e6))
		ms, err := s.revive(0, func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) })
		if err != nil {
			return 0, err
		}
		samples = append(samples, ms)
	}
	return quantile(samples, 0.5), nil
}

// countStarts counts the starts in a window of time. The window is what the
// stamps say, so a slow reader does no harm.
func (b *bench) countStarts(s *session) (count, seconds float64, err error) {
	window := b.window() * 3 / 10
	s.stamps.drain()
	first, err := s.next(30e9)
	if err != nil {
		return 0, 0, err
	}
	for {
		got, err := s.next(30e9)
		if err != nil {
			return 0, 0, err
		}
		count++
		if took := got.ns - first.ns; took >= window {
			return count, float64(took) / 1e9, nil
		}
	}
}

// follow takes the stamps that come in for so many nanoseconds.
func (s *session) follow(ns int64) error {
	for until := now() + ns; now() < until; {
		if _, err := s.next(30e9); err != nil {
			return err
		}
	}
	return nil
}
