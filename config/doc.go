// Package config turns the bytes of configuration files into a spec.Tree, or
// into the list of everything that is wrong with them: never into both a tree
// and an error, and never into part of a tree.
//
// Load is the entry point. It may be called on any goroutine; nothing is
// shared between calls, and nothing in here knows what runs.
//
// What a file may hold is written down once, as one table of keys for each
// kind of mapping (the keys_*.go files). From a row of such a table come the
// reading of the key, its default, its place in the JSON Schema and in the
// reference, and the names that a misspelt key is compared with. A new key is
// one more row.
//
//	bytes -> yaml.Node        document.go: limits, syntax errors with a place
//	      -> drafts           table.go, keys_*.go: each mapping read by its table, layer over layer
//	      -> spec.Tree        build.go: defaults that depend on others, and the checks between keys
//	                          instance.go: a process is read once for each instance that differs
//	                          link.go, circle.go: what names mean, and that nothing waits for itself
package config
