//go:build linux

package main

import "os/exec"

// initTools returns the small inits for containers, which run one process and
// never restart it.
func initTools() []*tool {
	var out []*tool
	for _, name := range []string{"tini", "dumb-init", "catatonit"} {
		out = append(out, &tool{
			name:   name,
			binary: name,
			pkg:    name,
			command: func(p *place) (*exec.Cmd, error) {
				return exec.Command(name, "--", p.bin.workload, p.argument(p.procs[0])), nil
			},
			most: 1,
			pid1: true,
			once: true,
		})
	}
	return out
}
