package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newDescribeCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "describe NAME",
		Short: "Show everything about a process or group",
		Long: `Show everything about a process or group: how it is and why, its checks, its
latest events, and its definition with all defaults. Values of environment
variables are never shown.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: inTurn(c.completeNames),
	}
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, names []string) error {
		answer, err := client.DescribeJSON(ctx, names[0])
		if err != nil || c.quiet {
			return err
		}
		var d control.Description
		if err := json.Unmarshal(answer, &d); err != nil {
			return fmt.Errorf("the answer makes no sense: %w", err)
		}
		return print(func(s *screen) error { return s.describe(*out, answer, &d, time.Now()) })
	})
	return cmd
}

// describe prints a card.
func (s *screen) describe(f format, answer []byte, d *control.Description, now time.Time) error {
	if done, err := s.data(f, answer); done {
		return err
	}
	if f == formatName {
		s.out.WriteString(s.line(d.Name) + "\n")
		return nil
	}
	w := d.Why
	w.Try = nil // what to do is for who asks why
	if err := s.why(formatTable, &w, now); err != nil {
		return err
	}
	if d.PID != 0 {
		s.fact("pid", fmt.Sprintf("%d, run %d, up %s", d.PID, d.Run, uptime(d.UptimeSeconds)))
	}
	if d.MemoryBytes != nil {
		s.fact("uses", percent(d.CPUPercent)+" of a CPU, "+memory(d.MemoryBytes)+" of memory")
	}
	if d.TotalRestarts > 0 {
		s.fact("restarted", fmt.Sprintf("%d× by itself in all", d.TotalRestarts))
	}
	s.fact("doing", d.Doing)
	s.fact("members", strings.Join(d.Members, ", "))
	for _, k := range d.Checks {
		s.fact("check", strings.TrimSpace(fmt.Sprintf("%s %s %s, %s %s", k.Name, k.Health, latency(&k), ago(k.At), failures(&k))))
	}
	for _, f := range d.Descriptors {
		what := f.Kind
		switch {
		case f.Stored:
			what = "stored " + f.Kind
		case f.Address != "":
			what = f.Address
		}
		s.fact("handed", f.Name+", "+what)
	}
	s.section("events")
	p := eventPrinter{s: s, format: formatTable, name: 12}
	for i := range d.Events {
		s.out.WriteString("  ")
		p.row(&d.Events[i])
	}
	s.section("definition")
	s.settings(d.Definition)
	return nil
}

func (s *screen) section(name string) {
	s.out.WriteString(s.paint(name, styleHead) + "\n")
}

func (s *screen) settings(list []control.Setting) {
	width := 0
	for _, d := range list {
		width = max(width, len(d.Key))
	}
	for _, d := range list {
		fmt.Fprintf(s.out, "  %-*s  %s\n", width, s.line(d.Key), s.line(d.Value))
	}
}
