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

func newEventsCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events [NAME...]",
		Short: "Show what happened",
		Long: `Show what happened: changes of state with their causes, requests and who made
them, reloads. With -f go on as it happens, after the last 10.

-o json prints one object a line.`,
		ValidArgsFunction: c.completeNames,
	}
	var req control.EventsRequest
	cmd.Flags().BoolVarP(&req.Follow, "follow", "f", false, "go on with what happens")
	cmd.Flags().StringVar(&req.Since, "since", "", "how far back, as 10m, or after which event, as 1234")
	cmd.Flags().IntVarP(&req.Last, "lines", "n", -1, "at most so many of the past; -1 is all")
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, names []string) error {
		req.Names = names
		if req.Follow && req.Since == "" && !cmd.Flags().Changed("lines") {
			req.Last = 10
		}
		return print(func(s *screen) error {
			p := eventPrinter{s: s, format: *out, name: 12}
			return client.Events(ctx, req, func(line []byte, more bool) error {
				if c.quiet {
					return nil
				}
				if err := p.print(line); err != nil || more {
					return err
				}
				return s.out.Flush()
			})
		})
	})
	return cmd
}

// eventPrinter prints events as they come, in columns that grow with them.
type eventPrinter struct {
	s      *screen
	format format
	name   int // width of the longest name so far
}

func (p *eventPrinter) print(line []byte) error {
	switch p.format {
	case formatJSON:
		p.s.out.WriteString(p.s.safe(string(line)))
		p.s.out.WriteByte('\n')
		return nil
	case formatYAML:
		b, err := toYAML(append(append([]byte{'['}, line...), ']'))
		if err != nil {
			return fmt.Errorf("print YAML: %w", err)
		}
		p.s.out.WriteString(p.s.safe(string(b)))
		return nil
	}
	var e control.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("the answer makes no sense: %w", err)
	}
	if p.format == formatName {
		p.s.out.WriteString(p.s.line(e.Process) + "\n")
		return nil
	}
	p.row(&e)
	return nil
}

// row prints an event for people: when, who, what, why.
func (p *eventPrinter) row(e *control.Event) {
	s := p.s
	at := e.Time.Local().Format("15:04:05.000")
	if p.format == formatWide || time.Since(e.Time) > 24*time.Hour {
		at = e.Time.Local().Format("2006-01-02 15:04:05.000")
	}
	name := s.line(orDash(e.Process, ""))
	p.name = max(p.name, utf8.RuneCountInString(name))
	name += strings.Repeat(" ", p.name-utf8.RuneCountInString(name))
	words := s.line(eventWords(e))
	if p.format == formatWide {
		words += s.line(wideWords(e))
	} else if s.width > 0 {
		words = shorten(words, max(s.width-len(at)-p.name-len("  ")*2, 10))
	}
	fmt.Fprintf(s.out, "%s  %s  %s\n", s.paint(at, styleFaint), name, s.paint(words, eventStyle(e)))
}

// eventWords says what happened and why.
func eventWords(e *control.Event) string {
	var words []string
	switch {
	case e.Type == "request":
		words = append(words, "asked to "+e.Detail)
	case e.From != "" && e.To != "" && e.From != e.To:
		words = append(words, e.From+" → "+e.To)
	case e.To != "":
		words = append(words, e.To)
	}
	if e.PID != 0 {
		words = append(words, fmt.Sprintf("pid %d", e.PID))
	}
	if e.Cause != "" {
		words = append(words, e.Cause)
	}
	if e.Detail != "" && e.Type != "request" && !strings.Contains(e.Cause, e.Detail) {
		words = append(words, e.Detail)
	}
	return strings.Join(words, "  ")
}

// wideWords says what else is known.
func wideWords(e *control.Event) string {
	words := fmt.Sprintf("  #%d %s", e.Seq, e.Type)
	if e.By != "" {
		words += " by " + e.By
	}
	if e.Exit != nil {
		words += fmt.Sprintf(" (%s after %gs)", lastExit(e.Exit), e.Exit.RunSeconds)
	}
	return words
}

func eventStyle(e *control.Event) style {
	switch e.To {
	case "failed":
		return styleBad
	case "backoff":
		return styleWarn
	default:
		return ""
	}
}
