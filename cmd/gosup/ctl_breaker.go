package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gosup/control"
)

// exitOpen is the exit code of gosup ctl guard when the breaker is open:
// EX_TEMPFAIL of sysexits(3).
const exitOpen = 75

func newBreakerCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "breaker [NAME]",
		Short: "Show the circuit breakers of dependencies, or set one",
		Long: `Show the circuit breakers of the external dependencies.

--trip opens one, as its failures would: processes that require it are not
started. --reset closes one.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: inTurn(c.completeDependencies),
	}
	var trip, reset bool
	var reason string
	cmd.Flags().BoolVar(&trip, "trip", false, "open it")
	cmd.Flags().BoolVar(&reset, "reset", false, "close it")
	addReason(cmd, &reason)
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, names []string) error {
		switch {
		case trip && reset:
			return usageErrorf("breaker: --trip and --reset contradict each other")
		case (trip || reset) && len(names) == 0:
			return usageErrorf("breaker: --trip and --reset need the name of a dependency")
		}
		var list []control.Breaker
		var err error
		switch {
		case trip || reset:
			set := client.TripBreaker
			if reset {
				set = client.ResetBreaker
			}
			list = make([]control.Breaker, 1)
			list[0], err = set(ctx, control.BreakerRequest{Name: names[0], Reason: reason})
		default:
			list, err = client.Breakers(ctx, names...)
		}
		if err != nil || c.quiet {
			return err
		}
		return print(func(s *screen) error { return s.breakers(*out, list, len(names) > 0) })
	})
	return cmd
}

// breakers prints a table; as JSON the one that was named is no list.
func (s *screen) breakers(f format, list []control.Breaker, one bool) error {
	var answer []byte
	var err error
	if one {
		answer, err = json.Marshal(list[0])
	} else {
		answer, err = json.Marshal(list)
	}
	if err != nil {
		return err
	}
	if done, err := s.data(f, answer); done {
		return err
	}
	rows := make([][]cell, len(list))
	for i := range list {
		b := &list[i]
		if f == formatName {
			s.out.WriteString(s.line(b.Name) + "\n")
			continue
		}
		retry := "-"
		if b.RetryAt != nil {
			retry = "in " + span(max(time.Until(*b.RetryAt), 0))
		}
		rows[i] = []cell{
			{b.Name, ""}, {b.State, breakerStyle(b.State)}, {fmt.Sprintf("%d/%d", b.Failures, b.FailureThreshold), ""},
			{retry, ""}, {orDash(strings.Join(b.RequiredBy, ","), ""), ""}, {b.Reason, ""},
		}
	}
	if f == formatName {
		return nil
	}
	s.table([]string{"NAME", "STATE", "FAILURES", "NEXT TRIAL", "REQUIRED BY", "REASON"}, rows)
	return nil
}

func breakerStyle(state string) style {
	switch state {
	case "closed":
		return styleGood
	case "open":
		return styleBad
	default:
		return styleWarn
	}
}

func newGuardCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "guard NAME -- COMMAND [ARGS...]",
		Short: "Run a command through the circuit breaker of a dependency",
		Long: `Run a command through the circuit breaker of a dependency.

While the breaker is open the command is not run, and the exit code is 75. Else
the exit code is the command's (128+N after signal N), and its success or
failure counts for the breaker. Where gosup cannot be reached the command is not
run, and the exit code is 7.`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: thenCommand(c.completeDependencies),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.ArgsLenAtDash() != 1 {
			return usageErrorf("guard: write gosup ctl guard NAME -- COMMAND")
		}
		return c.run(guard)(cmd, args)
	}
	return cmd
}

func guard(ctx context.Context, client *control.Client, args []string) error {
	name, argv := args[0], args[1:]
	err := client.Guard(ctx, control.BreakerRequest{Name: name})
	var p *control.Problem
	if errors.As(err, &p) && p.Code == control.CodeOpen {
		return &exitError{code: exitOpen, err: err}
	}
	if err != nil {
		return err
	}
	code, why := runGuarded(argv)
	err = client.GuardResult(ctx, control.GuardResult{Name: name, OK: code == 0, Reason: why})
	if err != nil {
		// The command has run: its code is what counts.
		fmt.Fprintf(os.Stderr, "gosup: its result does not count for %s: %v\n", name, err)
	}
	if code != 0 {
		return &exitError{code: code}
	}
	return nil
}

// runGuarded runs a command with our own input and output, and returns its
// code as a shell has it, and what went wrong.
func runGuarded(argv []string) (code int, why string) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// A terminal sends INT and QUIT to both: the command decides. TERM and HUP
	// come to us alone and are handed on.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "gosup: %v\n", err)
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return 127, err.Error()
		}
		return 126, err.Error()
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGTERM || s == syscall.SIGHUP {
				_ = cmd.Process.Signal(s) // it may have ended
			}
		case err := <-done:
			return guardedCode(cmd, err)
		}
	}
}

func guardedCode(cmd *exec.Cmd, err error) (code int, why string) {
	if err == nil {
		return 0, ""
	}
	why = fmt.Sprintf("%s: %v", cmd.Args[0], err)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return exitFailed, why
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), why
	}
	return exit.ExitCode(), why
}
