package config

import (
	"fmt"
	"strings"
	"testing"
)

// worstBytes is an eighth of what a file may have: enough to see what grows
// with the square, at the speed of the race detector.
const worstBytes = maxFileBytes / 8

// TestWorst loads files whose every byte makes work. What takes more than a
// second each has lost its bound.
func TestWorst(t *testing.T) {
	t.Parallel()
	repeat := func(begin, unit, end string) string {
		return begin + strings.Repeat(unit, (worstBytes-len(begin)-len(end))/len(unit)) + end
	}
	numbered := func(begin, line string) string {
		var b strings.Builder
		b.WriteString(begin)
		for i := 0; b.Len() < worstBytes-len(line)-10; i++ {
			fmt.Fprintf(&b, line, i)
		}
		return b.String()
	}
	chain := func() string {
		var b strings.Builder
		b.WriteString("processes:\n k0: {command: a, depends_on: [none]}\n")
		for i := 1; b.Len() < worstBytes-50; i++ {
			fmt.Fprintf(&b, " k%d: {command: a, depends_on: [k%d]}\n", i, i-1)
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"comments":          repeat("", " # a\n", ""),
		"brackets":          repeat("", "[", ""),
		"lists":             repeat("", "- ", ""),
		"documents":         repeat("", "---\n", ""),
		"the same key":      repeat("", "a: 1\n", ""),
		"unknown keys":      numbered("", "k%d: 1\n"),
		"misspelt keys":     numbered("processes:\n", " k%d: {comman: a}\n"),
		"unset variables":   repeat("processes: {a: {command: \"", "${A}", "\"}}"),
		"open variables":    repeat("processes: {a: {command: \"", "${", "\"}}"),
		"nested defaults":   repeat("processes: {a: {command: \"", "${A:-", "\"}}"),
		"merge keys":        repeat("a: &a {x: 1}\nb: {", "<<: *a, ", "}"),
		"unknown signals":   repeat("processes: {a: {command: a, stop: {signals: [", "{signal: NIT},", "]}}}"),
		"missing includes":  repeat("include: [", "none.yaml,", "]"),
		"optional files":    repeat("env_files: [", "?a,", "]\nprocesses: {}"),
		"missing env files": repeat("env_files: [", "none.env,", "]"),
		"unknown names":     numbered("processes:\n", " k%d: {command: a, depends_on: [l]}\n"),
		"unknown near":      numbered("processes:\n", " k%d: {command: a, depends_on: [k_]}\n"),
		"patterns":          numbered("processes:\n", " k%d: {command: a, depends_on: [\"*\"]}\n"),
		"a long chain":      chain(),
		"regexps":           repeat("processes: {a: {command: a, health: {checks: {", "b: {http: {body: \"((((((((((\"}},", "}}}}"),
		"everybody for all": numbered("processes:\n", " k%d: {command: a, depends_on: [g]}\n") + numbered("groups:\n  g:\n    processes:\n", "      k%d: {command: a}\n"),
		"aliases": "x-a: &a {b: 1, c: 2, d: 3}\nprocesses:\n" +
			strings.Repeat(" ? x\n : *a\n", 6_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree, problems := Parse("/none/gosup.yaml", []byte(text), testOptions())
			if tree != nil || len(problems) == 0 || len(problems) > 2*maxProblems {
				t.Errorf("tree %v, %d problems", tree != nil, len(problems))
			}
		})
	}
}

// TestManyWarnings: however much there is to warn of, the whole file is read.
func TestManyWarnings(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("defaults:\n  restart: {strategy: immediate, max_restarts: unlimited}\nprocesses:\n")
	const processes = 3000
	for i := range processes {
		fmt.Fprintf(&text, "  p%d: {command: [run, \"%d\"]}\n", i, i)
	}
	tree, problems := Parse("/none/gosup.yaml", []byte(text.String()), testOptions())
	if tree == nil {
		t.Fatal(problems)
	}
	if len(problems) != maxProblems {
		t.Errorf("%d problems, want %d warnings", len(problems), maxProblems)
	}
	if len(tree.Root.Members) != processes {
		t.Fatalf("%d processes, want %d", len(tree.Root.Members), processes)
	}
	for _, m := range tree.Root.Members {
		if len(m.Process.Argv) != 2 {
			t.Fatalf("process %s: command %q, want two words", m.Process.Name, m.Process.Argv)
		}
	}
}
