package main

import "github.com/spf13/cobra"

// newRoot returns the gosup command with all its verbs.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "gosup",
		Short: "A process supervisor",
		// execute reports errors, each as one line.
		SilenceErrors:      true,
		SilenceUsage:       true,
		DisableSuggestions: true,
	}
	root.AddCommand(
		newRunCommand(),
		newCheckCommand(),
		newSimulateCommand(),
		newTestCommand(),
		newSchemaCommand(),
		newInitCommand(),
		newCtlCommand(),
		newDemoCommand(),
		newVersionCommand(),
	)
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
