package main

import (
	"slices"

	"github.com/spf13/cobra"
)

// verb is a command below gosup.
type verb struct {
	name string
	make func() *cobra.Command
}

func verbs() []verb {
	return []verb{
		{"run", newRunCommand},
		{"check", newCheckCommand},
		{"simulate", newSimulateCommand},
		{"test", newTestCommand},
		{"schema", newSchemaCommand},
		{"init", newInitCommand},
		{"ctl", newCtlCommand},
		{"demo", newDemoCommand},
		{"version", newVersionCommand},
	}
}

// newRoot returns the gosup command with all its verbs.
func newRoot() *cobra.Command { return rootOf(verbs()) }

// rootFor returns the gosup command for these arguments. Where the first one
// names a verb, the others are left out: to make all of them takes longer than
// most of them take.
func rootFor(args []string) *cobra.Command {
	all := verbs()
	if len(args) > 0 {
		if i := slices.IndexFunc(all, func(v verb) bool { return v.name == args[0] }); i >= 0 {
			all = all[i : i+1]
		}
	}
	return rootOf(all)
}

func rootOf(some []verb) *cobra.Command {
	root := &cobra.Command{
		Use:   "gosup",
		Short: "A process supervisor",
		// execute reports errors, each as one line.
		SilenceErrors:      true,
		SilenceUsage:       true,
		DisableSuggestions: true,
	}
	for _, v := range some {
		root.AddCommand(v.make())
	}
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.HasSubCommands() {
			cmd.RunE = needsVerb
		}
	}
	return root
}

// needsVerb is the RunE of a command that does nothing without one of its own
// commands. Cobra alone would take a misspelt one for a call for help, and
// that for a success.
func needsVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	return usageErrorf("unknown command %q for %q (see %[2]s --help)", args[0], cmd.CommandPath())
}
