package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gosup/config"
)

func newCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "check [FILE]",
		Short:             "Say everything that is wrong with a configuration file, or unwise in it",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: inTurn(configFiles),
	}
	set := newSettings(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		named := ""
		if len(args) > 0 {
			named = args[0]
		}
		path, ok, err := config.Find(named)
		if err != nil {
			return err
		}
		if !ok {
			return &exitError{code: exitConfig, err: errors.New("no configuration file to check (name one)")}
		}
		s, problems := config.Load(path, set.options())
		if s != nil {
			problems = append(problems, advise(path, s, problems)...)
		}
		for _, p := range problems {
			fmt.Fprintln(cmd.OutOrStdout(), p)
		}
		if problems.Failed() {
			return &exitError{code: exitConfig}
		}
		return nil
	}
	return cmd
}

func newSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "schema",
		Short:             "Print the JSON Schema (2020-12) of the configuration file",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := config.JSONSchema()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), string(schema))
			return err
		},
	}
}
