//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// floorTools returns the floors: a C program and a Go one that fork, exec and
// wait and do nothing else; and for logs, cat. The C program comes once more, as
// floor-full, with most of the system calls that gosup makes for each process.
func floorTools(bin helpers) []*tool {
	var out []*tool
	if bin.floor != "" {
		out = append(out, &tool{
			name:    "floor",
			command: floorCommand(bin.floor),
			pipe:    func(folder string) string { return "cat > " + folder + "/current" },
			pid1:    true,
		}, &tool{
			name:    "floor-full",
			command: fullFloor(bin.floor),
			clean:   func(p *place) { removeCgroups(fullCgroup(p)) },
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

// fullFloor is floorCommand with a folder and, where cgroups can be made, a cgroup.
func fullFloor(binary string) func(*place) (*exec.Cmd, error) {
	plain := floorCommand(binary)
	return func(p *place) (*exec.Cmd, error) {
		cmd, err := plain(p)
		if err != nil {
			return nil, err
		}
		cmd.Args = append(cmd.Args, p.dir)
		if dir := fullCgroup(p); dir != "" {
			cmd.Args = append(cmd.Args, dir)
		}
		return cmd, nil
	}
}

// fullCgroup is the folder of the cgroup that floor-full makes; "" for none.
func fullCgroup(p *place) string {
	above := ownCgroup()
	if above == "" {
		return ""
	}
	return filepath.Join(above, filepath.Base(p.dir))
}

// removeCgroups removes a cgroup that nothing lives in, and those below it; ""
// is none. The kernel refuses to remove others.
func removeCgroups(dir string) {
	if dir == "" {
		return
	}
	below, _ := os.ReadDir(dir)
	for _, e := range below {
		_ = syscall.Rmdir(filepath.Join(dir, e.Name()))
	}
	_ = syscall.Rmdir(dir)
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
