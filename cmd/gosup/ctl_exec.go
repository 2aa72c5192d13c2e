package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"gosup/control"
)

// execFlags are the flags of gosup ctl exec.
type execFlags struct {
	reason string
	tty    bool
	ttySet bool
}

func newExecCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec NAME -- COMMAND [ARGS...]",
		Short: "Run a command beside a process, with its user, folder and environment",
		Long: `Run a command beside a process: as its user, in its folder, with its
environment, limits and capabilities, whether it runs or not.

The command has this command's input and output; a signal (INT, TERM, HUP, QUIT,
USR1, USR2) is handed on to it. Where input and output are a terminal, it gets
one of its own, so that shells and editors work. The exit code is the command's,
128+N after signal N, 127 where there is no such command and 126 where it cannot
be run.

It is no part of the process: no restart, stop or reload reaches it. It ends with
this command, and what it leaves behind is killed. Events show who ran what.`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: thenCommand(c.completeNames),
	}
	var f execFlags
	addReason(cmd, &f.reason)
	cmd.Flags().BoolVarP(&f.tty, "tty", "t", false, "give it a terminal of its own; without the flag, if input and output are one")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.ArgsLenAtDash() != 1 {
			return usageErrorf("exec: write gosup ctl exec NAME -- COMMAND")
		}
		f.ttySet = cmd.Flags().Changed("tty")
		return c.run(f.exec)(cmd, args)
	}
	return cmd
}

func (f *execFlags) exec(ctx context.Context, client *control.Client, args []string) error {
	std := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	if !f.ttySet {
		f.tty = isTerminal(std[0]) && isTerminal(std[1])
	}
	lines, err := newExecLines(std, f.tty)
	if err != nil {
		return err
	}
	defer lines.restore()
	signals, stop := execSignals()
	defer stop()
	result, err := client.Exec(ctx, control.ExecRequest{Name: args[0], Argv: args[1:], Terminal: f.tty, Reason: f.reason},
		lines.files(), lines.passed, signals)
	if err != nil {
		return err
	}
	lines.drain()
	lines.restore()
	switch {
	case result.Error != "":
		return &exitError{code: result.Code, err: errors.New(result.Error)}
	case result.Code != 0:
		return &exitError{code: result.Code}
	}
	return nil
}

// execSignals hands on the names of the signals that a command is to get. A
// window's new size is the terminal's own matter.
func execSignals() (<-chan string, func()) {
	raw := make(chan os.Signal, 8)
	names := make(chan string)
	done := make(chan struct{})
	signal.Notify(raw, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() { // ends with stop
		for {
			select {
			case s := <-raw:
				select {
				case names <- signalName(s.(syscall.Signal)):
				case <-done:
					return
				}
			case <-done:
				return
			}
		}
	}()
	return names, func() {
		signal.Stop(raw)
		close(done)
	}
}

// execLines are the command's input and output: our own descriptors where they
// are such as can be passed, a terminal of its own, or pipes that are copied
// from and to.
type execLines struct {
	child   [3]*os.File
	ours    []*os.File // of child, those that were made for it
	copies  []*copier  // of its output
	undo    func()     // puts our own terminal back
	started []func()   // copiers of its input, which begin once it is there
}

// newExecLines prepares them.
func newExecLines(std [3]*os.File, tty bool) (*execLines, error) {
	l := &execLines{child: std, undo: func() {}}
	if tty {
		if err := l.openTerminal(std); err != nil {
			return nil, err
		}
	}
	for i, f := range l.child {
		if control.Passable(int(f.Fd())) {
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			l.restore()
			return nil, fmt.Errorf("make a pipe: %w", err)
		}
		if i == 0 {
			l.child[i], l.ours = r, append(l.ours, r)
			l.started = append(l.started, func() { // ends with the input, or with us
				io.Copy(w, f)
				w.Close()
			})
			continue
		}
		l.child[i], l.ours = w, append(l.ours, w)
		l.copies = append(l.copies, newCopier(f, r))
	}
	return l, nil
}

func (l *execLines) files() (files [3]int) {
	for i, f := range l.child {
		files[i] = int(f.Fd())
	}
	return files
}

// passed begins to copy, once the daemon has descriptors of its own.
func (l *execLines) passed() {
	for _, f := range l.ours {
		f.Close() // so that the end of the command is the end of its output
	}
	for _, c := range l.copies {
		go c.copy() // ends with the command's output
	}
	for _, begin := range l.started {
		go begin()
	}
}

// drain waits until all that the command wrote has been copied.
func (l *execLines) drain() {
	for _, c := range l.copies {
		c.finish()
	}
}

// restore puts our own terminal back into the state that it was in.
func (l *execLines) restore() {
	l.undo()
	l.undo = func() {}
}
