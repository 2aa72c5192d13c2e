package config

import (
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want, problem string }{
		{"plain", "plain", ""},
		{"${PORT}", "8080", ""},
		{"a${PORT}b${PORT}c", "a8080b8080c", ""},
		{"$PORT $(date) $ 5$", "$PORT $(date) $ 5$", ""},
		{"$$", "$", ""},
		{"$${PORT}", "${PORT}", ""},
		{"$$${PORT}", "$8080", ""},
		{"${EMPTY}", "", ""},
		{"${EMPTY:-x}", "x", ""},
		{"${PORT:-x}", "8080", ""},
		{"${NONE:-}", "", ""},
		{"${NONE:-a:b-c?}", "a:b-c?", ""},
		{"${NONE:-${PORT}/${OTHER:-y}}z", "8080/yz", ""},
		{"${NONE:-$${x}}", "${x}", ""}, // $$ hides its brace, so the first } closes
		{"${NONE:-a$$b}", "a$b", ""},
		{"${PORT:?no}", "8080", ""},
		{"${NONE:?set it to ${PORT}}", "", "needs the variable NONE: set it to 8080"},
		{"${EMPTY:?}", "", "needs the variable EMPTY: it is required"},
		{"${NONE}", "", "needs the variable NONE, which is not set"},
		{"${NONE", "", "has a ${ with no }"},
		{"${", "", "has a ${ with no }"},
		{"${}", "", "has ${}, which names no variable"},
		{"${1A}", "", "has ${1A}, which names no variable"},
		{"${A-b}", "", "has ${A-b}, which names no variable"},
		{"${A:b}", "", "has ${A:b}, which names no variable"},
		{"${A:}", "", "has ${A:}, which names no variable"},
		{"${ PORT}", "", "has ${ PORT}, which names no variable"},
	} {
		r := newReader(testOptions())
		n := node{y: &yaml.Node{Kind: yaml.ScalarNode, Value: tt.text}, at: place{src: &source{}}}
		got, _, ok := r.expand(n)
		var problem string
		if len(r.found) > 0 {
			problem = r.found[0].What
		}
		if ok != (tt.problem == "") || problem != tt.problem || ok && got != tt.want {
			t.Errorf("expand(%q) = %q, %v, problem %q; want %q, problem %q", tt.text, got, ok, problem, tt.want, tt.problem)
		}
	}
}

// TestExpandTypes checks that variables work where no string is wanted.
func TestExpandTypes(t *testing.T) {
	t.Parallel()
	tree := parse(t, `
processes:
  plain:
    command: a
    autostart: ${NONE:-false}
    restart: {max_restarts: "${NONE:-7}", within: "${PORT}s", policy: "${NONE:-never}"}
  quoted: {command: a, description: "${PORT}", restart: "${NONE:-strict}"}
`)
	if p := one(t, tree, "plain"); p.Autostart || p.Restart.Limit.Max != 7 || p.Restart.Limit.Within.Seconds() != 8080 {
		t.Errorf("plain: %+v", p)
	}
	if p := one(t, tree, "quoted"); p.Description != "8080" || p.Restart.Limit.Max != 3 {
		t.Errorf("quoted: %+v", p)
	}
}

// TestExpandBounded checks that variables cannot fill the memory.
func TestExpandBounded(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 1<<20)
	opt := Options{Env: func(string) (string, bool) { return big, true }}
	text := "processes: {a: {command: [a, " + strings.Repeat(`"${A}", `, 20) + "]}}"
	tree, problems := Parse("gosup.yaml", []byte(text), opt)
	if tree != nil || !strings.Contains(problems.Error(), "expands to more than can be right") {
		t.Errorf("got %v", problems)
	}
}
