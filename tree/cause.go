package tree

import (
	"fmt"
	"time"

	"gosup/policy"
)

// Cause is why a node is in its state, as it was known when the state was
// decided. The zero value is "no particular reason".
type Cause struct {
	Kind   CauseKind
	Node   string // the other node concerned, if any; of CauseExit the one whose run ended
	By     string // the person or signal that asked
	Text   string // their words, or what failed
	Exit   Exit   // of CauseExit and what follows from one
	Count  int    // restarts: this one's number, or how many were granted
	Limit  policy.Limit
	Delay  time.Duration // before the restart, or how long it still takes
	Until  Time          // when that is over, where it is known from the start; else 0
	Before *Cause        // what led to it, if that says more
}

// CauseKind says how to read a Cause.
type CauseKind uint8

// The kinds of cause.
const (
	CauseNone        CauseKind = iota
	CauseAutostart             // it starts with the daemon
	CauseNoAutostart           // it starts only when asked to
	CauseAsked                 // By wanted it so
	CauseShutdown              // the daemon ends
	CauseReload                // a new definition
	CauseExit                  // the run ended: Exit
	CauseStart                 // the run could not begin: Text
	CauseRestart               // an automatic restart, Count of Limit; Before says after what
	CauseBudget                // the budget Limit is spent; Before says after what
	CauseOnExit                // on_exit says never; Before says after what
	CausePolicy                // the policy asks for no restart; Before says after what
	CauseGroup                 // group Node restarts, or has failed
	CauseOrder                 // Node comes first
	CauseLeft                  // what the last run left behind is still there
	CauseQueue                 // Count processes are starting, and more may not
	CauseExitOn                // exit_on says so: Text
	CauseHook                  // hook Text of the last run still runs
	CauseBusy                  // the program's file is being written
	CauseUnhealthy             // its health is bad: Text
	CauseNotReady              // it was not ready within Delay: Text, where that is known
	CauseProbe                 // a result: Text
	CauseDepends               // it depends on Node, which is not so far: Text
	CauseDependency            // Node, which it depends on, restarts
	CauseBreaker               // the breaker of Node is open until Until, or half open: Text
	CauseBack                  // the breaker of Node has closed
	CauseUnheard               // Node, which it requires, has not answered its first probe
	CauseTurn                  // the breaker of Node has closed, and others start first
	CauseEssential             // Node was essential and has ended for good
	CauseConnection            // it starts when somebody connects: Text
	CauseKept                  // it ran when the last daemon ended, and nobody has stopped it
	CauseAdopted               // it was found running, started by the last daemon
	CauseConnected             // somebody has connected; Before says why it did not run
)

