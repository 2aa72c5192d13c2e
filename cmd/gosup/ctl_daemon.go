package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newShutdownCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "shutdown",
		Short: "End gosup and all that it supervises, and wait until it is gone",
		Long: `Stop everything in order, end gosup, and wait until it is gone.

--urgency quick stops in order with no patience: every stop timeout is 0.
--urgency at_once kills everything now.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	var req control.ShutdownRequest
	var noWait bool
	var timeout time.Duration
	addReason(cmd, &req.Reason)
	cmd.Flags().StringVar(&req.Urgency, "urgency", "orderly", "orderly, quick or at_once")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return as soon as it is on its way")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait; it goes on after that")
	completeFlag(cmd, "urgency", oneOf("orderly", "quick", "at_once"))
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, _ []string) error {
		if noWait {
			return client.Shutdown(ctx, req)
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		err := client.ShutdownAndWait(ctx, req)
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("shutdown: not done after %v; it goes on (gosup ctl status shows what is left)", timeout)
		}
		if err == nil && !c.quiet {
			fmt.Fprintln(cmd.OutOrStdout(), "gosup has ended")
		}
		return err
	})
	return cmd
}

func newCtlVersionCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "Show the version of the running gosup and of this program",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, _ []string) error {
		v, err := client.Version(ctx)
		if err != nil || c.quiet {
			return err
		}
		answer, err := json.Marshal(struct {
			control.Version
			Client string `json:"client"`
		}{v, version()})
		if err != nil {
			return err
		}
		return print(func(s *screen) error {
			if done, err := s.data(*out, answer); done {
				return err
			}
			if *out == formatName {
				s.out.WriteString(s.line(v.Name) + "\n")
				return nil
			}
			up := v.UptimeSeconds
			s.table([]string{"", "VERSION", "NAME", "PID", "UPTIME"}, [][]cell{
				{{"daemon", ""}, {v.Version, ""}, {v.Name, ""}, {fmt.Sprint(v.PID), ""}, {uptime(&up), ""}},
				{{"client", ""}, {version(), ""}, {"-", ""}, {"-", ""}, {"-", ""}},
			})
			return nil
		})
	})
	return cmd
}
