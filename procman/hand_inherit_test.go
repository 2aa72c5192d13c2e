//go:build linux

package procman

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// daemon runs this binary as a daemon in a process of its own and returns what
// it and its child print. No hand may live in this process meanwhile, or it
// would reap the daemon.
func daemon(t *testing.T, cmd *exec.Cmd, role string) []string {
	t.Helper()
	lines, err := daemonOutput(cmd, role)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
	}
	return lines
}

func daemonOutput(cmd *exec.Cmd, role string) ([]string, error) {
	cmd.Env = append(os.Environ(), "PROCMAN_TEST_ROLE="+role, "GORACE=atexit_sleep_ms=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	err := cmd.Run()
	return strings.Split(strings.TrimSpace(out.String()), "\n"), err
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no line %q in:\n%s", w, strings.Join(got, "\n"))
		}
	}
}

func noLines(t *testing.T, got []string, prefixes ...string) {
	t.Helper()
	for _, line := range got {
		for _, p := range prefixes {
			if strings.HasPrefix(line, p) {
				t.Errorf("line %q in:\n%s", line, strings.Join(got, "\n"))
			}
		}
	}
}

// TestChildInheritsNoIgnoredSignals has a daemon that was started with signals
// ignored, SIGCHLD among them, with which the kernel would reap by itself.
func TestChildInheritsNoIgnoredSignals(t *testing.T) {
	got := daemon(t, exec.Command("/bin/sh", "-c",
		"trap '' HUP INT QUIT PIPE TERM USR1 TSTP TTIN TTOU CHLD; exec "+os.Args[0]+" say"), "daemon")
	wantLines(t, got, "exited 0 0", "children false", "pgrp true", "dir /")
	noLines(t, got, "ignored")
}

func TestChildInheritsNoBlockedSignals(t *testing.T) {
	got := daemon(t, exec.Command(os.Args[0], "say"), "blocked")
	wantLines(t, got, "exited 0 0", "SigBlk: 0000000000000000")
}

func TestChildInheritsNoDescriptors(t *testing.T) {
	stray, err := os.CreateTemp(t.TempDir(), "stray")
	if err != nil {
		t.Fatal(err)
	}
	defer stray.Close()
	cmd := exec.Command(os.Args[0], "say")
	cmd.ExtraFiles = []*os.File{stray, stray}
	got := daemon(t, cmd, "daemon")
	wantLines(t, got, "exited 0 0", "fd 0 /dev/null")
	if strings.Contains(strings.Join(got, "\n"), stray.Name()) {
		t.Errorf("a stray descriptor in:\n%s", strings.Join(got, "\n"))
	}
}

// TestHandAsInit reaps as PID 1 of a pid namespace, with a procfs of its own
// and with that of another namespace, which is worth none.
func TestHandAsInit(t *testing.T) {
	for _, proc := range []string{"with", "without"} {
		t.Run(proc, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], proc, "--", "/bin/sh", "-c",
				"i=0; while [ $i -lt 300 ]; do (: &); i=$((i+1)); done; (sleep 0.05 &); exit 9")
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
			if os.Getuid() != 0 {
				t.Skip("a pid namespace needs root")
			}
			got := daemon(t, cmd, "init")
			wantLines(t, got, "pid 1", "exited 9 0", "children false")
		})
	}
}

// TestChildGetsTheTerminal has a daemon with a controlling terminal, which
// goes to the child and comes back.
func TestChildGetsTheTerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()

	cmd := exec.Command(os.Args[0], "front", "front")
	cmd.Stdin = terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	got := daemon(t, cmd, "daemon")
	wantLines(t, got, "front true <nil>", "group true", "session false", "exited 0 0", "front again true")
}

// TestForegroundWithoutTerminal asks for the foreground where there is none.
func TestForegroundWithoutTerminal(t *testing.T) {
	got := daemon(t, exec.Command(os.Args[0], "front", "front"), "daemon")
	wantLines(t, got, "group true", "session false", "exited 0 0")
}
