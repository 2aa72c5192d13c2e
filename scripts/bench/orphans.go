//go:build linux

package main

import (
	"fmt"
	"os"
)

// orphansCases measure a daemon as PID 1 whose only process leaves orphans as
// fast as it can: the time until all are made and reaped, and how long a zombie
// had to wait.
func orphansCases(b *bench) []kase {
	count := 20000
	if b.quick {
		count = 200
	}
	name := fmt.Sprintf("PID 1, %s orphans", thousands(count))
	if os.Getuid() != 0 {
		fmt.Fprintln(b.log, name+": needs root, for pid namespaces")
		return nil
	}
	return []kase{{
		name: name,
		can:  func(t *tool) bool { return t.pid1 && t.command != nil },
		run:  func(b *bench, t *tool) error { return b.orphans(t, name, count) },
	}}
}

func (b *bench) orphans(t *tool, name string, count int) error {
	procs := []proc{{name: "orphans", mode: "orphans", number: count}}
	s, err := b.start(t, place{procs: procs, asInit: true})
	if err != nil {
		return err
	}
	defer s.close()
	began, err := s.await()
	if err != nil {
		return err
	}
	w := watcher{init: s.cmd.Process.Pid, since: map[int]int64{}}
	for {
		got, err := s.stamps.next(50e6)
		if err == nil && got.kind == stampDone {
			if got.value != count {
				return fmt.Errorf("%d of %d orphans were made", got.value, count)
			}
			break
		}
		if s.over() {
			return fmt.Errorf("the daemon has ended%s", s.lastWords())
		}
		w.look()
	}
	for wait := now() + 5e9; w.look() > 0 && now() < wait; {
		pause(5e6)
	}
	took := now() - began
	b.add(row{name: name + ", until all are made and reaped", unit: "s"}, t.name, float64(took)/1e9)
	b.add(row{name: name + ", oldest zombie", unit: "s", target: target{most: 1}}, t.name, float64(w.oldest)/1e9)
	b.add(row{name: name + ", zombies left 5 s later", unit: "zombies", target: target{nothing: true}}, t.name, float64(w.look()))
	return nil
}

// watcher looks at the zombies of an init, as often as it is told.
type watcher struct {
	init   int           // its pid in this namespace
	since  map[int]int64 // the zombies of the last look, and when each was first seen
	oldest int64         // the longest that one was seen, in ns
}

// look returns the number of zombies that are there.
func (w *watcher) look() int {
	at := now()
	seen := map[int]int64{}
	for _, pid := range children(w.init) {
		if state(pid) != 'Z' {
			continue
		}
		first, ok := w.since[pid]
		if !ok {
			first = at
		}
		seen[pid] = first
		w.oldest = max(w.oldest, at-first)
	}
	w.since = seen
	return len(seen)
}
