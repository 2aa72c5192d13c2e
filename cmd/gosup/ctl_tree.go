package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gosup/control"
)

func newTreeCommand(c *ctl) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "tree",
		Short:             "Show groups and processes as the tree that they are",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	out := addFormat(cmd)
	cmd.RunE = c.run(func(ctx context.Context, client *control.Client, _ []string) error {
		answer, err := client.TreeJSON(ctx)
		if err != nil || c.quiet {
			return err
		}
		var nodes []control.Node
		if err := json.Unmarshal(answer, &nodes); err != nil {
			return fmt.Errorf("the answer makes no sense: %w", err)
		}
		return print(func(s *screen) error { return s.tree(*out, answer, nodes) })
	})
	return cmd
}

// tree prints groups with their members below them.
func (s *screen) tree(f format, answer []byte, nodes []control.Node) error {
	if done, err := s.data(f, answer); done {
		return err
	}
	if f == formatName {
		for i := range nodes {
			s.out.WriteString(s.line(nodes[i].Name) + "\n")
		}
		return nil
	}
	branches := branchesOf(nodes)
	now := time.Now()
	rows := make([][]cell, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		kind := n.Strategy
		if n.Kind == "process" {
			kind = ""
		}
		rows[i] = []cell{
			{branches[i] + baseName(n), ""},
			{n.State, stateStyle(n.State)},
			{orDash(strconv.Itoa(n.PID), "0"), ""},
			{kind, ""},
			{budget(&n.Process), ""},
			{reason(&n.Process, now), ""},
		}
	}
	s.table([]string{"NAME", "STATE", "PID", "STRATEGY", "BUDGET", "REASON"}, rows)
	return nil
}

// baseName returns the part of a name that its group does not have.
func baseName(n *control.Node) string {
	if n.Group == "" {
		return n.Name
	}
	return n.Name[len(n.Group)+1:]
}

// budget writes a restart budget: "2/5 in 60s", "unlimited", or "-" of a group
// without one.
func budget(p *control.Process) string {
	switch {
	case p.MaxRestarts == nil:
		return "-"
	case *p.MaxRestarts < 0:
		return "unlimited"
	case p.WithinSeconds == nil:
		return restarts(p)
	default:
		return fmt.Sprintf("%s in %gs", restarts(p), *p.WithinSeconds)
	}
}

// branchesOf returns the lines of the tree that stand before each name. Nodes
// are in preorder.
func branchesOf(nodes []control.Node) []string {
	out := make([]string, len(nodes))
	below := map[string]string{"": ""} // what stands before the members of a group, but for their own branch
	for i := range nodes {
		n := &nodes[i]
		own, under := "├─ ", "│  "
		if isLast(nodes, i) {
			own, under = "└─ ", "   "
		}
		if n.Group == "" {
			own, under = "", ""
		}
		out[i] = below[n.Group] + own
		if n.Kind == "group" {
			below[n.Name] = below[n.Group] + under
		}
	}
	return out
}

// isLast reports whether no later node is in the same group.
func isLast(nodes []control.Node, i int) bool {
	for j := i + 1; j < len(nodes); j++ {
		if nodes[j].Group == nodes[i].Group {
			return false
		}
	}
	return true
}
