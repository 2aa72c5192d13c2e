package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"gosup/control"
)

// TestScripts runs testdata/script: gosup as people use it. Beside the
// commands of testscript there are
//
//	code N COMMAND...         run it; the exit code must be N
//	start NAME COMMAND...     run it beside the script, with its output in NAME.out and NAME.err
//	signal SIG NAME           send a signal to it
//	signal -child SIG NAME    send a signal to its one child
//	ends NAME N               wait for its end; the exit code must be N
//	waitfor FILE REGEXP [N]   wait until the file has (at least N) matches
//	waitstate NAME STATE      wait until the process of .gosup/run/gosup.sock is in a state
//	waitcount NAME N          wait until N of its restarts are remembered
//	pid VAR NAME              set a variable to the pid of the process
//
// and the conditions [root], [unshare] (may make a PID namespace) and [delegated]
// (there is a cgroup v2 with controllers). What was
// started and has not ended is ended with the script.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", os.Getenv("GORACE"))
			s := &stage{env: e.Vars, programs: map[string]*program{}}
			e.Values[stageKey{}] = s
			e.Defer(s.clear)
			return nil
		},
		Condition: condition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code":      positive(cmdCode, 2, 99),
			"start":     positive(cmdStart, 2, 99),
			"signal":    positive(cmdSignal, 2, 3),
			"ends":      positive(cmdEnds, 2, 2),
			"waitfor":   positive(cmdWaitFor, 2, 3),
			"waitstate": positive(cmdWaitState, 2, 2),
			"waitcount": positive(cmdWaitCount, 2, 2),
			"pid":       positive(cmdPID, 2, 2),
		},
	})
}

type stageKey struct{}

// stage is what a script has beside it.
type stage struct {
	env      []string
	programs map[string]*program
}

func (s *stage) clear() {
	for _, p := range s.programs {
		p.stop()
	}
}

func stageOf(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

func (s *stage) program(ts *testscript.TestScript, name string) *program {
	p := s.programs[name]
	if p == nil {
		ts.Fatalf("nothing was started as %q", name)
	}
	return p
}

func condition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Geteuid() == 0, nil
	case "unshare":
		return mayUnshare(), nil
	case "delegated":
		return hasControllers(), nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// hasControllers reports whether a cgroup v2 of this machine limits memory.
func hasControllers() bool {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if text, err := os.ReadFile(dir + "/cgroup.controllers"); err == nil && strings.Contains(string(text), "memory") {
			return true
		}
	}
	return false
}

// mayUnshare reports whether a PID namespace can be made here.
var mayUnshare = sync.OnceValue(func() bool {
	return os.Geteuid() == 0 && exec.Command("unshare", "--pid", "--fork", "--mount-proc", "true").Run() == nil
})

// positive is a script command that has no negation and takes so many words.
func positive(do func(*testscript.TestScript, []string), low, high int) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < low || len(args) > high {
			ts.Fatalf("wrong usage: see TestScripts")
		}
		do(ts, args)
	}
}

func cmdCode(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code: got %d, want %d", got, want)
	}
}

func cmdStart(ts *testscript.TestScript, args []string) {
	s := stageOf(ts)
	if p := s.programs[args[0]]; p != nil {
		p.stop()
	}
	p, err := startProgram(ts.MkAbs("."), args[0], s.env, args[1:])
	ts.Check(err)
	s.programs[args[0]] = p
}

func cmdSignal(ts *testscript.TestScript, args []string) {
	child := args[0] == "-child"
	if child {
		args = args[1:]
	}
	sig := unix.SignalNum("SIG" + args[0])
	if sig == 0 || len(args) != 2 {
		ts.Fatalf("wrong usage: see TestScripts")
	}
	p := stageOf(ts).program(ts, args[1])
	if !child {
		ts.Check(p.cmd.Process.Signal(sig))
		return
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.cmd.Process.Pid))
	ts.Check(err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, sig))
}

func cmdEnds(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	p := stageOf(ts).program(ts, args[0])
	got, err := p.code()
	if err == nil && got != want {
		err = fmt.Errorf("exit code of %s: got %d, want %d", args[0], got, want)
	}
	if err != nil {
		said, _ := os.ReadFile(p.stderr)
		ts.Fatalf("%v\n%s", err, said)
	}
}

func cmdWaitFor(ts *testscript.TestScript, args []string) {
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	n := 1
	if len(args) > 2 {
		n, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	var text []byte
	found := func() bool {
		text, _ = os.ReadFile(ts.MkAbs(args[0])) // may be to come
		return len(re.FindAll(text, n)) >= n
	}
	if !eventually(found) {
		ts.Fatalf("%s has no %d of %q:\n%s", args[0], n, args[1], text)
	}
}

// clientIn returns a client of the daemon in the current folder of a script.
func clientIn(ts *testscript.TestScript) *control.Client {
	return control.NewClient(filepath.Join(ts.MkAbs("."), ".gosup/run/gosup.sock"))
}

func cmdWaitState(ts *testscript.TestScript, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := clientIn(ts)
	var err error
	if !eventually(func() bool { _, err = c.Version(ctx); return err == nil }) {
		ts.Fatalf("%v", err)
	}
	_, err = c.Wait(ctx, args[1], patience, args[0])
	ts.Check(err)
}

func cmdWaitCount(ts *testscript.TestScript, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := clientIn(ts)
	var seen []control.Process
	if !eventually(func() bool {
		var err error
		seen, err = c.Processes(ctx, args[0])
		return err == nil && len(seen) == 1 && strconv.Itoa(seen[0].Restarts) == args[1]
	}) {
		ts.Fatalf("restarts of %s: %+v, want %s", args[0], seen, args[1])
	}
}

func cmdPID(ts *testscript.TestScript, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all, err := clientIn(ts).Processes(ctx, args[1])
	ts.Check(err)
	if len(all) != 1 || all[0].PID == 0 {
		ts.Fatalf("%s has no pid: %+v", args[1], all)
	}
	ts.Setenv(args[0], strconv.Itoa(all[0].PID))
}
