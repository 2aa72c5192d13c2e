//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"strings"
)

// monitTool returns monit, for checks alone: it watches processes that others
// run.
func monitTool() *tool {
	return &tool{
		name:   "monit",
		binary: "monit",
		pkg:    "monit",
		checks: monitChecks,
	}
}

func monitChecks(p *place, url string) (*exec.Cmd, error) {
	hostPort, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	host, port, _ := strings.Cut(hostPort, ":")
	var b strings.Builder
	fmt.Fprintf(&b, "set daemon 1\nset pidfile %[1]s/pid\nset statefile %[1]s/state\nset idfile %[1]s/id\n", p.dir)
	for id := range p.procs {
		fmt.Fprintf(&b, "check host h%d with address %s\n  if failed port %s protocol http request \"/%s/%d\" with timeout 1 seconds then alert\n",
			id, host, port, path, id)
	}
	if err := p.write("monitrc", b.String(), 0o600); err != nil {
		return nil, err
	}
	return exec.Command("monit", "-I", "-c", p.path("monitrc")), nil
}
