package config

import (
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// node is a value of a file with its place. Its y is never an alias.
type node struct {
	y  *yaml.Node
	at place
}

// node returns the value y, whose path is that of at.
func (r *reader) node(y *yaml.Node, at place) node {
	for y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if y.Line > 0 {
		at.line, at.col = y.Line, y.Column
	}
	return node{y: y, at: at}
}

func (n node) null() bool { return n.y.Kind == yaml.ScalarNode && n.y.ShortTag() == "!!null" }

func (n node) mapping() bool { return n.y.Kind == yaml.MappingNode }

func (n node) list() bool { return n.y.Kind == yaml.SequenceNode }

// describe names the value for a message, as it is written in the file: what
// variables expand to is not for everybody's eyes.
func (n node) describe() string {
	switch {
	case n.mapping():
		return "a mapping"
	case n.list():
		return "a list"
	case n.null():
		return "empty"
	}
	text := n.y.Value
	if r := []rune(text); len(r) > 60 {
		text = string(r[:57]) + "..."
	}
	switch n.y.ShortTag() {
	case "!!int", "!!float", "!!bool":
		return text
	}
	return strconv.Quote(text)
}

// form is what a value should look like.
type form struct {
	noun string // "a duration"
	hint string // "such as 500ms, 10s or 1d"
}

// wrong records that a value is not of the form.
func (r *reader) wrong(n node, f form) {
	if r.tagged(n) {
		return
	}
	what := "is " + n.describe() + ", not " + f.noun
	switch {
	case n.null():
		what = "is empty and should be " + f.noun
	case n.y.Kind == yaml.ScalarNode && strings.Contains(n.y.Value, "${") && !n.at.src.literal:
		what = "is " + n.describe() + ", which does not expand to " + f.noun
	}
	r.problem(n.at, what, f.hint)
}

// tagged refuses tags that mean nothing here, such as !include.
func (r *reader) tagged(n node) bool {
	if n.y.Style&yaml.TaggedStyle == 0 {
		return false
	}
	switch tag := n.y.ShortTag(); tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
		return false
	default:
		r.problem(n.at, "has the tag "+tag+", which means nothing here", "remove the tag")
		return true
	}
}

// pair is one key of a mapping with its value.
type pair struct {
	key   string
	at    place // of the key
	value node
}

// pairs returns the keys of a mapping in the order of the file, merge keys
// (<<) resolved: what the mapping itself says wins over what it merges, and
// of several merged mappings the earlier one. An empty value is an empty
// mapping: all of its keys may be commented out.
func (r *reader) pairs(n node, f form) []pair {
	if n.null() || r.full() {
		return nil
	}
	if !n.mapping() {
		r.wrong(n, f)
		return nil
	}
	if r.tagged(n) {
		return nil
	}
	own := map[string]place{}
	for i := 0; i < len(n.y.Content); i += 2 {
		if k := n.y.Content[i]; !isMerge(k) {
			r.ownKey(r.node(k, n.at), own)
		}
	}
	return r.collect(n, own, map[string]bool{})
}

// ownKey notes where a mapping has a key, and reports one that it has twice.
func (r *reader) ownKey(k node, own map[string]place) {
	if k.y.Kind != yaml.ScalarNode {
		r.problem(k.at, "has a key that is "+k.describe(), "a key is a plain word")
		return
	}
	at := k.at.key(k.y.Value)
	if first, twice := own[k.y.Value]; twice {
		r.problem(at, fmt.Sprintf("is given twice (first in line %d)", first.line), "remove one")
		return
	}
	own[k.y.Value] = at
}

// collect returns the pairs of n, merged ones in the place of their merge key.
// Keys in own are taken from n alone, those in seen are there already.
func (r *reader) collect(n node, own map[string]place, seen map[string]bool) []pair {
	var out []pair
	for i := 0; i+1 < len(n.y.Content); i += 2 {
		k, v := n.y.Content[i], n.y.Content[i+1]
		if isMerge(k) {
			for _, m := range r.merged(r.node(v, n.at.key("<<"))) {
				for _, p := range r.collect(m, nil, map[string]bool{}) {
					if _, ours := own[p.key]; !ours && !seen[p.key] {
						seen[p.key] = true
						out = append(out, p)
					}
				}
			}
			continue
		}
		key := r.node(k, n.at)
		if key.y.Kind != yaml.ScalarNode || seen[key.y.Value] {
			continue
		}
		seen[key.y.Value] = true
		at := key.at.key(key.y.Value)
		out = append(out, pair{key: key.y.Value, at: at, value: r.node(v, at)})
	}
	return out
}

// merged returns the mappings that the value of a merge key means.
func (r *reader) merged(n node) []node {
	f := form{"a mapping or a list of mappings", "such as <<: *base"}
	switch {
	case n.mapping():
		n.at.path = strings.TrimSuffix(strings.TrimSuffix(n.at.path, "<<"), ".")
		return []node{n}
	case n.list():
		var out []node
		for _, y := range n.y.Content {
			m := r.node(y, n.at)
			if !m.mapping() {
				r.wrong(m, f)
				continue
			}
			out = append(out, r.merged(m)...)
		}
		return out
	default:
		r.wrong(n, f)
		return nil
	}
}

func isMerge(k *yaml.Node) bool {
	return k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge"
}

// items returns the values of a list.
func (r *reader) items(n node, f form) ([]node, bool) {
	if !n.list() {
		r.wrong(n, f)
		return nil, false
	}
	if r.tagged(n) || r.full() {
		return nil, false
	}
	out := make([]node, len(n.y.Content))
	for i, y := range n.y.Content {
		out[i] = r.node(y, n.at.item(i))
	}
	return out, true
}
