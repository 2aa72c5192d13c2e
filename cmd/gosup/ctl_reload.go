package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newReloadCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload [NAME...]",
		Short: "Apply the configuration file again, or have processes reload themselves",
		Long: `Without a name: apply what the daemon's configuration file says now. Unchanged
processes are not touched, changed ones are restarted where they need it,
removed ones are stopped, new ones started. A file with any error changes
nothing, and the exit code is 6.

With names: have these processes reload themselves, as the key reload of their
definition says.`,
		ValidArgsFunction: c.completeNames,
	}
	var reason string
	addReason(cmd, &reason)
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, names []string) error {
		if len(names) > 0 {
			return c.act(ctx, client, "reload", control.ActionRequest{Names: names, Reason: reason}, *out)
		}
		plan, err := client.Reload(ctx, reason)
		if err != nil {
			return err
		}
		return c.showPlan(plan, *out)
	})
	return cmd
}

func newPlanCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan [FILE]",
		Short: "Say what a reload would do, and do nothing",
		Long: `Say what a reload of the daemon's configuration file would do, or what a reload
from FILE would, key by key, with the effect of each.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: inTurn(configFiles),
	}
	detailed := cmd.Flags().Bool("detailed-exitcode", false, "exit with 2 if there are changes")
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, args []string) error {
		file := ""
		if len(args) > 0 {
			abs, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			file = abs
		}
		answer, err := client.PlanJSON(ctx, file)
		if err != nil {
			return err
		}
		var plan control.Plan
		if err := json.Unmarshal(answer, &plan); err != nil {
			return fmt.Errorf("the daemon's answer makes no sense: %w", err)
		}
		if err := c.showPlan(plan, *out); err != nil {
			return err
		}
		if *detailed && len(plan.Changes) > 0 {
			return &exitError{code: exitUsage}
		}
		return nil
	})
	return cmd
}

// showPlan prints a plan. A rejected one is the error of a rejected
// configuration, its problems on stderr.
func (c *ctl) showPlan(plan control.Plan, f format) error {
	if plan.Rejected {
		for _, p := range plan.Problems {
			fmt.Fprintln(os.Stderr, p)
		}
		return &exitError{code: exitConfig, err: fmt.Errorf("the file was rejected: nothing was changed")}
	}
	if c.quiet {
		return nil
	}
	answer, err := json.Marshal(plan)
	if err != nil {
		return err
	}
	return print(func(s *screen) error { return s.plan(f, answer, plan) })
}

// planMarks are how the effects look in front of a name.
var planMarks = map[string]struct {
	mark  string
	style style
}{
	"new":      {"+", styleGood},
	"removed":  {"-", styleBad},
	"restart":  {"~", styleWarn},
	"in_place": {"=", styleFaint},
}

func (s *screen) plan(f format, answer []byte, plan control.Plan) error {
	if done, err := s.data(f, answer); done {
		return err
	}
	for _, p := range plan.Problems {
		fmt.Fprintln(s.out, s.paint(s.line(p), styleWarn))
	}
	if len(plan.Changes) == 0 && f != formatName {
		fmt.Fprintln(s.out, "nothing to change")
	}
	for _, c := range plan.Changes {
		if f == formatName {
			fmt.Fprintln(s.out, s.line(c.Name))
			continue
		}
		m := planMarks[c.Effect]
		words := strings.ReplaceAll(c.Effect, "_", " ")
		if len(c.AlsoRestarts) > 0 {
			words += ", and with it " + strings.Join(c.AlsoRestarts, ", ")
		}
		fmt.Fprintf(s.out, "%s %s: %s\n", s.paint(m.mark, m.style), s.line(c.Name), s.line(words))
		for _, field := range c.Fields {
			line := "    " + field.Field
			if field.From != "" || field.To != "" {
				line += ": " + field.From + " → " + field.To
			}
			if c.Effect == "restart" && field.Effect == "in_place" {
				line += " (would need no restart)"
			}
			fmt.Fprintln(s.out, s.line(line))
		}
	}
	return nil
}
