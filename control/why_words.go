package control

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// nodeWords says how a process or group is.
func nodeWords(n *tree.Node) string {
	words := "it is " + stateWords(n.State)
	if n.Frozen {
		words += ", and stands still: somebody has frozen it"
	}
	if n.State == tree.StateRunning {
		switch {
		case n.Health == tree.HealthUnknown:
			words += ", its health is not known yet"
		case n.Health != tree.HealthNone:
			words += ", " + n.Health.String()
			if n.HealthReason != "" {
				words += ": " + n.HealthReason
			}
		}
	}
	if n.Status != "" {
		words += " (" + n.Status + ")"
	}
	return words
}

// causeWords says one cause of the state of n, without what led to it.
func (e *explainer) causeWords(n *tree.Node, c *tree.Cause) string {
	alone := *c
	alone.Before = nil
	words := alone.String()
	switch c.Kind {
	case tree.CauseAsked:
		return "asked for " + words
	case tree.CauseExit:
		return words + ", after running " + tree.Seconds(c.Exit.Ran.Round(time.Millisecond))
	case tree.CauseBudget:
		return "its restart budget is spent: " + words
	case tree.CauseBreaker, tree.CauseUnheard:
		return "waits for " + c.Node // which explains itself
	case tree.CauseRestart:
		return words + ", " + tree.Seconds(c.Delay) + " after the end"
	case tree.CausePolicy:
		if n.Process != nil {
			return "its restart policy is " + n.Process.Restart.Policy.String()
		}
	case tree.CauseOnExit:
		return "its on_exit says never for that"
	}
	return words
}

// causeTime returns when a cause came up, if that is known.
func (e *explainer) causeTime(c *tree.Cause) *time.Time {
	if c.Kind == tree.CauseExit {
		return e.time(c.Exit.At)
	}
	return nil
}

// checkWords names a health check by what it does.
func checkWords(k *spec.Check) string {
	words := probeWords(k.Probe)
	if k.Heartbeat != nil {
		words = "heartbeat"
	}
	if k.Name != "" {
		words = "check " + k.Name + ", " + words
	}
	return words
}

// probeWords names a probe by whom it asks, "tcp 127.0.0.1:5432"; "" for none. A
// query or a password of a URL is left out.
func probeWords(p spec.Probe) string {
	switch {
	case p.TCP != nil:
		return "tcp " + p.TCP.Address
	case p.HTTP != nil:
		u, err := url.Parse(p.HTTP.URL)
		if err != nil {
			return "http"
		}
		u.User, u.RawQuery = nil, ""
		return "http " + u.String()
	case p.Exec != nil && len(p.Exec.Argv) > 0:
		return "command " + p.Exec.Argv[0]
	}
	return ""
}

// failureWords says what a probe said, and how often in a row: "tcp
// 127.0.0.1:5432: connection refused ×9".
func failureWords(probe, reason string, times int) string {
	words := reason
	if probe != "" && !strings.HasPrefix(reason, probe) {
		words = probe + ": " + reason
	}
	if times > 1 {
		words += fmt.Sprintf(" ×%d", times)
	}
	return words
}

// stateWords says a state as a sentence does.
func stateWords(s tree.State) string {
	if s == tree.StateBackoff {
		return "in backoff"
	}
	return s.String()
}

// roundSpan writes a time to come for people: "4m56s".
func roundSpan(d time.Duration) string {
	return max(d, 0).Round(time.Second).String()
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
