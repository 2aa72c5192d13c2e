//go:build linux

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

	"golang.org/x/sys/unix"
)

// now is CLOCK_MONOTONIC in nanoseconds, the clock of the workloads' stamps.
func now() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

// children returns the children of a process, of all its threads, in no order.
func children(pid int) []int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var out []int
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}

// descendants returns all that descends from a process, parents first.
func descendants(pid int) []int {
	out := children(pid)
	for i := 0; i < len(out); i++ {
		out = append(out, children(out[i])...)
	}
	return out
}

// executable returns the path of what a process runs; "" for a zombie, and
// for one that is gone.
func executable(pid int) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return path
}

// state returns a process's state letter, Z for a zombie; 0 for one that is
// gone.
func state(pid int) byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The command's name, in parentheses, may hold anything.
	end := bytes.LastIndexByte(stat, ')')
	if err != nil || end < 0 || len(stat) < end+3 {
		return 0
	}
	return stat[end+2]
}

// usage is what a set of processes takes.
type usage struct {
	pssKiB  int64
	threads int
	cpuNS   int64
	wakeups int64 // context switches, the voluntary and the others
}

// since returns what was taken between an earlier usage and this one.
func (u usage) since(before usage) usage {
	return usage{u.pssKiB, u.threads, u.cpuNS - before.cpuNS, u.wakeups - before.wakeups}
}

// measure adds up what the processes take. Without memory, which is dear to
// read, pssKiB is 0.
func measure(pids []int, memory bool) (usage, error) {
	var u usage
	for _, pid := range pids {
		if memory {
			rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
			if err != nil {
				return u, err
			}
			u.pssKiB += field(string(rollup), "Pss:")
		}
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil || len(tasks) == 0 {
			return u, fmt.Errorf("process %d is gone", pid)
		}
		u.threads += len(tasks)
		for _, task := range tasks {
			status, _ := os.ReadFile(task + "/status")
			u.wakeups += field(string(status), "voluntary_ctxt_switches:") +
				field(string(status), "nonvoluntary_ctxt_switches:")
			schedstat, _ := os.ReadFile(task + "/schedstat")
			var ns int64
			fmt.Sscan(string(schedstat), &ns)
			u.cpuNS += ns
		}
	}
	return u, nil
}

// field returns the number after a key at the start of a line; 0 without one.
func field(text, key string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n
		}
	}
	return 0
}

// sweep kills all descendants of this program and reaps those that were
// handed to it, as the subreaper that it is. It spares the zombies that are
// some exec.Cmd's to reap; those it kills also where the kernel's list of
// children, which may lack some while a thread ends, does not name them. An error
// names what would not go.
func sweep(spared ...int) error {
	deadline := now() + 10e9
	for {
		left := append(descendants(os.Getpid()), spared...)
		left = slices.DeleteFunc(left, func(pid int) bool {
			if slices.Contains(spared, pid) {
				return state(pid) == 'Z' || state(pid) == 0
			}
			syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
			return state(pid) == 0
		})
		if len(left) == 0 {
			return nil
		}
		if now() > deadline {
			return fmt.Errorf("cannot end %d processes, among them %d", len(left), left[0])
		}
		for _, pid := range left {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		pause(1e6)
	}
}

// ownCgroup returns the folder of the cgroup, of version 2, that this process is
// in; "" if there is none.
func ownCgroup() string {
	own, _ := os.ReadFile("/proc/self/cgroup")
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(own)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for mount := range strings.Lines(string(mounts)) {
			if f := strings.Fields(mount); len(f) > 2 && f[2] == "cgroup2" {
				return f[1] + path
			}
		}
	}
	return ""
}
