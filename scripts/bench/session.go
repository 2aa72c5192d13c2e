//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// session is one daemon that runs, with its workloads.
type session struct {
	*place
	tool   *tool
	cmd    *exec.Cmd
	stamps *stamps
	began  int64         // when the daemon was started, by now()
	pids   map[int]int   // the last main() of each process that stamped, by id
	ended  chan struct{} // closed when the daemon has ended
	bench  *bench
}

// start starts the tool for these processes.
func (b *bench) start(t *tool, p place) (*session, error) {
	return b.startWith(t, p, t.command)
}

// startWith is start, with another command than the tool's own.
func (b *bench) startWith(t *tool, p place, command func(*place) (*exec.Cmd, error)) (*session, error) {
	dir, err := os.MkdirTemp(b.dir, t.name+"-")
	if err != nil {
		return nil, err
	}
	p.dir, p.bin = dir, b.bin
	p.fifo = p.path("stamps")
	s := &session{place: &p, tool: t, pids: map[int]int{}, ended: make(chan struct{}), bench: b}
	if s.stamps, err = newStamps(p.fifo); err != nil {
		return nil, err
	}
	cmd, err := command(&p)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	if p.asInit {
		cmd = asInit(cmd)
	}
	out, err := os.Create(p.path("daemon.out"))
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	s.cmd = cmd
	s.began = now()
	if err := cmd.Start(); err != nil {
		s.cmd = nil
		return nil, errors.Join(err, s.close())
	}
	go func() { // ends with the daemon
		cmd.Wait()
		close(s.ended)
	}()
	return s, nil
}

// asInit makes a command PID 1 of a pid namespace with a /proc of its own;
// pid_namespaces(7).
func asInit(cmd *exec.Cmd) *exec.Cmd {
	args := append([]string{"-c", `mount -t proc proc /proc && exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	inside := exec.Command("/bin/sh", args...)
	inside.Env, inside.Dir = cmd.Env, cmd.Dir
	inside.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
	}
	return inside
}

// next returns the next stamp and remembers who is running; an error when the
// daemon has ended, or when no stamp has come in time.
func (s *session) next(within time.Duration) (stamp, error) {
	deadline := now() + int64(within)
	for {
		got, err := s.stamps.next(50 * time.Millisecond)
		switch {
		case err == nil:
			if got.kind == stampMain {
				s.pids[got.id] = got.pid
			}
			return got, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return got, err
		case s.bench.ctx.Err() != nil:
			return got, s.bench.ctx.Err()
		case s.over():
			return got, fmt.Errorf("the daemon has ended (%v)%s", s.cmd.ProcessState, s.lastWords())
		case now() > deadline:
			return got, fmt.Errorf("nothing started for %v%s", within, s.lastWords())
		}
	}
}

// over reports whether the daemon has ended.
func (s *session) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// lastWords is the end of what the daemon wrote.
func (s *session) lastWords() string {
	text, _ := os.ReadFile(s.path("daemon.out"))
	words := strings.TrimSpace(string(text))
	if words == "" {
		return ""
	}
	return ": " + words[max(0, len(words)-300):]
}

// await waits until all processes have stamped and returns when the last one
// did. It makes sure that so many really run.
func (s *session) await() (last int64, err error) {
	for len(s.pids) < len(s.procs) {
		got, err := s.next(30 * time.Second)
		if err != nil {
			return 0, fmt.Errorf("%d of %d started: %w", len(s.pids), len(s.procs), err)
		}
		last = max(last, got.ns)
	}
	return last, s.count()
}

// count makes sure that each process runs, and once.
func (s *session) count() error {
	if s.asInit {
		return nil // its pids are another namespace's
	}
	running := map[int]bool{}
	for _, pid := range descendants(os.Getpid()) {
		if executable(pid) == s.bin.workload {
			running[pid] = true
		}
	}
	for id, pid := range s.pids {
		if !running[pid] {
			return fmt.Errorf("process %d stamped as pid %d, which does not run", id, pid)
		}
	}
	if len(running) != len(s.procs) {
		return fmt.Errorf("%d of %d processes run", len(running), len(s.procs))
	}
	return nil
}

// revive does something that ends a process, and returns the time from then to
// the main() of its next run, in milliseconds.
func (s *session) revive(id int, end func(pid int) error) (float64, error) {
	old := s.pids[id]
	began := now()
	if err := end(old); err != nil {
		return 0, err
	}
	for {
		got, err := s.next(15 * time.Second)
		if err != nil {
			return 0, err
		}
		if got.id == id && got.kind == stampMain && got.pid != old {
			return float64(got.ns-began) / 1e6, nil
		}
	}
}

// daemons returns the daemon and its helpers: all of its descendants but the
// workloads.
func (s *session) daemons() []int {
	var out []int
	for _, pid := range append([]int{s.cmd.Process.Pid}, descendants(s.cmd.Process.Pid)...) {
		if path := executable(pid); path != "" && path != s.bin.workload {
			out = append(out, pid)
		}
	}
	return out
}

// shutdown orders the daemon to end, and returns the milliseconds until it and
// all workloads are gone.
func (s *session) shutdown() (float64, error) {
	stop := s.tool.stop
	if stop == nil {
		stop = term
	}
	began := now()
	if err := stop(s); err != nil {
		return 0, err
	}
	select {
	case <-s.ended:
	case <-time.After(time.Minute):
		return 0, errors.New("it did not end within a minute")
	}
	for {
		left := 0
		for _, pid := range descendants(os.Getpid()) {
			if executable(pid) != "" {
				left++
			}
		}
		took := now() - began
		if left == 0 {
			return float64(took) / 1e6, nil
		}
		if took > 60e9 {
			return 0, fmt.Errorf("it left %d processes behind", left)
		}
		pause(1e6)
	}
}

// close ends all that is left of the session, and removes its files.
func (s *session) close() error {
	var err error
	if s.cmd != nil {
		err = sweep(s.cmd.Process.Pid)
		<-s.ended
	}
	s.stamps.close()
	if s.tool.clean != nil {
		s.tool.clean(s.place)
	}
	if s.bench.keep {
		return err
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
