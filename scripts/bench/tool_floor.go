//go:build linux

package main

import (
	"os/exec"
	"strconv"
	"strings"
)

// floorTools returns the floors: a C program and a Go one that fork, exec and
// wait and do nothing else; and for logs, cat.
func floorTools(bin helpers) []*tool {
	var out []*tool
	if bin.floor != "" {
		out = append(out, &tool{
			name:    "floor",
			command: floorCommand(bin.floor),
			pipe:    func(folder string) string { return "cat > " + folder + "/current" },
			pid1:    true,
		})
	}
	floorGo := &tool{
		name:    "floor-go",
		command: floorCommand(bin.floorGo),
		checks: func(p *place, url string) (*exec.Cmd, error) {
			return exec.Command(bin.checks, url, strconv.Itoa(len(p.procs))), nil
		},
	}
	if bin.floor == "" {
		floorGo.pipe = func(folder string) string { return "cat > " + folder + "/current" }
	}
	return append(out, floorGo)
}

func floorCommand(binary string) func(*place) (*exec.Cmd, error) {
	return func(p *place) (*exec.Cmd, error) {
		var text strings.Builder
		for _, of := range p.procs {
			text.WriteString(p.argument(of) + "\n")
		}
		if err := p.write("list", text.String(), 0o600); err != nil {
			return nil, err
		}
		return exec.Command(binary, p.bin.workload, p.path("list")), nil
	}
}
