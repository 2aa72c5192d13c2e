package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// typist is a person at a terminal.
type typist struct {
	t      *testing.T
	master *os.File
	seen   bytes.Buffer
}

// waits reads until the terminal shows a text.
func (p *typist) waits(text string) {
	p.t.Helper()
	p.master.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 4096)
	for !strings.Contains(p.seen.String(), text) {
		n, err := p.master.Read(buf)
		p.seen.Write(buf[:n])
		if err != nil {
			p.t.Fatalf("%v, and no %q in:\n%s", err, text, p.seen.String())
		}
	}
	_, rest, _ := strings.Cut(p.seen.String(), text)
	p.seen.Reset()
	p.seen.WriteString(rest)
}

// ends reads until nobody has the terminal any more.
func (p *typist) ends() {
	p.t.Helper()
	p.master.SetReadDeadline(time.Now().Add(patience))
	if rest, err := io.ReadAll(p.master); !errors.Is(err, syscall.EIO) {
		p.t.Fatalf("%v after:\n%s", err, rest)
	}
}

func (p *typist) types(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.master, text); err != nil {
		p.t.Fatal(err)
	}
}

// TestExecOnTerminal: at a terminal a command gets one of its own, with the size
// of ours, in which Ctrl-C ends what runs in the foreground.
func TestExecOnTerminal(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, "processes: {web: {command: [sleep, inf]}}")
	master, slave, err := newTerminal()
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	defer master.Close()
	setSize(slave, &unix.Winsize{Row: 33, Col: 77})
	cmd := exec.Command("gosup", "ctl", "exec", "web", "--", "sh")
	cmd.Dir = s.dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	p := &typist{t: t, master: master}
	p.types("PS1=say'>'\n")
	p.waits("say>")
	p.types("stty size; test -t 2 && echo all $((1 + 2))\n")
	p.waits("33 77")
	p.waits("all 3")
	p.waits("say>") // else the prompt may come between the two rounds
	p.types("cat; echo after $((40 + 2))\n")
	p.waits("cat; echo")
	p.types("round\n")
	p.waits("round\r\nround") // once as it is typed, once from cat
	p.types("\x03")
	p.waits("say>")
	p.types("echo still $((1 + 1))\n")
	p.waits("still 2")
	setSize(master, &unix.Winsize{Row: 44, Col: 88})
	p.types("until test \"$(stty size)\" = '44 88'; do sleep 0.1; done; echo new $((2 + 2)); sleep 0.2 & exit 5\n")
	p.waits("new 4")
	p.ends()
	err = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 5 {
		t.Errorf("exit code: got %d (%v), want 5", code, err)
	}
}
