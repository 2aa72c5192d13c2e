package main

import (
	"fmt"
	"strconv"
	"time"

	"gosup/control"
)

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

// healthShape stands before the word, with a space.
func healthShape(health string) string {
	switch health {
	case "healthy":
		return "● "
	case "unhealthy":
		return "✗ "
	case "degraded":
		return "◐ "
	case "unknown":
		return "○ "
	default:
		return ""
	}
}

// restartStyle warns of a process that does not stay up.
func restartStyle(p *control.Process) style {
	switch {
	case p.Restarts == 0:
		return ""
	case p.MaxRestarts != nil && p.Restarts >= *p.MaxRestarts && *p.MaxRestarts >= 0:
		return styleBad
	default:
		return styleWarn
	}
}

// percent writes a share of one CPU, "12.3%".
func percent(share *float64) string {
	if share == nil {
		return "-"
	}
	return strconv.FormatFloat(*share, 'f', 1, 64) + "%"
}

// memory writes bytes in the unit that leaves at most four digits: "12.3M" is
// 12.3 MiB.
func memory(bytes *int64) string {
	if bytes == nil {
		return "-"
	}
	size, unit := float64(*bytes)/1024, "K"
	for _, next := range []string{"M", "G", "T"} {
		if size < 1000 {
			break
		}
		size, unit = size/1024, next
	}
	digits := 1
	if unit == "K" || size >= 100 {
		digits = 0
	}
	return strconv.FormatFloat(size, 'f', digits, 64) + unit
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
	if p.Frozen {
		words = "frozen by a person; " + words
	}
	if p.NextStartAt != nil {
		words = fmt.Sprintf("next start in %.1fs: %s", max(p.NextStartAt.Sub(now).Seconds(), 0), words)
	}
	return words
}
