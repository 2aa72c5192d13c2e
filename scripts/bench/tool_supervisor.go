//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"strings"
)

// supervisorTool returns supervisord, told to call a process started at once
// and never to give up.
func supervisorTool() *tool {
	ctl := func(p *place, args ...string) *exec.Cmd {
		return exec.Command("supervisorctl", append([]string{"-c", p.path("supervisord.conf")}, args...)...)
	}
	return &tool{
		name:    "supervisor",
		binary:  "supervisord",
		pkg:     "supervisor",
		command: supervisorCommand,
		list:    func(p *place) *exec.Cmd { return ctl(p, "status") },
		restart: func(p *place, name string) *exec.Cmd { return ctl(p, "restart", name) },
		logs:    func(name string) string { return "log/" + name + ".log*" },
		pid1:    true,
	}
}

func supervisorCommand(p *place) (*exec.Cmd, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `[supervisord]
nodaemon=true
user=root
minfds=%d
logfile=/dev/null
logfile_maxbytes=0
pidfile=%[2]s/supervisord.pid
childlogdir=%[2]s

[unix_http_server]
file=%[2]s/sock

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://%[2]s/sock
`, 4*len(p.procs)+1024, p.dir)
	for _, of := range p.procs {
		fmt.Fprintf(&b, "\n[program:%s]\ncommand=%s %s\nautorestart=true\nstartsecs=0\nstartretries=1000000000\nredirect_stderr=true\n",
			of.name, p.bin.workload, p.argument(of))
		if p.capture {
			fmt.Fprintf(&b, "stdout_logfile=%s\nstdout_logfile_maxbytes=10MB\nstdout_logfile_backups=1000\n", p.path("log", of.name+".log"))
		} else {
			b.WriteString("stdout_logfile=NONE\n")
		}
	}
	if err := p.write("supervisord.conf", b.String(), 0o600); err != nil {
		return nil, err
	}
	// supervisord wants the folder of its logs to be there.
	if err := p.write("log/.made", "", 0o600); err != nil {
		return nil, err
	}
	return exec.Command("supervisord", "-n", "-c", p.path("supervisord.conf")), nil
}
