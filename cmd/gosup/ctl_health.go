package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newHealthCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "health [NAME...]",
		Short:             "Show what the health checks say",
		ValidArgsFunction: c.completeNames,
	}
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, names []string) error {
		answer, err := client.HealthJSON(ctx, names...)
		if err != nil || c.quiet {
			return err
		}
		var list []control.ProcessHealth
		if err := json.Unmarshal(answer, &list); err != nil {
			return fmt.Errorf("the answer makes no sense: %w", err)
		}
		return print(func(s *screen) error { return s.health(*out, answer, list) })
	})
	return cmd
}

// health prints a line for each check, or for a process that has none.
func (s *screen) health(f format, answer []byte, list []control.ProcessHealth) error {
	if done, err := s.data(f, answer); done {
		return err
	}
	var rows [][]cell
	for i := range list {
		p := &list[i]
		if f == formatName {
			s.out.WriteString(s.line(p.Name) + "\n")
			continue
		}
		if len(p.Checks) == 0 {
			rows = append(rows, []cell{
				{p.Name, ""}, {p.State, stateStyle(p.State)}, {"-", ""},
				{orDash(p.Health, "none"), healthStyle(p.Health)}, {"-", ""}, {"-", ""}, {p.HealthReason, ""},
			})
		}
		for _, k := range p.Checks {
			rows = append(rows, []cell{
				{p.Name, ""}, {p.State, stateStyle(p.State)}, {orDash(k.Name, ""), ""},
				{k.Health, healthStyle(k.Health)}, {latency(&k), ""}, {ago(k.At), ""}, {failures(&k), ""},
			})
		}
	}
	if f == formatName {
		return nil
	}
	s.table([]string{"NAME", "STATE", "CHECK", "HEALTH", "LATENCY", "LAST", "REASON"}, rows)
	return nil
}

// latency writes how long the last probe took.
func latency(k *control.Check) string {
	if k.At == nil || k.LatencySeconds == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fms", k.LatencySeconds*1000)
}

func ago(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return span(max(time.Since(*t), 0)) + " ago"
}

// failures writes what the last result of a check said, and how many in a row
// have failed.
func failures(k *control.Check) string {
	switch {
	case k.Last == "":
		return k.Reason
	case k.Failed < 2:
		return k.Last
	}
	return k.Last + " (×" + strconv.Itoa(k.Failed) + ")"
}
