package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestStopTraps stops what makes supervisors leave something behind. When the
// stop has been answered with success, nothing of the process may be there.
func TestStopTraps(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		script string
		before func(s *supervisor, pids []int)
	}{
		{"member", `(trap "" TERM; echo up; while :; do sleep 0.1; done) & wait`, nil},
		{"session", `(setsid sh -c 'trap "" TERM; echo up; while :; do sleep 0.1; done' &); while :; do sleep 0.1; done`, nil},
		{"deaf", `trap "" TERM; echo up; while :; do sleep 0.1; done`, nil},
		{"stopped", `echo up; while :; do sleep 0.1; done`, func(s *supervisor, pids []int) {
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGSTOP) // one of the sleeps may have ended
			}
		}},
		// Each process has a successor in a session of its own before it ends.
		{"storm", `trap "" TERM; test "$1" || echo up; i=0; while test $i -lt 2; do i=$((i+1)); setsid sh -c 'sleep 0.01' & done; setsid sh ./storm again & test "$1" || while :; do sleep 0.1; done`, nil},
		{"frozen", `echo up; while :; do sleep 0.1; done`, freeze},
	}
	file := "defaults: {restart: never, stop: {timeout: 200ms}}\nprocesses:\n"
	for _, tt := range tests {
		file += fmt.Sprintf("  %s: {command: [sh, ./%[1]s]}\n", tt.name)
	}
	dir := t.TempDir()
	for _, tt := range tests {
		if err := os.WriteFile(filepath.Join(dir, tt.name), []byte(tt.script), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "gosup.yaml"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startSupervisorIn(t, dir, []string{"gosup", "run"})
	for _, tt := range tests {
		if !eventually(func() bool {
			text, _ := os.ReadFile(filepath.Join(dir, ".gosup/log", tt.name+".log"))
			return strings.Contains(string(text), "up")
		}) {
			t.Fatalf("%s is not up", tt.name)
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pids := processesOf(dir, tt.name)
			if len(pids) == 0 {
				t.Fatal("it does not run")
			}
			if tt.before != nil {
				at := *s
				at.t = t
				tt.before(&at, pids)
			}
			s.act("stop", tt.name)
			if left := processesOf(dir, tt.name); len(left) > 0 {
				t.Errorf("pids %v are left", left)
			}
		})
	}
}

// processesOf returns the processes that run in a folder with the environment
// of a process.
func processesOf(dir, name string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range all {
		cwd, _ := os.Readlink(proc + "/cwd")
		env, _ := os.ReadFile(proc + "/environ")
		if cwd == dir && slices.ContainsFunc(bytes.Split(env, []byte{0}), func(v []byte) bool {
			return string(v) == "GOSUP_PROCESS="+name
		}) {
			pid, _ := strconv.Atoi(filepath.Base(proc))
			pids = append(pids, pid)
		}
	}
	return pids
}

// freeze freezes the cgroup of a process, if it has one of its own.
func freeze(s *supervisor, _ []int) {
	pid := s.status("frozen").PID
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		s.t.Skip(err)
	}
	path := ""
	for line := range strings.Lines(string(text)) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			path = p
		}
	}
	if !strings.Contains(path, "/gosup.") {
		s.t.Skip("gosup can make no cgroups here")
	}
	for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		file := filepath.Join(mount, path, "cgroup.freeze")
		if err := os.WriteFile(file, []byte("1"), 0); err == nil {
			if !eventually(func() bool {
				events, _ := os.ReadFile(filepath.Join(mount, path, "cgroup.events"))
				return strings.Contains(string(events), "frozen 1")
			}) {
				s.t.Fatal("it does not freeze")
			}
			return
		}
	}
	s.t.Skip("its cgroup is not to be found")
}
