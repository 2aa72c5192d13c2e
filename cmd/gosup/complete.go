package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gosup/config"
	"gosup/control"
)

// Completion is asked for with every press of a key: a daemon that is stuck
// offers nothing instead of holding up the shell.
const completeTimeout = time.Second

// completion is what cobra asks for the words that may follow.
type completion = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective)

// noFiles is the completion where nothing is known, file names included.
const noFiles = cobra.ShellCompDirectiveNoFileComp

// completeNames offers the names that the daemon knows, but for those that are
// there already.
func (c *ctl) completeNames(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	var offers []string
	c.offer(cmd, func(ctx context.Context, client *control.Client) {
		offers = nodeOffers(ctx, client, toComplete)
	})
	return slices.DeleteFunc(offers, func(offer string) bool {
		name, _, _ := strings.Cut(offer, "\t")
		return slices.Contains(args, name)
	}), noFiles
}

// completeSubjects offers what can be asked about: dependencies too.
func (c *ctl) completeSubjects(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	var offers []string
	c.offer(cmd, func(ctx context.Context, client *control.Client) {
		offers = append(nodeOffers(ctx, client, toComplete), dependencyOffers(ctx, client)...)
	})
	return offers, noFiles
}

// completeDependencies offers the names of dependencies.
func (c *ctl) completeDependencies(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var offers []string
	c.offer(cmd, func(ctx context.Context, client *control.Client) { offers = dependencyOffers(ctx, client) })
	return offers, noFiles
}

// offer asks the daemon, if there is one. Flags before the word that is
// completed say which.
func (c *ctl) offer(cmd *cobra.Command, ask func(ctx context.Context, client *control.Client)) {
	client, err := c.client()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	ask(ctx, client)
}

// nodeOffers are the names of processes and groups, what instances have in
// common, and, where none of these begins like what is there, last parts of
// names.
func nodeOffers(ctx context.Context, client *control.Client, toComplete string) []string {
	nodes, err := client.Tree(ctx)
	if err != nil {
		return nil
	}
	offers := []string{cobra.CompletionWithDesc("all", "every process")}
	seen := map[string]bool{}
	for i := range nodes {
		n := &nodes[i]
		if common, _, ok := strings.Cut(n.Name, "@"); ok && !seen[common] {
			seen[common] = true
			offers = append(offers, cobra.CompletionWithDesc(common, "its instances"))
		}
		offers = append(offers, cobra.CompletionWithDesc(n.Name, n.State))
	}
	like := func(offer string) bool { return strings.HasPrefix(offer, toComplete) }
	if !slices.ContainsFunc(offers, like) {
		for i := range nodes {
			if n := &nodes[i]; n.Kind == "process" {
				offers = append(offers, cobra.CompletionWithDesc(baseName(n), n.Name))
			}
		}
	}
	return slices.DeleteFunc(offers, func(offer string) bool { return !like(offer) })
}

func dependencyOffers(ctx context.Context, client *control.Client) []string {
	list, err := client.Breakers(ctx)
	if err != nil {
		return nil
	}
	offers := make([]string, len(list))
	for i, b := range list {
		offers[i] = cobra.CompletionWithDesc(b.Name, "dependency, "+strings.ReplaceAll(b.State, "_", " "))
	}
	return offers
}

// inTurn completes the first argument by the first completion, the second by
// the second, and those after them by nothing.
func inTurn(list ...completion) completion {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(list) {
			return nil, noFiles
		}
		return list[len(args)](cmd, args, toComplete)
	}
}

// oneOf completes fixed words.
func oneOf(words ...string) completion { return cobra.FixedCompletions(words, noFiles) }

// thenCommand completes one argument, and behind -- the files that a command
// may be called with.
func thenCommand(name completion) completion {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return name(cmd, args, toComplete)
	}
}

// configFiles completes the files that a configuration may be in.
func configFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// signalNames are the signals that are sent to processes in practice.
func signalNames() []string {
	return []string{"HUP", "INT", "QUIT", "TERM", "KILL", "USR1", "USR2", "STOP", "CONT", "WINCH", "ALRM", "PIPE", "CHLD", "TSTP", "TTIN", "TTOU"}
}

// completeFlag completes the values of a flag.
func completeFlag(cmd *cobra.Command, flag string, values completion) {
	if err := cmd.RegisterFlagCompletionFunc(flag, values); err != nil {
		panic(err) // the flag is not there, or has two: a mistake of ours
	}
}

// completeValues completes the flags of a command and of all below it that have
// no completion of their own: those of settings by what the setting takes, the
// others by files only if they name one. It is called where
// something is completed: other commands need not wait for it.
func completeValues(cmd *cobra.Command) {
	settings := map[string]string{}
	for _, k := range config.SupervisorKeys() {
		settings[flagName(k.Name)] = k.Type
	}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		complete := func(f *pflag.Flag) {
			if _, known := cmd.GetFlagCompletionFunc(f.Name); !known && f.Value.Type() != "bool" {
				completeFlag(cmd, f.Name, valuesOf(f.Name, settings[f.Name]))
			}
		}
		cmd.Flags().VisitAll(complete)
		cmd.PersistentFlags().VisitAll(complete)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(cmd)
}

// valuesOf completes a flag by its name, or by the type of its setting.
func valuesOf(flag, setting string) completion {
	switch {
	case flag == "config":
		return configFiles
	case setting == "path" || slices.Contains([]string{"socket", "pprof"}, flag):
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	case setting == "true or false":
		return oneOf("true", "false")
	case strings.Contains(setting, " | "):
		return oneOf(strings.Split(setting, " | ")...)
	default:
		return cobra.NoFileCompletions
	}
}
