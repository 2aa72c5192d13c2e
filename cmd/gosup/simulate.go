package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosup/config"
	"gosup/policy"
	"gosup/sim"
	"gosup/spec"
	"gosup/tree"
)

func newSimulateCommand() *cobra.Command {
	var process, output string
	crash := sim.Crash{For: 24 * time.Hour}
	cmd := &cobra.Command{
		Use:   "simulate [FILE]",
		Short: "Say what would happen to processes that crash again and again",
		Long: `Simulate plays, for each process, what gosup would do if that process crashed
a while after each of its starts: when it is restarted and with which delay, who
else is restarted with it, and when its budget is spent, or that it never is.
It runs the code that decides in the daemon, on a clock that jumps ahead.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: inTurn(configFiles),
	}
	flags := cmd.Flags()
	flags.StringVar(&process, "process", "", "only the processes of this `NAME`: a process, group, glob or base name")
	flags.DurationVar(&crash.After, "crash-after", 0, "how long each run lasts")
	flags.DurationVar(&crash.For, "for", crash.For, "how long to look")
	flags.StringVarP(&output, "output", "o", "text", "text or json")
	set := newSettings(flags)
	completeFlag(cmd, "output", oneOf("text", "json"))
	completeFlag(cmd, "process", func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		s, err := loadNamed(io.Discard, args, set)
		if err != nil {
			return nil, noFiles
		}
		return sim.Processes(s), noFiles
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if crash.After < 0 || crash.For <= 0 {
			return usageErrorf("--crash-after must not be negative, --for must be more than 0")
		}
		if output != "text" && output != "json" {
			return usageErrorf("unknown output %q (use text or json)", output)
		}
		s, err := loadNamed(cmd.ErrOrStderr(), args, set)
		if err != nil {
			return err
		}
		names := sim.Processes(s)
		if process != "" {
			chosen, err := spec.Select(names, []string{process})
			if err != nil {
				return &exitError{code: exitUnknown, err: fmt.Errorf("%w (without --process the names of all are shown)", err)}
			}
			all := names
			names = nil
			for _, i := range chosen {
				names = append(names, all[i])
			}
		}
		outcomes := make([]sim.Outcome, 0, len(names))
		for _, name := range names {
			crash.Process = name
			outcomes = append(outcomes, sim.Simulate(s, crash))
		}
		if output == "json" {
			return writeOutcomes(cmd.OutOrStdout(), outcomes)
		}
		for i := range outcomes {
			tellOutcome(cmd.OutOrStdout(), &outcomes[i], crash)
		}
		return nil
	}
	return cmd
}

// loadNamed loads the file that a command was given, or the one that the usual
// lookup finds. What is wrong with it is written to w.
func loadNamed(w io.Writer, args []string, set *settings) (*spec.Tree, error) {
	named := ""
	if len(args) > 0 {
		named = args[0]
	}
	path, ok, err := config.Find(named)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &exitError{code: exitConfig, err: errors.New("no configuration file (name one)")}
	}
	s, problems := config.Load(path, set.options())
	if problems.Failed() {
		for _, p := range problems {
			fmt.Fprintln(w, p)
		}
		return nil, &exitError{code: exitConfig}
	}
	return s, nil
}

// simulated is one element of the JSON that simulate prints.
type simulated struct {
	Process            string             `json:"process"`
	Strategy           string             `json:"strategy"`
	MaxRestarts        int                `json:"max_restarts"`
	WithinSeconds      float64            `json:"within_seconds"`
	Starts             int                `json:"starts"`
	Restarts           []simulatedRestart `json:"restarts"`
	ExhaustedAtSeconds *float64           `json:"exhausted_at_seconds"`
	RatePerHour        *float64           `json:"rate_per_hour"`
	AlsoRestarted      []simulatedOther   `json:"also_restarted,omitempty"`
}

type simulatedRestart struct {
	N            int     `json:"n"`
	AtSeconds    float64 `json:"at_seconds"`
	DelaySeconds float64 `json:"delay_seconds"`
}

type simulatedOther struct {
	Process  string `json:"process"`
	Restarts int    `json:"restarts"`
	Failed   bool   `json:"failed"`
}

func writeOutcomes(w io.Writer, outcomes []sim.Outcome) error {
	out := make([]simulated, 0, len(outcomes))
	for _, o := range outcomes {
		s := simulated{Process: o.Process, Strategy: o.Restart.Backoff.Curve.String(), MaxRestarts: o.Restart.Limit.Max,
			WithinSeconds: o.Restart.Limit.Within.Seconds(), Starts: o.Starts, Restarts: []simulatedRestart{}}
		for i, r := range o.Restarts {
			s.Restarts = append(s.Restarts, simulatedRestart{N: i + 1, AtSeconds: r.At.Seconds(), DelaySeconds: r.Delay.Seconds()})
		}
		if o.Failed {
			at := o.FailedAt.Seconds()
			s.ExhaustedAtSeconds = &at
		}
		if every, ok := o.Rate(); ok {
			rate := float64(time.Hour) / float64(every)
			s.RatePerHour = &rate
		}
		for _, other := range o.Others {
			s.AlsoRestarted = append(s.AlsoRestarted, simulatedOther{Process: other.Name, Restarts: other.Restarts, Failed: other.Failed})
		}
		out = append(out, s)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// shownRestarts is how many restarts the text lists before it says "and so on".
const shownRestarts = 20

// tellOutcome writes an outcome for people: a timeline, and how it ends.
func tellOutcome(w io.Writer, o *sim.Outcome, crash sim.Crash) {
	when := "at once"
	if crash.After > 0 {
		when = "after " + sim.Short(crash.After)
	}
	fmt.Fprintf(w, "%s crashes %s, every time (%s)\n", o.Process, when, terms(o))
	for i, r := range o.Restarts {
		if i == shownRestarts {
			fmt.Fprintf(w, "  %10s  … and so on\n", "")
			break
		}
		fmt.Fprintf(w, "  %10s  restart %d, %s after the crash\n", sim.Short(r.At), i+1, sim.Short(r.Delay))
	}
	fmt.Fprintf(w, "  %10s  %s\n", endedAt(o), verdict(o, crash))
	for _, other := range o.Others {
		words := fmt.Sprintf("%s is restarted %s with it", other.Name, times(other.Restarts))
		if other.Restarts == 0 {
			words = other.Name + " is never restarted"
		}
		if other.Failed {
			words += ", and given up with it"
		}
		fmt.Fprintf(w, "  %10s  %s\n", "", words)
	}
	fmt.Fprintln(w)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// terms says by which delays and limit the process is restarted.
func terms(o *sim.Outcome) string {
	b, l := o.Restart.Backoff, o.Restart.Limit
	if o.Restart.Policy == policy.Not && o.Group == "" {
		return policy.Not.String()
	}
	var parts []string
	if o.Group != "" {
		parts = append(parts, "with group "+o.Group)
	}
	switch b.Curve {
	case policy.Delayed:
		parts = append(parts, "delayed "+sim.Short(b.Initial))
	case policy.Exponential:
		parts = append(parts, fmt.Sprintf("exponential_backoff %s × %g up to %s", sim.Short(b.Initial), b.Multiplier, sim.Short(b.Max)))
	default:
		parts = append(parts, b.Curve.String())
	}
	if l.Max == policy.Unlimited {
		parts = append(parts, "unlimited")
	} else {
		parts = append(parts, tree.BudgetWords(l))
	}
	return strings.Join(slices.Compact(parts), ", ")
}

func endedAt(o *sim.Outcome) string {
	if o.Failed {
		return sim.Short(o.FailedAt)
	}
	return ""
}

// verdict says how it ends.
func verdict(o *sim.Outcome, crash sim.Crash) string {
	switch every, settles := o.Rate(); {
	case o.Failed && o.Exit != nil:
		return fmt.Sprintf("gosup ends with code %d: %s", o.Exit.Code, o.Exit.Why)
	case o.Failed:
		return "given up: " + o.Reason
	case o.Spins:
		return "never exhausted: restarts without a pause, as fast as the machine can"
	case settles:
		return fmt.Sprintf("never exhausted: settles at one restart every %s", sim.Short(every))
	case len(o.Restarts) == 0 && o.State == tree.StateExited:
		return "not restarted: " + o.Reason
	default:
		return fmt.Sprintf("not exhausted within %s", sim.Short(crash.For))
	}
}
