//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// scanTools returns the daemontools family: a scanner of a folder of service
// folders, a supervising process for each, and one more for its logs.
func scanTools() []*tool {
	return []*tool{runitTool(), s6Tool(), daemontoolsTool()}
}

// afterASecond is the settling time of the family: a process that ended within
// a second of its start is started again a second later.
const afterASecond = 1100 * time.Millisecond

func runitTool() *tool {
	pipe := func(folder string) string { return "svlogd " + folder }
	return &tool{
		name:   "runit",
		binary: "runsvdir",
		pkg:    "runit",
		command: func(p *place) (*exec.Cmd, error) {
			return exec.Command("runsvdir", "-P", p.path("service")), serviceFolders(p, pipe, "s10000000\nn1000\n")
		},
		// On HUP runsvdir tells each runsv to end, with its process.
		stop:    func(s *session) error { return s.cmd.Process.Signal(syscall.SIGHUP) },
		list:    func(p *place) *exec.Cmd { return eachService(p, "exec sv status", "") },
		restart: func(p *place, name string) *exec.Cmd { return exec.Command("sv", "restart", p.path("service", name)) },
		pipe: func(folder string) string {
			// svlogd takes the size from a file of its folder.
			return fmt.Sprintf("{ printf 's10000000\\nn1000\\n' > %[1]s/config; exec svlogd %[1]s; }", folder)
		},
		settle: afterASecond,
	}
}

func s6Tool() *tool {
	pipe := func(folder string) string { return "s6-log -b n1000 s10000000 " + folder }
	return &tool{
		name:   "s6",
		binary: "s6-svscan",
		pkg:    "s6",
		command: func(p *place) (*exec.Cmd, error) {
			return exec.Command("s6-svscan", "-c", fmt.Sprint(2*len(p.procs)+100), p.path("service")), serviceFolders(p, pipe, "")
		},
		stop: func(s *session) error { return exec.Command("s6-svscanctl", "-t", s.path("service")).Run() },
		list: func(p *place) *exec.Cmd {
			return eachService(p, "", `for d; do echo "${d##*/} $(s6-svstat "$d")"; done`)
		},
		restart: func(p *place, name string) *exec.Cmd { return exec.Command("s6-svc", "-r", p.path("service", name)) },
		pipe:    pipe,
		settle:  afterASecond,
		pid1:    true,
	}
}

func daemontoolsTool() *tool {
	pipe := func(folder string) string { return "multilog s10000000 n1000 " + folder }
	return &tool{
		name:   "daemontools",
		binary: "svscan",
		pkg:    "daemontools",
		command: func(p *place) (*exec.Cmd, error) {
			return exec.Command("svscan", p.path("service")), serviceFolders(p, pipe, "")
		},
		stop: func(s *session) error {
			// svscan first: it would start a supervise that has ended again.
			if err := term(s); err != nil {
				return err
			}
			return eachService(s.place, "exec svc -dx", "").Run()
		},
		list:    func(p *place) *exec.Cmd { return eachService(p, "exec svstat", "") },
		restart: func(p *place, name string) *exec.Cmd { return exec.Command("svc", "-t", p.path("service", name)) },
		pipe:    pipe,
		most:    1000, // svscan's own limit
		settle:  afterASecond,
	}
}

// serviceFolders makes a service folder for each process. Its run file is the
// workload itself by way of "#!", so that no shell comes first. With capture,
// each has a logger, which takes config from its log folder if it is not "".
func serviceFolders(p *place, pipe func(folder string) string, config string) error {
	for _, of := range p.procs {
		service := filepath.Join("service", of.name)
		run := fmt.Sprintf("#!%s %s\n", p.bin.workload, p.argument(of))
		if err := p.write(filepath.Join(service, "run"), run, 0o755); err != nil {
			return err
		}
		if !p.capture {
			continue
		}
		logs := p.path("log", of.name)
		if err := os.MkdirAll(logs, 0o755); err != nil {
			return err
		}
		if config != "" {
			if err := p.write(filepath.Join("log", of.name, "config"), config, 0o644); err != nil {
				return err
			}
		}
		if err := p.write(filepath.Join(service, "log", "run"), "#!/bin/sh\nexec "+pipe(logs)+"\n", 0o755); err != nil {
			return err
		}
	}
	// runsvdir waits for a second where its folder has changed just now.
	past := time.Now().Add(-time.Hour)
	return os.Chtimes(p.path("service"), past, past)
}

// eachService runs a command with all service folders as arguments, or a shell
// script that goes through them.
func eachService(p *place, command, script string) *exec.Cmd {
	if script == "" {
		script = command + ` "$@"`
	}
	args := []string{"-c", script, "sh"}
	for _, of := range p.procs {
		args = append(args, p.path("service", of.name))
	}
	return exec.Command("/bin/sh", args...)
}
