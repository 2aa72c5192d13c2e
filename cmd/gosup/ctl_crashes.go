package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newCrashesCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "crashes NAME [N]",
		Short: "Show the flight recorder: the last unplanned ends of processes",
		Long: `Show the last 10 unplanned ends of processes, or the last N: how each ended and
what it led to, how long it had run, its memory and CPU time, its last health
results, and the last 8 KiB that it wrote.`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: inTurn(c.completeNames),
	}
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, args []string) error {
		last := -1
		if len(args) == 2 {
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 1 {
				return usageErrorf("crashes: %q is no number of crashes", args[1])
			}
			last = n
		}
		answer, err := client.CrashesJSON(ctx, args[0])
		if err != nil || c.quiet {
			return err
		}
		var list []control.Crash
		if err := json.Unmarshal(answer, &list); err != nil {
			return fmt.Errorf("the answer makes no sense: %w", err)
		}
		if last > 0 && len(list) > last {
			list = list[len(list)-last:]
			if answer, err = json.Marshal(list); err != nil {
				return err
			}
		}
		return print(func(s *screen) error { return s.crashes(*out, answer, list) })
	})
	return cmd
}

// crashes prints a paragraph for each crash, oldest first.
func (s *screen) crashes(f format, answer []byte, list []control.Crash) error {
	if done, err := s.data(f, answer); done {
		return err
	}
	for i := range list {
		k := &list[i]
		if f == formatName {
			s.out.WriteString(s.line(k.Name) + "\n")
			continue
		}
		if i > 0 {
			s.out.WriteByte('\n')
		}
		s.crash(k)
	}
	if len(list) == 0 && f != formatName {
		s.out.WriteString("no crash is recorded\n")
	}
	return nil
}

func (s *screen) crash(k *control.Crash) {
	fmt.Fprintf(s.out, "%s  %s  %s after %s\n", s.paint(k.At.Local().Format(time.DateTime), styleHead),
		s.paint(s.line(k.Name), styleHead), s.paint(lastExit(&k.Exit), styleBad), seconds(k.Exit.RunSeconds))
	fmt.Fprintf(s.out, "  run %d, pid %d, cpu %s user %s system, memory %s\n",
		k.Run, k.PID, seconds(k.UserSeconds), seconds(k.SystemSeconds), size(k.MaxRSSBytes))
	if k.Reason != "" {
		fmt.Fprintf(s.out, "  led to: %s\n", s.line(k.Reason))
	}
	for _, c := range k.Checks {
		fmt.Fprintf(s.out, "  check %s: %s %s\n", orDash(s.line(c.Name), ""), c.Health, s.line(failures(&c)))
	}
	s.quote(k.Output)
}

// quote prints output of a process, each line behind a bar.
func (s *screen) quote(output string) {
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\r\n")
		fmt.Fprintf(s.out, "  %s %s\n", s.paint("|", styleFaint), s.safe(line))
	}
}

func seconds(sec float64) string {
	if sec >= 60 {
		return span(time.Duration(sec * float64(time.Second)))
	}
	return strconv.FormatFloat(sec, 'g', 3, 64) + "s"
}

// size writes bytes as people read them.
func size(bytes int64) string {
	const unit = 1024
	switch {
	case bytes <= 0:
		return "-"
	case bytes < unit*unit:
		return fmt.Sprintf("%.0f KiB", float64(bytes)/unit)
	case bytes < unit*unit*unit:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(unit*unit))
	default:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(unit*unit*unit))
	}
}
