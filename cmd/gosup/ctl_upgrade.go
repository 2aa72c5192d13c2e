package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newUpgradeCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "upgrade",
		Short: "Replace the running gosup by the program that is on the disk now",
		Long: `Replace the running gosup by the program that is on the disk now, in place: its
pid stays, no process is restarted, and no line of output is lost.

The new program is first asked whether it can go on with all that the running
one knows. Where it cannot, is missing, or is no gosup, nothing is changed, and
the exit code is 1. SIGUSR2 to gosup does the same.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	var req control.UpgradeRequest
	addReason(cmd, &req.Reason)
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, _ []string) error {
		done, err := client.Upgrade(ctx, req)
		if err != nil || c.quiet {
			return err
		}
		answer, err := json.Marshal(done)
		if err != nil {
			return err
		}
		return print(func(s *screen) error {
			if done, err := s.data(*out, answer); done {
				return err
			}
			s.out.WriteString(s.line(fmt.Sprintf("upgraded from %s to %s, pid %d as before", done.From, done.To, done.PID)) + "\n")
			return nil
		})
	})
	return cmd
}
