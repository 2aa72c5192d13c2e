package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"gosup/control"
)

// eventually asks until the answer is yes or the test's patience is over.
func eventually(yes func() bool) bool {
	over := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !yes() {
		select {
		case <-again.C:
		case <-over:
			return yes()
		}
	}
	return true
}

// program is a command that runs beside a test, with its output in files.
type program struct {
	cmd    *exec.Cmd
	stdout string // path
	stderr string // path
	ended  chan struct{}
}

// startProgram starts argv in a folder; NAME.out and NAME.err in it get the
// output. The caller stops the program.
func startProgram(dir, name string, env, argv []string) (*program, error) {
	p := &program{
		cmd:    exec.Command(argv[0], argv[1:]...),
		stdout: filepath.Join(dir, name+".out"),
		stderr: filepath.Join(dir, name+".err"),
		ended:  make(chan struct{}),
	}
	p.cmd.Dir, p.cmd.Env = dir, env
	stdout, err := os.Create(p.stdout)
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	stderr, err := os.Create(p.stderr)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	p.cmd.Stdout, p.cmd.Stderr = stdout, stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the program
		defer close(p.ended)
		_ = p.cmd.Wait() // the code is in ProcessState
	}()
	return p, nil
}

// code waits for the end and returns what a shell would call the exit code.
func (p *program) code() (int, error) {
	select {
	case <-p.ended:
	case <-time.After(patience):
		return 0, fmt.Errorf("%v has not ended", p.cmd.Args)
	}
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// stop ends a program at the end of a test, whatever it does: a daemon has no
// patience with its processes after QUIT.
func (p *program) stop() {
	for _, s := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL} {
		_ = p.cmd.Process.Signal(s) // the error says that it has ended
		select {
		case <-p.ended:
			return
		case <-time.After(patience / 3):
		}
	}
}

// supervisor is a gosup run under test and a client of it.
type supervisor struct {
	*program
	t      *testing.T
	dir    string // of its gosup.yaml
	client *control.Client
}

// startSupervisor runs a configuration in a folder of its own and waits until
// it answers. It ends with the test.
func startSupervisor(t *testing.T, file string, args ...string) *supervisor {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gosup.yaml"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	return startSupervisorIn(t, dir, append([]string{"gosup", "run"}, args...))
}

func startSupervisorIn(t *testing.T, dir string, argv []string) *supervisor {
	t.Helper()
	p, err := startProgram(dir, "gosup", os.Environ(), argv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			said, _ := os.ReadFile(p.stderr)
			t.Logf("stderr of gosup:\n%s", said)
		}
	})
	s := &supervisor{program: p, t: t, dir: dir, client: control.NewClient(filepath.Join(dir, ".gosup/run/gosup.sock"))}
	if !eventually(func() bool { _, err = s.client.Version(t.Context()); return err == nil }) {
		t.Fatal(err)
	}
	return s
}

// wait waits for a state of processes and returns their status.
func (s *supervisor) wait(state string, names ...string) []control.Process {
	s.t.Helper()
	all, err := s.client.Wait(s.t.Context(), state, patience, names...)
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// status returns the status of one process.
func (s *supervisor) status(name string) control.Process {
	s.t.Helper()
	all, err := s.client.Processes(s.t.Context(), name)
	if err != nil || len(all) != 1 {
		s.t.Fatalf("status of %s: %v, %v", name, all, err)
	}
	return all[0]
}

// act has something done and waits for it.
func (s *supervisor) act(verb string, names ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	results, err := s.client.Act(ctx, verb, control.ActionRequest{Names: names})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range results {
		if !r.Outcome.OK() {
			s.t.Fatalf("%s %s: %+v", verb, r.Name, r)
		}
	}
}

// events returns the history of a process.
func (s *supervisor) events(name string) []control.Event {
	s.t.Helper()
	var all []control.Event
	err := s.client.Events(s.t.Context(), control.EventsRequest{Last: -1, Names: []string{name}}, func(line []byte, _ bool) error {
		var e control.Event
		err := json.Unmarshal(line, &e)
		all = append(all, e)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// log returns what a process has written to its log, which is made with the
// first line.
func (s *supervisor) log(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, ".gosup/log", name+".log"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return string(text)
}

// end sends a signal and checks the exit code.
func (s *supervisor) end(sig syscall.Signal, want int) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	if got, err := s.code(); err != nil || got != want {
		s.t.Errorf("exit code after %v: got %d, %v, want %d", sig, got, err, want)
	}
}
