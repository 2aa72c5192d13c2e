//go:build linux

package main

import (
	"bufio"
	"bytes"
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
	able := func(t *tool) bool { return t.pipe != nil || t.logs != nil }
	many := 100
	if b.quick {
		many = 5
	}
	var out []kase
	for _, c := range []logsCase{
		{name: "logs, one writer", writers: 1, target: target{share: 0.9}},
		{name: fmt.Sprintf("logs, %d writers", many), writers: many, target: target{share: 0.8}},
		{name: "logs as text, one writer", writers: 1, format: "text", target: target{share: 0.5}},
		{name: "logs as JSON, one writer", writers: 1, format: "json", target: target{share: 0.5}},
	} {
		c.each = total / c.writers / lineBytes * lineBytes
		can := able
		if c.format != "" {
			// Others have no such formats; the floor writes the bare lines.
			can = func(t *tool) bool { return able(t) && t.compared() }
		}
		out = append(out, kase{
			name: c.name,
			can:  can,
			run:  func(b *bench, t *tool) error { return b.logs(t, c) },
		})
	}
	return out
}

// logsCase is a number of writers that write so many bytes each.
type logsCase struct {
	name    string
	writers int
	each    int
	format  string // of gosup's log; "" for the bare lines
	target  target
}

func (b *bench) logs(t *tool, c logsCase) error {
	procs := stampers(c.writers)
	for i := range procs {
		procs[i].mode, procs[i].number = "write", c.each
	}
	command := t.command
	if t.pipe != nil {
		command = func(p *place) (*exec.Cmd, error) { return pipelines(p, t.pipe) }
	}
	s, err := b.startWith(t, place{procs: procs, capture: true, format: c.format}, command)
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
	arrived := s.arrived
	if c.format != "" && t.name == "gosup" {
		arrived = s.formatted
	}
	last, err := arrived(int64(c.writers) * int64(c.each))
	if err != nil {
		return err
	}
	after, err := measure(s.daemons(), false)
	if err != nil {
		return err
	}
	written := float64(c.writers) * float64(c.each)
	b.add(row{name: c.name, unit: "MB/s", target: c.target}, t.name, written/1e6/(float64(last-first)/1e9))
	cpu := row{name: c.name + ", CPU of the daemon and its helpers", unit: "s/GB"}
	if c.writers == 1 && c.format == "" {
		cpu.target = target{most: 0.8}
	}
	b.add(cpu, t.name, float64(after.since(before).cpuNS)/written)
	if c.format != "" {
		return nil // all lines were counted
	}
	lost, torn, err := s.inspect(c.each / lineBytes)
	if err != nil {
		return err
	}
	b.add(row{name: c.name + ", lines lost", unit: "lines", target: target{nothing: true}}, t.name, float64(lost))
	b.add(row{name: c.name + ", lines torn", unit: "pieces", target: target{nothing: true}}, t.name, float64(torn))
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

// formatted is arrived for lines with something around them. It makes sure
// that as many whole lines are there as were written.
func (s *session) formatted(want int64) (at int64, err error) {
	// With something around it a line is as long as every other one.
	length, err := s.firstLine()
	if err != nil {
		return 0, err
	}
	lines := want / lineBytes
	if at, err = s.arrived(lines * int64(length)); err != nil {
		return 0, err
	}
	var found int64
	for _, of := range s.procs {
		for _, file := range s.files(of) {
			text, err := os.ReadFile(file)
			if err != nil {
				return 0, err
			}
			found += int64(bytes.Count(text, []byte{'\n'}))
		}
	}
	if found != lines {
		return 0, fmt.Errorf("%d of %d lines were logged", found, lines)
	}
	return at, nil
}

// firstLine returns how long the first line is that was logged. It reads no more
// than that: what is measured goes on meanwhile.
func (s *session) firstLine() (int, error) {
	for _, name := range s.files(s.procs[0]) {
		file, err := os.Open(name)
		if err != nil {
			continue // rotated away
		}
		line, err := bufio.NewReader(file).ReadSlice('\n')
		file.Close()
		if err == nil {
			return len(line), nil
		}
	}
	return 0, errors.New("nothing was logged" + s.lastWords())
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
