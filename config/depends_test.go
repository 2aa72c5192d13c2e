package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gosup/spec"
)

// edges returns what a process depends on, as "name condition", with a "!"
// where it is restarted too.
func edges(p *spec.Process) []string {
	var out []string
	for _, d := range p.DependsOn {
		s := d.Name + " " + d.Condition.String()
		if d.Restart {
			s += "!"
		}
		out = append(out, s)
	}
	return out
}

func TestDependsOn(t *testing.T) {
	t.Parallel()
	tree := parse(t, `
processes:
  db: {command: a, health: {tcp: {address: "h:1"}}}
  job: {command: a, type: oneshot}
  list: {command: a, depends_on: [db, unique]}
  words: {command: a, depends_on: {db: healthy, job: completed, unique: started}}
  maps: {command: a, depends_on: {db: , unique: {restart: true}, api/sub: {condition: started, restart: true}}}
  group: {command: a, depends_on: [api]}
  inner: {command: a, depends_on: [api/sub]}
  glob: {command: a, depends_on: ["api/*"]}
  narrow: {command: a, depends_on: {api/db: started, api: ready}}
  broad: {command: a, depends_on: {api: ready, api/db: started}}
  variable: {command: a, depends_on: ["${NONE:-db}"]}
  nothing: {command: a, depends_on: []}
groups:
  api:
    processes:
      db: {command: a}
      near: {command: a, depends_on: [db]}
      far: {command: a, depends_on: [job, api/db]}
      others: {command: a, depends_on: ["api/*"]}
    groups:
      sub:
        processes:
          unique: {command: a}
          up: {command: a, depends_on: [unique, db]}
`)
	for name, want := range map[string][]string{
		"list":       {"db ready", "api/sub/unique ready"},
		"words":      {"db healthy", "job completed", "api/sub/unique started"},
		"maps":       {"db ready", "api/sub/unique ready!", "api/sub/up started!"},
		"group":      {"api/db ready", "api/near ready", "api/far ready", "api/others ready", "api/sub/unique ready", "api/sub/up ready"},
		"inner":      {"api/sub/unique ready", "api/sub/up ready"},
		"glob":       {"api/db ready", "api/near ready", "api/far ready", "api/others ready"},
		"narrow":     {"api/db started", "api/near ready", "api/far ready", "api/others ready", "api/sub/unique ready", "api/sub/up ready"},
		"broad":      {"api/db started", "api/near ready", "api/far ready", "api/others ready", "api/sub/unique ready", "api/sub/up ready"},
		"variable":   {"db ready"},
		"nothing":    nil,
		"api/near":   {"api/db ready"},
		"api/far":    {"job ready", "api/db ready"},
		"api/others": {"api/db ready", "api/near ready", "api/far ready"},
		"api/sub/up": {"api/sub/unique ready", "db ready"},
	} {
		if d := cmp.Diff(want, edges(one(t, tree, name))); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// TestDependsOnLayers checks what of a process and what of the defaults holds.
func TestDependsOnLayers(t *testing.T) {
	t.Parallel()
	tree := parse(t, `
dependencies: {x: , y: }
defaults:
  depends_on: {infra: ready, base: started}
  requires: [x]
processes:
  base: {command: a, depends_on: []}
  plain: {command: a}
  refined: {command: a, depends_on: {base: {restart: true}, plain: ready}, requires: [y]}
  replaced: {command: a, depends_on: [plain], requires: []}
  last: {command: a, depends_on: {all: ready}}
groups:
  infra:
    processes: {one: {command: a}, two: {command: a}}
`)
	for name, want := range map[string][]string{
		"base":      nil,
		"plain":     {"infra/one ready", "infra/two ready", "base started"},
		"refined":   {"infra/one ready", "infra/two ready", "base started!", "plain ready"},
		"replaced":  {"plain ready"},
		"last":      {"infra/one ready", "infra/two ready", "base started", "plain ready", "refined ready", "replaced ready"},
		"infra/one": {"base started"},
	} {
		if d := cmp.Diff(want, edges(one(t, tree, name))); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	for name, want := range map[string][]string{"plain": {"x"}, "refined": {"y"}, "replaced": nil} {
		if got := one(t, tree, name).Requires; !slices.Equal(got, want) {
			t.Errorf("%s requires %q, want %q", name, got, want)
		}
	}
}

// TestNoCircle builds what is nearly one.
func TestNoCircle(t *testing.T) {
	t.Parallel()
	parse(t, `
processes:
  before: {command: a}
  after: {command: a, depends_on: [ordered, free/b]}
groups:
  ordered:
    strategy: one_for_all
    processes:
      first: {command: a, depends_on: [before]}
      second: {command: a, depends_on: [first, free]}
    groups:
      inner: {strategy: rest_for_one, processes: {x: {command: a, depends_on: [ordered/first]}, y: {command: a}}}
  free: {processes: {a: {command: a, depends_on: [b]}, b: {command: a, depends_on: [ordered/first]}}}
`)
}

// TestCircleOfOrder closes circles by the order in groups alone, and through
// long chains.
func TestCircleOfOrder(t *testing.T) {
	t.Parallel()
	var chain strings.Builder
	chain.WriteString("processes:\n")
	for i := range 20 {
		fmt.Fprintf(&chain, "  p%d: {command: a, depends_on: [p%d]}\n", i, (i+1)%20)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"chain": {chain.String(), "closes a circle: p0 -> p1 -> p2 -> p3 -> p4 -> p5 -> p6 -> p7 -> … -> p18 -> p19 -> p0 (remove one of them)"},
		"through a nested group": {`
groups:
  g:
    strategy: one_for_all
    processes: {first: {command: a, depends_on: [outside]}}
    groups: {in: {processes: {x: {command: a}, y: {command: a}}}}
processes: {outside: {command: a, depends_on: [g/in/y]}}
`, "closes a circle: g/first -> outside -> g/in/y -> g/first (members of the one_for_all group g start one after the other:" +
			" change their order, or remove one of these)"},
		"between groups": {`
groups:
  g:
    strategy: rest_for_one
    groups:
      a: {processes: {x: {command: a, depends_on: [g/b]}}}
      b: {processes: {y: {command: a}}}
`, "closes a circle: g/a/x -> g/b/y -> g/a/x (members of the rest_for_one group g start one after the other:" +
			" change their order, or remove one of these)"},
	} {
		tree, problems := Parse("gosup.yaml", []byte(tt.text), testOptions())
		if tree != nil || len(problems) != 1 || !strings.HasSuffix(problems[0].String(), tt.want) {
			t.Errorf("%s: got\n%v\nwant\n%s", name, problems, tt.want)
		}
	}
}
