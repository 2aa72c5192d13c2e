package main

import (
	"cmp"
	"slices"
	"strings"

	"gosup/control"
)

// topRow is a line of the table.
type topRow struct {
	name string          // full
	p    control.Process // its Name is what the table shows
}

// topOrder is what rows are sorted by.
type topOrder int

// The orders, as the key goes through them.
const (
	byFile topOrder = iota
	byName
	byState
	byCPU
	byMemory
	byRestarts
	byUptime
	topOrders // how many there are
)

// head returns the head of the column that an order goes by, "" of none.
func (o topOrder) head() string {
	return [...]string{"", "NAME", "STATE", "CPU", "MEMORY", "RESTARTS", "UPTIME"}[o]
}

func (o topOrder) String() string {
	return [...]string{"file", "name", "state", "CPU", "memory", "restarts", "uptime"}[o]
}

// urgency tells which states are looked at first.
func urgency(state string) int {
	return slices.Index([]string{"failed", "backoff", "waiting", "stopping", "starting", "running", "exited", "stopped"}, state)
}

// compare puts what is looked for first: the worst state, the most of the rest.
func (o topOrder) compare(a, b *control.Process) int {
	switch o {
	case byName:
		return cmp.Compare(a.Name, b.Name)
	case byState:
		return cmp.Compare(urgency(a.State), urgency(b.State))
	case byCPU:
		return -comparePointers(a.CPUPercent, b.CPUPercent)
	case byMemory:
		return -comparePointers(a.MemoryBytes, b.MemoryBytes)
	case byRestarts:
		return -cmp.Or(cmp.Compare(a.Restarts, b.Restarts), cmp.Compare(a.TotalRestarts, b.TotalRestarts))
	case byUptime:
		return -comparePointers(a.UptimeSeconds, b.UptimeSeconds)
	}
	return 0
}

// comparePointers takes nil for less than anything.
func comparePointers[T cmp.Ordered](a, b *T) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return cmp.Compare(*a, *b)
}

// listRows returns the processes that match a filter, sorted.
func listRows(nodes []control.Node, filter string, order topOrder, reversed bool) []topRow {
	var rows []topRow
	for i := range nodes {
		if n := &nodes[i]; n.Kind == "process" && matches(n, filter) {
			rows = append(rows, topRow{n.Name, n.Process})
		}
	}
	slices.SortStableFunc(rows, func(a, b topRow) int { return order.compare(&a.p, &b.p) })
	if reversed {
		slices.Reverse(rows)
	}
	return rows
}

// treeRows returns what matches a filter, and the groups above it, as the tree
// that they are. A group uses what its processes use.
func treeRows(nodes []control.Node, filter string) []topRow {
	keep := map[string]bool{}
	for i := range nodes {
		if n := &nodes[i]; matches(n, filter) {
			keep[n.Name] = true
			for group := n.Group; group != "" && !keep[group]; group = parent(group) {
				keep[group] = true
			}
		}
	}
	kept := slices.DeleteFunc(slices.Clone(nodes), func(n control.Node) bool { return !keep[n.Name] })
	sums := groupUsage(nodes)
	branches := branchesOf(kept)
	rows := make([]topRow, len(kept))
	for i := range kept {
		n := &kept[i]
		rows[i] = topRow{n.Name, n.Process}
		rows[i].p.Name = branches[i] + baseName(n)
		if sum := sums[n.Name]; sum != nil {
			rows[i].p.CPUPercent, rows[i].p.MemoryBytes = &sum.percent, &sum.bytes
		}
	}
	return rows
}

// usageSum is what a group uses.
type usageSum struct {
	percent float64
	bytes   int64
}

func groupUsage(nodes []control.Node) map[string]*usageSum {
	sums := map[string]*usageSum{}
	for i := range nodes {
		n := &nodes[i]
		if n.CPUPercent == nil || n.MemoryBytes == nil {
			continue
		}
		for group := n.Group; group != ""; group = parent(group) {
			if sums[group] == nil {
				sums[group] = &usageSum{}
			}
			sums[group].percent += *n.CPUPercent
			sums[group].bytes += *n.MemoryBytes
		}
	}
	return sums
}

// parent returns the group that a group is in, "" for the top.
func parent(group string) string {
	return group[:max(strings.LastIndexByte(group, '/'), 0)]
}

// matches reports whether a filter is a part of the name, the state or the
// health, in letters of any case.
func matches(n *control.Node, filter string) bool {
	filter = strings.ToLower(filter)
	for _, text := range []string{n.Name, n.State, n.Health} {
		if strings.Contains(strings.ToLower(text), filter) {
			return true
		}
	}
	return filter == ""
}
