package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/spf13/cobra"

	"gosup/control"
)

func newTopCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch processes live, and steer them by key",
		Long: `Watch processes live, full screen: how they are, what they use, and what the
selected one writes. Keys sort, filter, show the tree or why a process is in its
state, and start, stop or restart it; ? lists them.

It needs a terminal; gosup ctl status prints once.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, _ []string) error {
		if !isTerminal(os.Stdin) || !isTerminal(os.Stdout) {
			return usageErrorf("top needs a terminal for its input and output (gosup ctl status prints once)")
		}
		return top(ctx, client)
	})
	return cmd
}

// topFrames is how often a second the screen may change: keys are answered
// within 50 ms. Each look at whether it has changed wakes the program up, so
// more would cost more while nothing happens.
const topFrames = 20

func top(ctx context.Context, client *control.Client) error {
	// A daemon that never answers is the error of every command. One that goes
	// away later may come back.
	first, err := askTree(ctx, client, 0)
	if err != nil {
		return err
	}
	m := newTopModel(client, colorful(os.Stdout))
	m.see(first)
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithFPS(topFrames), tea.WithColorProfile(colorprofile.ANSI))
	if _, err := p.Run(); err != nil && !errors.Is(err, tea.ErrInterrupted) {
		return fmt.Errorf("top: %w", err)
	}
	return nil
}
