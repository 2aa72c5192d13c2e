package config

import (
	"slices"
	"strconv"
	"strings"

	"gosup/policy"
)

// group is a group while it is read.
type group struct {
	strategy    policy.Strategy
	restart     *restart // nil where the file sets none
	onExhausted policy.OnExhausted
	members     []members
	at          places
}

// members is a processes: or groups: of a file or group.
type members struct {
	groups bool
	n      node
}

func groupTable() table[group] {
	strategies := []string{policy.OneForOne.String(), policy.OneForAll.String(), policy.RestForOne.String()}
	exhausted := []string{policy.Stop.String(), policy.Escalate.String(), policy.Shutdown.String()}
	return table[group]{
		name: "group",
		doc:  "Processes and groups that share a fate. A process in a group is named `group/process`.",
		keys: []key[group]{
			choiceKey("strategy", "one_for_one", "Who is restarted when a member fails: it alone, all members, or it and those after it.",
				strategies, func(g *group, i int) { g.strategy = policy.Strategy(i) }),
			{
				name: "restart", kind: restartKind("group_restart", groupPresets()),
				doc: "The group's own budget and delays. Without it a `one_for_one` group has no budget, the others 5 within 60s.",
				set: func(r *reader, n node, to *group) {
					t := production()
					r.restart(n, &r.tables.groupRestart, groupPresets(), &t)
					to.restart = &t
				},
			},
			choiceKey("on_exhausted", "stop", "What a spent budget leads to: the group is failed; that counts as the failure of a"+
				" child of its parent as well; or gosup ends with code 1.",
				exhausted, func(g *group, i int) { g.onExhausted = policy.OnExhausted(i) }),
			{
				name: "processes", kind: membersKind("process"), doc: "Its processes by name, in the order of start.",
				set: func(_ *reader, n node, to *group) { to.members = append(to.members, members{n: n}) },
			},
			{
				name: "groups", kind: membersKind("group"), doc: "Groups in it by name, in the order of start.",
				set: func(_ *reader, n node, to *group) { to.members = append(to.members, members{groups: true, n: n}) },
			},
		},
	}
}

// groupPresets are the presets that hold a budget.
func groupPresets() []string {
	return slices.DeleteFunc(presetNames(), func(s string) bool { return s == "never" })
}

func membersKind(ref string) kind {
	return namesKind("mapping of names to a "+ref, ref, &subschema{Ref: "#/$defs/" + ref}, namePattern)
}

const (
	namePattern      = `^[A-Za-z0-9._][A-Za-z0-9._-]*$`
	maxNameBytes     = 64
	maxFullNameBytes = 200
)

// badName says why a name of a process or group cannot be used; "" if it can.
func badName(s string) (what, hint string) {
	switch {
	case s == "":
		return "is an empty name", "give it one"
	case len(s) > maxNameBytes:
		return "has a name of " + strconv.Itoa(len(s)) + " bytes", "at most " + strconv.Itoa(maxNameBytes)
	case s == "all":
		return `cannot be named "all"`, "that means every process; take another name"
	case s == "." || s == "..":
		return "is no name", "it would name a folder; take another one"
	case s[0] == '-':
		return "has a name that begins with -", "it would be taken for a flag; take another one"
	}
	for _, c := range s {
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", c) {
			return "has " + strconv.QuoteRune(c) + " in its name", "a name is made of A-Z a-z 0-9 . _ -"
		}
	}
	return "", ""
}

// name returns a string that obeys the rules of names.
func (r *reader) name(n node) (string, bool) {
	s, ok := r.str(n, form{"a name", "made of A-Z a-z 0-9 . _ -"})
	if !ok {
		return "", false
	}
	if what, hint := badName(s); what != "" {
		r.problem(n.at, what, hint)
		return "", false
	}
	return s, true
}
