//go:build linux

package main

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
)

// commands measures the commands of people: the list of all processes, as a
// whole command, and the restart of one, to its new main(). Each is repeated,
// unless it is slow.
func (b *bench) commands(s *session, list, restart row) error {
	times, limit := 10, int64(2e9)
	if b.quick {
		times = 2
	}
	for began, done := now(), 0; done < times && now()-began < limit; done++ {
		ms, err := s.list()
		if err != nil {
			return err
		}
		b.add(list, s.tool.name, ms)
	}
	for began, done := now(), 0; done < times && now()-began < limit; done++ {
		pause(max(int64(s.tool.settle), 10e6))
		cmd := s.tool.restart(s.place, s.procs[0].name)
		ms, err := s.revive(0, func(int) error { return cmd.Start() })
		if err = errors.Join(err, cmd.Wait()); err != nil {
			return fmt.Errorf("restart by command: %w", err)
		}
		b.add(restart, s.tool.name, ms)
	}
	return nil
}

// procName is what the processes of stampers are called.
var procName = regexp.MustCompile(`p[0-9]{5}`)

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
	named := map[string]bool{}
	for _, name := range procName.FindAll(text, -1) {
		named[string(name)] = true
	}
	for _, of := range s.procs {
		if !named[of.name] {
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
