package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newFreezeCommand(c *ctl) *cobra.Command {
	return newMomentaryCommand(c, "freeze", "Make processes stand still", `Make processes stand still, with all that they started, until gosup ctl thaw.

Their health checks go on, and fail where they need an answer.`)
}

func newThawCommand(c *ctl) *cobra.Command {
	return newMomentaryCommand(c, "thaw", "Let frozen processes go on", "Let frozen processes go on.")
}

// newMomentaryCommand returns the command of an action that is over once it is
// asked for.
func newMomentaryCommand(c *ctl, verb, short, long string) *cobra.Command {
	cmd := &cobra.Command{
		Use: verb + " NAME...", Short: short, Long: long,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeNames,
	}
	var reason string
	addReason(cmd, &reason)
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, names []string) error {
		return c.act(ctx, client, verb, control.ActionRequest{Names: names, Reason: reason}, *out)
	})
	return cmd
}

// chaos is what to break, how often and for how long.
type chaos struct {
	fault  string
	signal string
	reason string
	every  time.Duration
	count  int
	length time.Duration
}

func faults() []string { return []string{"kill", "stop", "freeze", "fail-health", "open-breaker"} }

func newChaosCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "chaos NAME kill|stop|freeze|fail-health|open-breaker",
		Short: "Break something on purpose, to see that it recovers",
		Long: `Break something on purpose, to see that it recovers.

kill sends a signal (--signal, KILL by default), stop stops, freeze makes it
stand still, fail-health makes its checks fail, open-breaker opens the circuit
breaker of the dependency NAME. With --for the fault undoes itself after that
time; with --every it comes again, --count times or until interrupted.`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: inTurn(c.completeSubjects, oneOf(faults()...)),
	}
	f := chaos{}
	flags := cmd.Flags()
	flags.StringVar(&f.signal, "signal", "KILL", "the signal of kill")
	flags.DurationVar(&f.every, "every", 0, "break it again each time this has passed")
	flags.IntVar(&f.count, "count", 0, "how often; 0: once, or without end with --every")
	flags.DurationVar(&f.length, "for", 0, "how long each fault lasts; 0: until somebody mends it")
	completeFlag(cmd, "signal", oneOf(signalNames()...))
	flags.StringVarP(&f.reason, "reason", "m", "chaos", "why, in your words: events and reasons show it")
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, args []string) error {
		f.fault = args[1]
		if err := f.check(flags.Changed("signal")); err != nil {
			return err
		}
		return c.wreak(ctx, client, args[0], &f)
	})
	return cmd
}

// check refuses flags that make no sense, and settles how often.
func (f *chaos) check(signalGiven bool) error {
	known := false
	for _, name := range faults() {
		known = known || name == f.fault
	}
	switch {
	case !known:
		return usageErrorf("chaos: there is no fault %q (use one of %v)", f.fault, faults())
	case signalGiven && f.fault != "kill":
		return usageErrorf("chaos: --signal is for kill")
	case f.length > 0 && f.fault == "kill":
		return usageErrorf("chaos: --for is not for kill, which is over at once")
	case f.length < 0 || f.every < 0 || f.count < 0:
		return usageErrorf("chaos: --for, --every and --count are not negative")
	case f.count > 1 && f.every == 0:
		return usageErrorf("chaos: --count %d needs --every", f.count)
	}
	if f.count == 0 && f.every == 0 {
		f.count = 1
	}
	return nil
}

// wreak does it, as often as asked for.
func (c *ctl) wreak(ctx context.Context, client *control.Client, name string, f *chaos) error {
	var tick <-chan time.Time
	if f.every > 0 {
		t := time.NewTicker(f.every)
		defer t.Stop()
		tick = t.C
	}
	for n := 1; ; n++ {
		if err := c.inflict(ctx, client, name, f); err != nil {
			return err
		}
		if n == f.count {
			return nil
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// inflict does it once. What was down already is no error: the next time it
// may be up.
func (c *ctl) inflict(ctx context.Context, client *control.Client, name string, f *chaos) error {
	if f.fault == "open-breaker" {
		b, err := client.TripBreaker(ctx, control.BreakerRequest{Name: name, Reason: f.reason, ForSeconds: f.length.Seconds()})
		if err != nil || c.quiet {
			return err
		}
		return print(func(s *screen) error {
			fmt.Fprintf(s.out, "%s: its breaker is %s\n", s.line(name), b.State)
			return nil
		})
	}
	req := control.ActionRequest{Names: []string{name}, Reason: f.reason, ForSeconds: f.length.Seconds()}
	verb := map[string]string{"kill": "signal", "stop": "stop", "freeze": "freeze", "fail-health": "fail_health"}[f.fault]
	switch f.fault {
	case "kill":
		req.Signal = f.signal
	case "stop":
		// What undoes itself may do so before the stop is over.
		req.NoWait = true
	}
	err := c.act(ctx, client, verb, req, formatTable)
	if f.every > 0 && err != nil && codeOf(err) == exitFailed {
		return nil // said so already
	}
	return err
}

// codeOf returns the exit code that an error ends a command with.
func codeOf(err error) int {
	var e *exitError
	if errors.As(coded(err), &e) {
		return e.code
	}
	return exitFailed
}
