//go:build linux

package main

import (
	_ "embed"
	"fmt"
	"os/exec"
	"strings"
)

//go:embed helpers/erlang/gosup_bench.erl
var erlangSource string

// erlangTool returns an OTP supervisor with a gen_server for each process,
// which holds its port.
func erlangTool() *tool {
	return &tool{
		name:    "erlang",
		binary:  "erl",
		pkg:     "erlang-base",
		command: erlangCommand,
		// A port closes its process's stdin and leaves it alone.
		abandons: true,
	}
}

func erlangCommand(p *place) (*exec.Cmd, error) {
	var list strings.Builder
	for _, of := range p.procs {
		list.WriteString(p.argument(of) + "\n")
	}
	if err := p.write("list", list.String(), 0o600); err != nil {
		return nil, err
	}
	if err := p.write("gosup_bench.erl", erlangSource, 0o600); err != nil {
		return nil, err
	}
	compile := exec.Command("erlc", "-o", p.dir, p.path("gosup_bench.erl"))
	if out, err := compile.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("erlc: %w: %s", err, out)
	}
	return exec.Command("erl", "-noshell", "-noinput", "-kernel", "logger_level", "none",
		"+P", "262144", "+Q", "65536", "-pa", p.dir, "-s", "gosup_bench", "start",
		"-extra", p.bin.workload, p.path("list")), nil
}
