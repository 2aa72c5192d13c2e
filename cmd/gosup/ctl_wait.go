package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newWaitCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wait NAME... --for STATE",
		Short: "Wait until processes are in a state",
		Long: `Wait until all processes that are named are in a state:
` + strings.Join(control.WaitStates(), ", ") + `.

running, ready and healthy must hold for all at once. Any other state counts
for a process that was in it at any time since the command began.

The exit code is 3 if that does not come within --timeout.`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeNames,
	}
	var state string
	var timeout time.Duration
	cmd.Flags().StringVar(&state, "for", "running", "the state")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait")
	completeFlag(cmd, "for", oneOf(control.WaitStates()...))
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, names []string) error {
		if !slices.Contains(control.WaitStates(), state) {
			return usageErrorf("--for %s is no state (use one of %s)", state, strings.Join(control.WaitStates(), ", "))
		}
		if timeout <= 0 {
			return usageErrorf("--timeout %v is not positive", timeout)
		}
		processes, err := client.Wait(ctx, state, timeout, names...)
		if err != nil || c.quiet {
			return err
		}
		answer, err := json.Marshal(processes)
		if err != nil {
			return err
		}
		return print(func(s *screen) error {
			if *out != formatTable {
				return s.processes(*out, answer, processes, false)
			}
			for i := range processes {
				fmt.Fprintf(s.out, "%s: %s\n", s.line(processes[i].Name), state)
			}
			return nil
		})
	})
	return cmd
}