// String says the cause in words; "" for nil.
func (c *Cause) String() string {
	if c == nil {
		return ""
	}
	switch c.Kind {
	case CauseAutostart:
		return "started with the daemon"
	case CauseNoAutostart:
		return "not started: autostart is off"
	case CauseAsked:
		return withText(c.By, c.Text)
	case CauseShutdown:
		return "shutdown " + withText(c.By, c.Text)
	case CauseReload:
		return "reload " + withText(c.By, c.Text)
	case CauseExit:
		return c.Exit.String()
	case CauseStart:
		return "could not be started: " + c.Text
	case CauseRestart:
		return c.after(restartWords(c.Count, c.Limit))
	case CauseBudget:
		return c.after(BudgetWords(c.Limit))
	case CauseOnExit:
		return c.after("on_exit says never")
	case CausePolicy:
		return c.after("not to be restarted")
	case CauseGroup:
		return c.after(c.Text + " " + c.Node)
	case CauseOrder:
		return "waits for " + c.Node
	case CauseUnhealthy:
		return "unhealthy: " + c.Text
	case CauseNotReady:
		words := "not ready within " + Seconds(c.Delay)
		if c.Text != "" {
			words += ": " + c.Text
		}
		return words
	case CauseProbe:
		return c.Text
	case CauseDepends:
		return "waits for " + c.Node + c.Text
	case CauseDependency:
		return c.after("restarted with " + c.Node + ", which it depends on")
	case CauseBreaker:
		words := "waits for " + c.Node + ": its circuit breaker is half open"
		if c.Until != 0 {
			words = "waits for " + c.Node + ": its circuit breaker is open, next trial in " + roundSeconds(c.Delay)
		}
		if c.Text != "" {
			words += " (" + c.Text + ")"
		}
		return words
	case CauseBack:
		return c.after("started again since " + c.Node + " is back")
	case CauseTurn:
		return "waits for its turn: the circuit breaker of " + c.Node + " has just closed"
	case CauseUnheard:
		return "waits for " + c.Node + ": its first probe is under way"
	case CauseEssential:
		return c.after(c.Node + " is essential and has ended")
	case CauseConnected:
		return c.after("started by a connection")
	case CauseConnection:
		return "waits for the " + c.Text
	case CauseKept:
		return "started with the daemon: it ran when the last one ended"
	case CauseAdopted:
		return "found running, started by the gosup before this one"
	case CauseLeft:
		return "waits for the end of what the last run left behind"
	case CauseQueue:
		return fmt.Sprintf("waits for its turn: parallel_starts lets %d start at one time", c.Count)
	case CauseExitOn:
		if c.Node == "" {
			return "exit_on: " + c.Text
		}
		return c.after("exit_on: " + c.Text + ", " + c.Node + " has failed")
	case CauseHook:
		return "waits for the " + c.Text + " hook of the last run"
	case CauseBusy:
		return c.Text
	default:
		return ""
	}
}

// after puts what led to a cause behind it.
func (c *Cause) after(words string) string {
	if c.Before == nil {
		return words
	}
	return words + ", after: " + c.Before.String()
}

func withText(who, text string) string {
	if text == "" {
		return "by " + who
	}
	return "by " + who + ": " + text
}

func restartWords(n int, l policy.Limit) string {
	switch {
	case l.Max == policy.Unlimited:
		return fmt.Sprintf("restart %d", n)
	case l.Clock == policy.Wall:
		// Counted in a row, which may be longer than the limit.
		return fmt.Sprintf("restart %d in a row", n)
	}
	return fmt.Sprintf("restart %d of %d", n, l.Max)
}

// BudgetWords says that a budget is spent: "5 restarts within 60s of good
// running", "5 restarts within 60s" under the wall clock, or that there is none.
func BudgetWords(l policy.Limit) string {
	if l.Max == 0 {
		return "no restarts are allowed"
	}
	s := "restarts"
	if l.Max == 1 {
		s = "restart"
	}
	words := fmt.Sprintf("%d %s within %s", l.Max, s, Seconds(l.Within))
	if l.Clock == policy.Running {
		words += " of good running"
	}
	return words
}

// roundSeconds writes a duration that passes while it is read.
func roundSeconds(d time.Duration) string {
	if d > time.Second {
		d = d.Round(time.Second)
	}
	return Seconds(d.Round(10 * time.Millisecond))
}

// Seconds writes a duration as people write limits: "60s", "1.5s", "250ms".
func Seconds(d time.Duration) string {
	if d >= time.Second || d == 0 {
		return fmt.Sprintf("%gs", d.Seconds())
	}
	return d.String()
}

// String says how a run ended: "exited with code 1", "killed by SIGKILL (out
// of memory)".
func (e Exit) String() string {
	if e.Cause == NotStarted {
		return "not started"
	}
	if e.Signal == 0 {
		if e.Code < 0 {
			return "ended with an unknown code (no gosup was there)"
		}
		return fmt.Sprintf("exited with code %d", e.Code)
	}
	s := "killed by " + e.Name
	if e.OOM {
		s += " (out of memory)"
	}
	if e.Core {
		s += " (core dumped)"
	}
	return s
}

// by returns who asked; "" if nobody did.
func (c *Cause) by() string {
	if c == nil {
		return ""
	}
	return c.By
}
