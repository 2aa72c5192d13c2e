//go:build linux

package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// statusCases measure the commands of people: the list of all processes, as a
// whole command, and the restart of one, to its new main().
func statusCases(b *bench) []kase {
	var out []kase
	for _, n := range b.sizes {
		if n == 1 {
			continue
		}
		list := row{name: fmt.Sprintf("list of %s, whole command", thousands(n)), unit: "ms"}
		if n == 1000 {
			list.target = target{most: 15}
		}
		restart := row{name: fmt.Sprintf("restart one of %s by command, to main()", thousands(n)), unit: "ms"}
		out = append(out, kase{
			name:   fmt.Sprintf("commands with %s", thousands(n)),
			rounds: 2,
			can:    func(t *tool) bool { return t.holds(n) && t.list != nil && t.restart != nil },
			run:    func(b *bench, t *tool) error { return b.commands(t, n, list, restart) },
		})
	}
	return out
}

func (b *bench) commands(t *tool, n int, list, restart row) error {
	s, err := b.idle(t, n)
	if err != nil {
		return err
	}
	defer s.close()
	times := 10
	if b.quick {
		times = 2
	}
	for range times {
		ms, err := s.list()
		if err != nil {
			return err
		}
		b.add(list, t.name, ms)
	}
	for range times {
		pause(max(int64(t.settle), 10e6))
		cmd := t.restart(s.place, s.procs[0].name)
		ms, err := s.revive(0, func(int) error { return cmd.Start() })
		if err = errors.Join(err, cmd.Wait()); err != nil {
			return fmt.Errorf("restart by command: %w", err)
		}
		b.add(restart, t.name, ms)
	}
	return nil
}

// list returns the milliseconds that the list takes. It must name each process.
func (s *session) list() (float64, error) {
	cmd := s.tool.list(s.place)
	began := now()
	text, err := cmd.Output()
	ms := float64(now()-began) / 1e6
	// Exit codes are theirs: some report the state of the processes by them.
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		return 0, err
	}
	for _, of := range s.procs {
		if !strings.Contains(string(text), of.name) {
			return 0, fmt.Errorf("the list does not name %s: %.200s%s", of.name, text, complaint(err))
		}
	}
	return ms, nil
}

// complaint is what a failed command wrote to stderr.
func complaint(err error) string {
	if exit, ok := err.(*exec.ExitError); ok {
		return string(exit.Stderr)
	}
	return ""
}
