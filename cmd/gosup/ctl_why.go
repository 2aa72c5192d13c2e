package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newWhyCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "why NAME",
		Short: "Say why a process is in its state, what comes next and what can be done",
		Long: `Say why a process is in its state: the chain of causes with their times, its
last exit and output, its restart budget, what happens next and when, and what
a person can do about it. NAME may be a group or a dependency as well.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: inTurn(c.completeSubjects),
	}
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, names []string) error {
		w, err := client.Why(ctx, names[0])
		if err != nil || c.quiet {
			return err
		}
		return print(func(s *screen) error { return s.why(*out, &w, time.Now()) })
	})
	return cmd
}

// why prints an explanation.
func (s *screen) why(f format, w *control.Why, now time.Time) error {
	answer, err := json.Marshal(w)
	if err != nil {
		return err
	}
	if done, err := s.data(f, answer); done {
		return err
	}
	if f == formatName {
		s.out.WriteString(s.line(w.Name) + "\n")
		return nil
	}
	s.headline(w, now)
	s.chain(w, now)
	if w.LastExit != nil {
		words := lastExit(w.LastExit) + " at " + clockTime(w.LastExit.At, now)
		if w.LastExit.Cause != "start_failed" {
			words += ", after running " + seconds(w.LastExit.RunSeconds)
		}
		s.fact("last exit", words)
	}
	s.fact("restarts", w.Restarts)
	next := w.Next
	if w.NextAt != nil && next != "" {
		next = fmt.Sprintf("at %s, in %s: %s", clockTime(*w.NextAt, now), seconds(max(w.NextAt.Sub(now).Round(100*time.Millisecond), 0).Seconds()), next)
	}
	s.fact("next", next)
	if len(w.Output) > 0 {
		s.out.WriteString(s.paint("last output", styleHead) + "\n")
		s.quote(strings.Join(w.Output, "\n"))
	}
	s.advice(w.Try)
	return nil
}

// headline prints the first line: what is how, since when.
func (s *screen) headline(w *control.Why, now time.Time) {
	name := w.Name
	if w.Kind != "process" {
		name = w.Kind + " " + name
	}
	st := stateStyle(w.State)
	if w.Kind == "dependency" {
		st = breakerStyle(w.State)
	}
	is := "is"
	if w.State == "backoff" {
		is = "is in"
	}
	fmt.Fprintf(s.out, "%s %s %s", s.paint(s.line(name), styleHead), is, s.paint(strings.ReplaceAll(w.State, "_", " "), st))
	if w.Since != nil {
		fmt.Fprintf(s.out, " since %s, for %s", clockTime(*w.Since, now), span(max(now.Sub(*w.Since), 0)))
	}
	s.out.WriteByte('\n')
}

// chain prints the causes. What is about another process or dependency says so.
func (s *screen) chain(w *control.Why, now time.Time) {
	of, depth := w.Name, 0
	for i, l := range w.Chain {
		if i == 0 && (l.What == "it is "+w.State || l.What == "it is in "+w.State) {
			continue // the headline has said so
		}
		indent := strings.Repeat("  ", l.Depth+1)
		text := s.line(l.What)
		if l.Of != of || l.Depth > depth {
			of, depth = l.Of, l.Depth
			text = s.line(l.Of) + ": " + text
		}
		if l.At != nil {
			text += s.paint(" ("+clockTime(*l.At, now)+")", styleFaint)
		}
		fmt.Fprintf(s.out, "%s← %s\n", indent, text)
	}
}

func (s *screen) fact(name, text string) {
	if text != "" {
		fmt.Fprintf(s.out, "%s %s\n", s.paint(fmt.Sprintf("%-11s", name), styleHead), s.line(text))
	}
}

func (s *screen) advice(list []control.Advice) {
	width := 0
	for _, a := range list {
		width = max(width, utf8.RuneCountInString(a.Command))
	}
	for i, a := range list {
		name := ""
		if i == 0 {
			name = "try"
		}
		command := s.line(a.Command) + strings.Repeat(" ", width-utf8.RuneCountInString(a.Command))
		fmt.Fprintf(s.out, "%s %s  %s\n", s.paint(fmt.Sprintf("%-11s", name), styleHead), command, s.paint(s.line(a.Does), styleFaint))
	}
}

// clockTime writes a time of today without its date.
func clockTime(t, now time.Time) string {
	t = t.Local()
	if t.Format(time.DateOnly) == now.Local().Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}
