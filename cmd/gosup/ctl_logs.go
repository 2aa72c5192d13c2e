package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newLogsCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logs [NAME...]",
		Short: "Show what processes have written",
		Long: `Show what processes have written, across rotated and compressed files, that of
several merged by time and with the name before each line. With -f go on as it
comes, through restarts and rotation, after the last 10 lines.

Into a file or pipe lines go byte for byte; on a terminal control characters
are made visible. -o json prints one object a line.`,
		ValidArgsFunction: c.completeNames,
	}
	var req control.LogsRequest
	var output string
	flags := cmd.Flags()
	flags.BoolVarP(&req.Follow, "follow", "f", false, "go on with what comes")
	flags.IntVarP(&req.Last, "lines", "n", -1, "at most so many lines of each process; -1 is all")
	flags.StringVar(&req.Since, "since", "", "how far back, as 10m, or from when on, as 2026-11-23T06:00:00Z")
	flags.StringVar(&req.Until, "until", "", "up to when, as --since")
	flags.StringVar(&req.Stream, "stream", "", "only stdout or stderr")
	flags.StringVar(&req.Grep, "grep", "", "only lines that match this regular expression")
	flags.BoolVar(&req.Prefix, "prefix", false, "put the name before each line even of a single process")
	flags.StringVarP(&output, "output", "o", "text", "how to print: text, json")
	completeFlag(cmd, "stream", oneOf("stdout", "stderr"))
	completeFlag(cmd, "output", oneOf("text", "json"))
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, names []string) error {
		if output != "text" && output != "json" {
			return usageErrorf("logs: no output %q (use text or json)", output)
		}
		req.Names, req.JSON = names, output == "json"
		if req.Follow && req.Since == "" && !flags.Changed("lines") {
			req.Last = 10
		}
		out, err := client.Logs(ctx, req)
		if err != nil {
			return err
		}
		defer out.Close()
		if c.quiet {
			_, err = io.Copy(io.Discard, out)
			return err
		}
		return print(func(s *screen) error { return s.logs(out) })
	})
	return cmd
}

// logs prints output as it comes.
func (s *screen) logs(out *control.Output) error {
	if !s.terminal {
		_, err := io.Copy(os.Stdout, out)
		return err
	}
	r := bufio.NewReaderSize(out, 64<<10)
	for begin := true; ; {
		// A line of any length is printed piece by piece.
		piece, err := r.ReadSlice('\n')
		if len(piece) > 0 {
			s.piece(string(piece), begin, out.Prefix)
			begin = piece[len(piece)-1] == '\n'
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if r.Buffered() == 0 {
			if err := s.out.Flush(); err != nil {
				return fmt.Errorf("write the output: %w", err)
			}
		}
	}
}

// piece prints a line of output, or a part of it, the name before it in a
// colour of its own.
func (s *screen) piece(text string, begin bool, prefix int) {
	if line, ok := strings.CutSuffix(text, "\r\n"); ok {
		text = line + "\n"
	}
	text = s.safe(text)
	if runes := []rune(text); begin && s.color && prefix > 0 && len(runes) >= prefix {
		name := string(runes[:prefix])
		s.out.WriteString(s.paint(name, nameStyle(name)))
		text = string(runes[prefix:])
	}
	s.out.WriteString(text)
}

// nameStyle returns a colour that a name always has.
func nameStyle(name string) style {
	colors := [...]style{"36", "35", "34", "33", "32", "96", "95", "94"}
	h := fnv.New32a()
	io.WriteString(h, name)
	return colors[h.Sum32()%uint32(len(colors))]
}
