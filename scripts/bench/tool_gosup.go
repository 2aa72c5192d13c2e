//go:build linux

package main

import (
	"cmp"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// gosupTool returns gosup. Its output is captured in every job, as it is by
// default, unless output says otherwise.
func gosupTool(binary, output string) *tool {
	if path, err := filepath.Abs(binary); err == nil {
		binary = path
	}
	ctl := func(p *place, args ...string) *exec.Cmd {
		return exec.Command(binary, append([]string{"ctl", "--socket", p.path("run", "gosup.sock")}, args...)...)
	}
	return &tool{
		name:   "gosup",
		binary: binary,
		hint:   "make build",
		command: func(p *place) (*exec.Cmd, error) {
			processes, err := gosupProcesses(p, output)
			if err != nil {
				return nil, err
			}
			return gosupRun(p, binary, processes)
		},
		list:    func(p *place) *exec.Cmd { return ctl(p, "status") },
		restart: func(p *place, name string) *exec.Cmd { return ctl(p, "restart", name) },
		logs:    func(name string) string { return "log/" + name + ".log*" },
		checks: func(p *place, url string) (*exec.Cmd, error) {
			return gosupRun(p, binary, gosupChecks(p, url))
		},
		pid1: true,
	}
}

// gosupRun writes a configuration file and returns the daemon for it.
func gosupRun(p *place, binary, processes string) (*exec.Cmd, error) {
	text := fmt.Sprintf("supervisor:\n  runtime_dir: %s\n  state_dir: %s\n  log_dir: %s\n%s",
		p.path("run"), p.path("state"), p.path("log"), processes)
	if err := p.write("gosup.yaml", text, 0o600); err != nil {
		return nil, err
	}
	return exec.Command(binary, "run", "-c", p.path("gosup.yaml")), nil
}

func gosupProcesses(p *place, output string) (string, error) {
	logs := fmt.Sprintf("{output: %s}", output)
	if p.capture {
		logs = fmt.Sprintf("{output: file, max_size: 10MB, max_files: 1000, format: %s}", cmp.Or(p.format, "raw"))
	}
	head := fmt.Sprintf("defaults:\n  restart: {strategy: immediate, max_restarts: unlimited}\n  logs: %s\n", logs)
	if len(p.procs) <= perFile {
		return head + processLines(p, p.procs), nil
	}
	head += "include: [processes-*.yaml]\n"
	for i, some := range slices.Collect(slices.Chunk(p.procs, perFile)) {
		if err := p.write(fmt.Sprintf("processes-%d.yaml", i), processLines(p, some), 0o600); err != nil {
			return "", err
		}
	}
	return head, nil
}

// perFile is how many processes go into one file, which has a limit.
const perFile = 2000

// processLines defines processes, each in a line.
func processLines(p *place, procs []proc) string {
	var b strings.Builder
	b.WriteString("processes:\n")
	for _, of := range procs {
		fmt.Fprintf(&b, "  %s: {command: [%s, %q]}\n", of.name, p.bin.workload, p.argument(of))
	}
	return b.String()
}

// gosupChecks is gosupProcesses with a health check of each process, once a
// second.
func gosupChecks(p *place, url string) string {
	var b strings.Builder
	b.WriteString("defaults:\n  logs: {output: none}\nprocesses:\n")
	for _, of := range p.procs {
		fmt.Fprintf(&b, "  %s:\n    command: [%s, %q]\n", of.name, p.bin.workload, p.argument(of))
		fmt.Fprintf(&b, "    health: {http: {url: %q}, interval: 1s, timeout: 1s}\n", fmt.Sprintf("%s/%d", url, of.id))
	}
	return b.String()
}
