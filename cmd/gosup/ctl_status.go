package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newStatusCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status [NAME...]",
		Aliases: []string{"ps", "ls"},
		Short:   "Show processes and how they are",
		Long: `Show processes and how they are.

-o wide and, for at most 200 processes, a terminal of 100 columns or more show
what each process uses with all its descendants: CPU time in percent of one CPU,
and resident memory. --usage asks for it in every format.

The exit code is 3 if a process that was named is neither running, starting nor
exited with success; without names, if one that should run is failed, in
backoff or waiting. Stopped on purpose is no failure.`,
		ValidArgsFunction: c.completeNames,
	}
	var usage bool
	cmd.Flags().BoolVar(&usage, "usage", false, "tell what processes use: CPU time and memory")
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, names []string) error {
		open := !c.quiet && !cmd.Flags().Changed("usage") // nobody has said whether it is wanted
		usage = usage || open && *out == formatWide
		answer, processes, err := askStatus(ctx, client, usage, names)
		if err != nil {
			return err
		}
		if open && *out == formatTable && len(processes) <= usageProcesses && newScreen(os.Stdout).width >= usageWidth {
			usage = true
			if answer, processes, err = askStatus(ctx, client, usage, names); err != nil {
				return err
			}
		}
		if !c.quiet {
			if err := print(func(s *screen) error { return s.processes(*out, answer, processes, usage) }); err != nil {
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

// What processes use is shown unasked where there is room for it and where it
// does not take long to find out: the daemon looks at every process there is.
const (
	usageWidth     = 100
	usageProcesses = 200
)

// askStatus returns the status of processes as JSON, and what that says.
func askStatus(ctx context.Context, client *control.Client, usage bool, names []string) ([]byte, []control.Process, error) {
	ask := client.ProcessesJSON
	if usage {
		ask = client.ProcessesUsageJSON
	}
	answer, err := ask(ctx, names...)
	if err != nil {
		return nil, nil, err
	}
	processes, err := control.DecodeProcesses(answer)
	if err != nil {
		return nil, nil, fmt.Errorf("the answer makes no sense: %w", err)
	}
	return answer, processes, nil
}

// allWell applies the rules of exit code 3.
func allWell(processes []control.Process, named bool) bool {
	for i := range processes {
		p := &processes[i]
		if !named && p.Listens() {
			continue
		}
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
