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
		newSchemaCommand(),
		newInitCommand(),
		newCtlCommand(),
		newDemoCommand(),
		newVersionCommand(),
	)
	return root
}
