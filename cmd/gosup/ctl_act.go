package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newStartCommand(c *ctl) *cobra.Command {
	return newActionCommand(c, "start", "Start processes and wait until they run", `Start processes and wait until they run, or have exited.

What runs already is left alone. If the first attempt fails, the exit code is 1
at once, and retries go on as the restart policy says. A start by a person
clears the restart budget.`)
}

func newStopCommand(c *ctl) *cobra.Command {
	return newActionCommand(c, "stop", "Stop processes and wait until nothing is left of them", `Stop processes and wait until nothing is left of them.

They stay stopped until somebody starts them. A restart that was due is
cancelled.`)
}

func newRestartCommand(c *ctl) *cobra.Command {
	return newActionCommand(c, "restart", "Stop processes and start them again", `Stop processes, start them again, and wait until they run.

What is stopped is started. Of several instances of a process one is restarted
after the other, and where one does not come up the rest is left alone. It costs
no restart budget, it clears it.`)
}

// actionFlags are the flags of all that changes something.
type actionFlags struct {
	reason  string
	noWait  bool
	atOnce  bool
	timeout time.Duration
	out     *format
}

func addReason(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVarP(to, "reason", "m", "", "why, in your words: events and reasons show it")
}

func newActionCommand(c *ctl, verb, short, long string) *cobra.Command {
	cmd := &cobra.Command{
		Use:               verb + " NAME...",
		Short:             short,
		Long:              long,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeNames,
	}
	var f actionFlags
	addReason(cmd, &f.reason)
	cmd.Flags().BoolVar(&f.noWait, "no-wait", false, "return as soon as it is on its way")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 2*time.Minute, "how long to wait; it goes on after that")
	if verb == "restart" {
		cmd.Flags().BoolVar(&f.atOnce, "at-once", false, "restart all instances of a process together")
	}
	f.out = addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, names []string) error {
		if f.timeout <= 0 {
			return usageErrorf("--timeout %v is not positive (with --no-wait nothing is waited for)", f.timeout)
		}
		return c.act(ctx, client, verb, control.ActionRequest{
			Names: names, Reason: f.reason, NoWait: f.noWait, AtOnce: f.atOnce, TimeoutSeconds: f.timeout.Seconds(),
		}, *f.out)
	})
	return cmd
}

func newSignalCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "signal SIGNAL NAME...",
		Short: "Send a signal to processes",
		Long: `Send a signal, as HUP, SIGHUP or 1, to the first process of each run.

What follows from it, follows: a process that ends of it is treated as its
restart policy says.`,
		Args: cobra.MinimumNArgs(2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return signalNames(), noFiles
			}
			return c.completeNames(cmd, args, toComplete)
		},
	}
	var reason string
	addReason(cmd, &reason)
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, args []string) error {
		return c.act(ctx, client, "signal", control.ActionRequest{Names: args[1:], Signal: args[0], Reason: reason}, *out)
	})
	return cmd
}

// act has an action done and says how it ended: what worked on stdout, what
// did not on stderr.
func (c *ctl) act(ctx context.Context, client *control.Client, verb string, req control.ActionRequest, f format) error {
	results, err := client.Act(ctx, verb, req)
	if err != nil {
		return err
	}
	ok := true
	for _, r := range results {
		ok = ok && r.Outcome.OK()
	}
	if !c.quiet {
		if err := print(func(s *screen) error { return s.results(f, results) }); err != nil {
			return err
		}
	}
	if ok {
		return nil
	}
	stderr := newScreen(os.Stderr)
	for _, r := range results {
		if !r.Outcome.OK() {
			fmt.Fprintf(stderr.out, "gosup: %s %s: %s\n", verb, stderr.line(r.Name), stderr.line(r.Message))
		}
	}
	stderr.out.Flush()
	return &exitError{code: exitFailed}
}

// results prints what an action came to; as a table only what worked, for the
// rest is an error.
func (s *screen) results(f format, results []control.ActionResult) error {
	answer, err := json.Marshal(results)
	if err != nil {
		return err
	}
	if done, err := s.data(f, answer); done {
		return err
	}
	for _, r := range results {
		switch {
		case f == formatName:
			s.out.WriteString(s.line(r.Name) + "\n")
		case r.Outcome.OK():
			s.out.WriteString(s.line(r.Name) + ": " + s.line(r.Message) + "\n")
		}
	}
	return nil
}
