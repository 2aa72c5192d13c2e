package main

import (
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"gosup/config"
	"gosup/sim"
	"gosup/spec"
)

// advise returns as warnings what simulation shows to be unwise in the file at
// path, from which s was loaded. Where known has a word on the same settings,
// that will do.
func advise(path string, s *spec.Tree, known config.Problems) config.Problems {
	var file yaml.Node
	if data, err := os.ReadFile(path); err == nil {
		// It was read before: what cannot be read now has no lines, only names.
		_ = yaml.Unmarshal(data, &file)
	}
	var out config.Problems
	for _, a := range sim.Advise(s) {
		keys := keysOf(a.Name, a.Group)
		at := strings.Join(keys, ".")
		if slices.ContainsFunc(known, func(p config.Problem) bool { return strings.HasPrefix(p.Path, at) }) {
			continue
		}
		line, col := locate(&file, keys)
		out = append(out, config.Problem{File: path, Line: line, Col: col,
			Path: at, What: a.What, Hint: a.Hint, Warning: true})
	}
	return out
}

// keysOf returns the keys under which a file defines a process or group.
func keysOf(name string, group bool) []string {
	name, _, _ = strings.Cut(name, "@")
	parts := strings.Split(name, "/")
	var keys []string
	for i, part := range parts {
		if i < len(parts)-1 || group {
			keys = append(keys, "groups", part)
		} else {
			keys = append(keys, "processes", part)
		}
	}
	return append(keys, "restart")
}

// locate returns the place of the last of the keys that is there: what is
// defined in an included file has none, 0.
func locate(n *yaml.Node, keys []string) (line, col int) {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	for _, key := range keys {
		found := false
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				line, col = n.Content[i].Line, n.Content[i].Column
				n, found = n.Content[i+1], true
				break
			}
		}
		if !found && key != "restart" {
			return 0, 0
		}
	}
	return line, col
}
