//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// tool is a program to measure. What it cannot do is nil; the jobs that need
// it pass it over then.
type tool struct {
	name    string
	binary  string // looked up in PATH
	pkg     string // the Debian package that has it
	hint    string // how to get it, where it is in no package
	version string

	// command writes the tool's configuration into the place and returns its
	// daemon, to be run in the foreground and to restart at once, for ever.
	command func(*place) (*exec.Cmd, error)
	// stop orders the daemon to end with all its processes; nil: SIGTERM.
	stop func(*session) error
	// clean removes what the daemon, if it was killed, has left outside of the
	// place.
	clean func(*place)
	// list returns the command that lists all processes with their states.
	list func(*place) *exec.Cmd
	// restart returns the command that restarts one process.
	restart func(p *place, name string) *exec.Cmd
	// logs returns the pattern of the files below the place that hold what one
	// process has written.
	logs func(name string) string
	// pipe returns the shell command that logs its stdin into a folder that is
	// there.
	pipe func(folder string) string
	// checks returns the daemon that fetches url/ID once a second for each
	// process of the place, which it may run or not.
	checks func(p *place, url string) (*exec.Cmd, error)

	most   int           // processes at once; 0: no limit
	settle time.Duration // a process that ran for less is restarted more slowly
	pid1   bool          // is made to be PID 1
	once   bool          // never restarts
	// abandons says that processes outlive the daemon by design, so that its
	// shutdown says nothing.
	abandons bool
}

// find reports whether the tool is installed, and its version.
func (t *tool) find() (version string, ok bool) {
	if t.binary == "" {
		return "", true
	}
	path, err := exec.LookPath(t.binary)
	if err != nil {
		return "", false
	}
	ask, prefix := exec.Command(path, "version"), ""
	if t.pkg != "" {
		ask, prefix = exec.Command("dpkg-query", "-W", "-f", "${Version}", t.pkg), t.pkg+" "
	}
	out, err := ask.Output()
	if err != nil {
		return path, true
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return prefix + line, true
}

// compared reports whether the tool is one of those that are compared: gosup
// and the floors.
func (t *tool) compared() bool { return t.name == "gosup" || strings.HasPrefix(t.name, "floor") }

// holds reports whether the tool can run so many processes.
func (t *tool) holds(n int) bool { return t.command != nil && (t.most == 0 || n <= t.most) }

// proc is one process to supervise.
type proc struct {
	name   string
	mode   string // of the workload
	id     int
	number int // the mode's number; 0 for none
}

// stampers returns n processes that stamp and then wait.
func stampers(n int) []proc {
	var out []proc
	for id := range n {
		out = append(out, proc{name: fmt.Sprintf("p%05d", id), mode: "stamp", id: id})
	}
	return out
}

// place is where one daemon runs, and what for.
type place struct {
	dir     string
	bin     helpers
	fifo    string
	procs   []proc
	capture bool   // output is to be written to files, with rotation at 10 MB
	format  string // of gosup's logs; "" for raw
	asInit  bool   // the daemon is PID 1 of a pid namespace
}

// argument is the one argument of the workload.
func (p *place) argument(of proc) string {
	arg := fmt.Sprintf("%s,%s,%d", of.mode, p.fifo, of.id)
	if of.number > 0 {
		arg += fmt.Sprintf(",%d", of.number)
	}
	return arg
}

// path joins a path below the place.
func (p *place) path(parts ...string) string {
	return filepath.Join(append([]string{p.dir}, parts...)...)
}

// write writes a file below the place, with its folders.
func (p *place) write(name, text string, mode os.FileMode) error {
	file := p.path(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), mode)
}

// globbed returns the files below the place that match a pattern, without
// those that loggers keep for themselves.
func (p *place) globbed(pattern string) []string {
	files, _ := filepath.Glob(p.path(pattern))
	var out []string
	for _, file := range files {
		base := filepath.Base(file)
		if base == "lock" || base == "state" || base == "config" || strings.HasSuffix(base, ".idx") {
			continue
		}
		out = append(out, file)
	}
	return out
}

// term is how most daemons are told to end.
func term(s *session) error { return s.cmd.Process.Signal(syscall.SIGTERM) }

// allTools returns every tool that there is an adapter for, in the order of
// the table's columns.
func allTools(b *bench) []*tool {
	tools := floorTools(b.bin)
	tools = append(tools, gosupTool(b.gosup, b.gosupOutput), supervisorTool())
	tools = append(tools, scanTools()...)
	tools = append(tools, erlangTool(), monitTool())
	return append(tools, initTools()...)
}
