package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newStatusCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status [NAME...]",
		Aliases: []string{"ps", "ls"},
		Short:   "Show processes and how they are",
		Long: `Show processes and how they are.

The exit code is 3 if a process that was named is neither running, starting nor
exited with success; without names, if one that should run is failed, in
backoff or waiting. Stopped on purpose is no failure.`,
		ValidArgsFunction: c.completeNames,
	}
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, names []string) error {
		answer, err := client.ProcessesJSON(ctx, names...)
		if err != nil {
			return err
		}
		processes, err := control.DecodeProcesses(answer)
		if err != nil {
			return fmt.Errorf("the answer makes no sense: %w", err)
		}
		if !c.quiet {
			err = print(func(s *screen) error { return s.processes(*out, answer, processes) })
			if err != nil {
				return err
			}
		}
		if !allWell(processes, len(names) > 0) {
			return &exitError{code: exitNotRunning}
		}
		return nil
	})
	return cmd
}

// allWell applies the rules of exit code 3.
func allWell(processes []control.Process, named bool) bool {
	for i := range processes {
		p := &processes[i]
		switch p.State {
		case "running", "starting":
		case "exited":
			if named && !p.Succeeded {
				return false
			}
		case "failed", "backoff", "waiting":
			return false
		default: // stopped, stopping
			if named {
				return false
			}
		}
	}
	return true
}

// processes prints a list of processes, which answer holds as JSON.
func (s *screen) processes(f format, answer []byte, processes []control.Process) error {
	if done, err := s.data(f, answer); done {
		return err
	}
	if f == formatName {
		for i := range processes {
			s.out.WriteString(s.line(processes[i].Name) + "\n")
		}
		return nil
	}
	heads := []string{"NAME", "STATE", "HEALTH", "PID", "UPTIME", "RESTARTS", "REASON"}
	if f == formatWide {
		heads = []string{"NAME", "STATE", "HEALTH", "PID", "UPTIME", "RESTARTS", "TOTAL", "RUN", "STARTED", "LAST EXIT", "REASON"}
	}
	now := time.Now()
	rows := make([][]cell, len(processes))
	for i := range processes {
		p := &processes[i]
		row := []cell{
			{p.Name, ""},
			{p.State, stateStyle(p.State)},
			{orDash(p.Health, "none"), healthStyle(p.Health)},
			{orDash(strconv.Itoa(p.PID), "0"), ""},
			{uptime(p.UptimeSeconds), ""},
			{restarts(p), ""},
		}
		if f == formatWide {
			row = append(row,
				cell{strconv.FormatUint(p.TotalRestarts, 10), ""},
				cell{strconv.FormatUint(p.Run, 10), ""},
				cell{moment(p.StartedAt), ""},
				cell{lastExit(p.LastExit), ""})
		}
		rows[i] = append(row, cell{reason(p, now), ""})
	}
	s.table(heads, rows)
	return nil
}

func stateStyle(state string) style {
	switch state {
	case "running":
		return styleGood
	case "failed":
		return styleBad
	case "stopped", "exited":
		return styleFaint
	default:
		return styleWarn
	}
}

func healthStyle(health string) style {
	switch health {
	case "healthy":
		return styleGood
	case "unhealthy":
		return styleBad
	case "degraded":
		return styleWarn
	default:
		return styleFaint
	}
}

func orDash(text, none string) string {
	if text == none || text == "" {
		return "-"
	}
	return text
}

// uptime writes seconds in at most two units.
func uptime(sec *float64) string {
	if sec == nil {
		return "-"
	}
	return span(time.Duration(*sec * float64(time.Second)))
}

func span(d time.Duration) string {
	day := 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	}
}

// restarts writes how much of the budget is used: "2/5", or "2" without limit.
func restarts(p *control.Process) string {
	if p.MaxRestarts == nil || *p.MaxRestarts < 0 {
		return strconv.Itoa(p.Restarts)
	}
	return fmt.Sprintf("%d/%d", p.Restarts, *p.MaxRestarts)
}

func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func lastExit(e *control.Exit) string {
	switch {
	case e == nil:
		return "-"
	case e.Cause == "start_failed":
		return "not started"
	case e.Signal != "":
		words := e.Signal
		if e.OOMKilled {
			words += " (out of memory)"
		}
		if e.CoreDumped {
			words += " (core dumped)"
		}
		return words
	case e.Code != nil:
		return "code " + strconv.Itoa(*e.Code)
	default:
		return "unknown"
	}
}

// reason writes why a process is as it is, and what comes next.
func reason(p *control.Process, now time.Time) string {
	words := p.Reason
	if p.HealthReason != "" {
		words = p.HealthReason + "; " + words
	}
	if p.NextStartAt != nil {
		words = fmt.Sprintf("next start in %.1fs: %s", max(p.NextStartAt.Sub(now).Seconds(), 0), words)
	}
	return words
}
