package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newScaleCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scale NAME N",
		Short: "Set how many instances of a process there are",
		Long: `Set how many instances of a process there are: NAME@1 to NAME@N. Those that
there are go on. That holds until the file has another number of instances of
it than now.

A process that has had no instances ends and gives way to NAME@1. Of several,
NAME@1 keeps its name also where it is left alone.`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: inTurn(c.completeNames),
	}
	var reason string
	addReason(cmd, &reason)
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, args []string) error {
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 1 {
			return usageErrorf("scale: %q is no number of instances (1 or more; gosup ctl stop has none of them run)", args[1])
		}
		plan, err := client.Scale(ctx, control.ScaleRequest{Name: args[0], Instances: n, Reason: reason})
		if err != nil {
			return err
		}
		return c.showPlan(plan, *out)
	})
	return cmd
}
