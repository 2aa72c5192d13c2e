//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// The lines that the workload writes, each with its newline.
const lineBytes = 100

// logsCases measure writers of 100-byte lines in writes of 64 KiB: the time
// until all that they wrote is in the log files. The floor is cat > file; for
// the daemontools family it is the loggers alone, fed by a pipe.
func logsCases(b *bench) []kase {
	total := b.mebibytes << 20
	if b.quick {
		total = 4 << 20
	}
	var out []kase
	for _, writers := range []int{1, 100} {
		if b.quick {
			writers = min(writers, 5)
		}
		each := total / writers / lineBytes * lineBytes
		name := "logs, one writer"
		share := 0.9
		if writers > 1 {
			name, share = fmt.Sprintf("logs, %d writers", writers), 0.8
		}
		out = append(out, kase{
			name:   name,
			rounds: 3,
			can:    func(t *tool) bool { return t.pipe != nil || t.logs != nil },
			run:    func(b *bench, t *tool) error { return b.logs(t, name, writers, each, share) },
		})
	}
	return out
}

func (b *bench) logs(t *tool, name string, writers, each int, share float64) error {
	procs := stampers(writers)
	for i := range procs {
		procs[i].mode, procs[i].number = "write", each
	}
	command := t.command
	if t.pipe != nil {
		command = func(p *place) (*exec.Cmd, error) { return pipelines(p, t.pipe) }
	}
	s, err := b.startWith(t, place{procs: procs, capture: true}, command)
	if err != nil {
		return err
	}
	defer s.close()
	if _, err := s.await(); err != nil {
		return err
	}
	before, err := measure(s.daemons(), false)
	if err != nil {
		return err
	}
	first := now()
	for _, pid := range s.pids {
		syscall.Kill(pid, syscall.SIGUSR1)
	}
	if err := s.written(); err != nil {
		return err
	}
	last, err := s.arrived(int64(writers) * int64(each))
	if err != nil {
		return err
	}
	after, err := measure(s.daemons(), false)
	if err != nil {
		return err
	}
	lost, torn, err := s.inspect(each / lineBytes)
	if err != nil {
		return err
	}
	bytes := float64(writers) * float64(each)
	b.add(row{name: name, unit: "MB/s", target: target{share: share}}, t.name, bytes/1e6/(float64(last-first)/1e9))
	cpu := row{name: name + ", CPU of the daemon and its helpers", unit: "s/GB"}
	if writers == 1 {
		cpu.target = target{most: 0.8}
	}
	b.add(cpu, t.name, float64(after.since(before).cpuNS)/bytes)
	b.add(row{name: name + ", lines lost", unit: "lines", target: target{nothing: true}}, t.name, float64(lost))
	b.add(row{name: name + ", lines torn", unit: "pieces", target: target{nothing: true}}, t.name, float64(torn))
	return nil
}

// pipelines is a shell that feeds each process's output to a logger of its own.
func pipelines(p *place, logger func(folder string) string) (*exec.Cmd, error) {
	var script strings.Builder
	for _, of := range p.procs {
		folder := p.path("log", of.name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, err
		}
		fmt.Fprintf(&script, "%s %s | %s &\n", p.bin.workload, p.argument(of), logger(folder))
	}
	script.WriteString("wait\n")
	return exec.Command("/bin/sh", "-c", script.String()), nil
}

// written waits until all writers are done.
func (s *session) written() error {
	for done := 0; done < len(s.procs); {
		got, err := s.next(2 * time.Minute)
		if err != nil {
			return fmt.Errorf("%d of %d writers were done: %w", done, len(s.procs), err)
		}
		if got.kind == stampDone {
			done++
		}
	}
	return nil
}

// files returns the log files of one process.
func (s *session) files(of proc) []string {
	if s.tool.pipe != nil {
		return s.globbed("log/" + of.name + "/*")
	}
	return s.globbed(s.tool.logs(of.name))
}

// arrived waits until so many bytes are in the log files, and returns when
// they were. Where they do not grow any more before, what is missing is lost,
// and the time is when they stopped.
func (s *session) arrived(want int64) (at int64, err error) {
	at = now()
	var before int64
	for {
		var size int64
		for _, of := range s.procs {
			for _, file := range s.files(of) {
				if info, err := os.Stat(file); err == nil {
					size += info.Size()
				}
			}
		}
		if size > before {
			at, before = now(), size
		}
		if size >= want {
			return at, nil
		}
		if now()-at > 3e9 {
			if size == 0 {
				return 0, errors.New("nothing was logged" + s.lastWords())
			}
			return at, nil
		}
		pause(1e6)
	}
}

// inspect reads all log files and counts the numbered lines that are missing,
// and the pieces that are no whole line.
func (s *session) inspect(lines int) (lost, torn int, err error) {
	for _, of := range s.procs {
		seen := make([]bool, lines)
		for _, file := range s.files(of) {
			pieces, err := readLines(file, seen)
			if err != nil {
				return 0, 0, err
			}
			torn += pieces
		}
		for _, there := range seen {
			if !there {
				lost++
			}
		}
	}
	return lost, torn, nil
}

// readLines marks the lines of a file as seen, and counts what is none.
func readLines(file string, seen []bool) (torn int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := r.ReadSlice('\n')
		if n, ok := lineNumber(line); ok && n < len(seen) && !seen[n] {
			seen[n] = true
		} else if len(line) > 0 {
			torn++
		}
		switch {
		case errors.Is(err, io.EOF):
			return torn, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return torn, err
		}
	}
}

// lineNumber returns the number of a whole line of the workload.
func lineNumber(line []byte) (n int, ok bool) {
	const digits = 12
	if len(line) != lineBytes || line[lineBytes-1] != '\n' {
		return 0, false
	}
	for _, c := range line[:digits] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	for _, c := range line[digits : lineBytes-1] {
		if c != 'x' {
			return 0, false
		}
	}
	return n, true
}
