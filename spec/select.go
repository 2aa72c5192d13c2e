package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// UnknownError is the error of Select: a name that matches nothing.
type UnknownError struct {
	Name    string
	Kind    string   // what it should have been the name of; "" for a process or group
	Similar []string // several processes that a base name could mean; empty otherwise
}

func (e *UnknownError) Error() string {
	if len(e.Similar) > 0 {
		return fmt.Sprintf("%q is ambiguous: %s", e.Name, strings.Join(e.Similar, ", "))
	}
	if e.Kind != "" {
		return fmt.Sprintf("no %s %q", e.Kind, e.Name)
	}
	return fmt.Sprintf("no process or group %q", e.Name)
}

// Select returns the indexes of those of names, full names of processes in
// tree order, that the patterns mean: a full name, a group (all in it), the
// base of all instances, a glob as path.Match has it, the last part of the name
// of a process or group, where it is unique, or "all". Each index comes once, in
// tree order. A pattern that matches nothing is an *UnknownError.
func Select(names []string, patterns []string) ([]int, error) {
	chosen := make([]bool, len(names))
	for _, p := range patterns {
		if err := selectOne(names, p, chosen); err != nil {
			return nil, err
		}
	}
	var out []int
	for i, c := range chosen {
		if c {
			out = append(out, i)
		}
	}
	return out, nil
}

func selectOne(names []string, pattern string, chosen []bool) error {
	mark := func(match func(name string) bool) (n int) {
		for i, name := range names {
			if match(name) {
				chosen[i] = true
				n++
			}
		}
		return n
	}
	if mark(func(n string) bool { return n == pattern }) > 0 {
		return nil
	}
	if mark(func(n string) bool {
		return strings.HasPrefix(n, pattern+"/") || strings.HasPrefix(n, pattern+"@")
	}) > 0 {
		return nil
	}
	if pattern == "all" {
		mark(func(string) bool { return true })
		return nil
	}
	if strings.ContainsAny(pattern, "*?[") {
		if mark(func(n string) bool { ok, _ := path.Match(pattern, n); return ok }) > 0 {
			return nil
		}
		return &UnknownError{Name: pattern}
	}
	return selectBase(names, pattern, chosen)
}

// selectBase marks the process, its instances, or all in the group, whose last
// part is base.
func selectBase(names []string, base string, chosen []bool) error {
	owners := []string{} // distinct full names without the instance
	for _, n := range names {
		for i := range len(n) + 1 {
			if i < len(n) && n[i] != '/' && n[i] != '@' {
				continue
			}
			if owner := n[:i]; path.Base(owner) == base && !slices.Contains(owners, owner) {
				owners = append(owners, owner)
			}
		}
	}
	switch len(owners) {
	case 0:
		return &UnknownError{Name: base}
	case 1:
		return selectOne(names, owners[0], chosen)
	default:
		return &UnknownError{Name: base, Similar: owners}
	}
}
