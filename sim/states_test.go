package sim

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gosup/tree"
)

var update = flag.Bool("update", false, "write what is generated into the docs")

// TestStateDiagram generates docs/states.md from the transitions that storms
// show, and fails when it says something else.
func TestStateDiagram(t *testing.T) {
	t.Parallel()
	seen := map[[2]string]bool{}
	for seed := uint64(1); seed <= 350; seed++ {
		s := newStorm(fromSeed(seed), 25, seed)
		s.w.Saw = func(e tree.Effect) {
			if n, ok := e.(tree.Note); ok && n.Type == tree.NoteState && n.From != n.To {
				seen[[2]string{n.From, n.To}] = true
			}
		}
		s.play(400)
	}
	file := filepath.Join("..", "docs", "states.md")
	got := diagram(seen)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is stale (go test ./sim -run TestStateDiagram -update): it should be\n%s", file, got)
	}
}

// meanings says what each state is, for the table.
var meanings = map[tree.State]string{
	tree.StateStopped:  "down, by a person's wish or because autostart is off",
	tree.StateWaiting:  "wants to run and waits for something else: its turn, a dependency, a breaker, a connection, what its last run left behind; `why` says for what",
	tree.StateStarting: "its hook before the start runs, or it was started and is not ready yet",
	tree.StateRunning:  "up and ready",
	tree.StateStopping: "asked to end, with all that it has started; then its hook after the end",
	tree.StateBackoff:  "waits for the delay before an automatic restart",
	tree.StateExited:   "over, and its policy asks for no more",
	tree.StateFailed:   "given up: its budget is spent, `on_exit` says never, it is a oneshot that failed, or its group has failed",
}

// diagram writes the document.
func diagram(seen map[[2]string]bool) string {
	var b strings.Builder
	b.WriteString("# The states of a process\n\n")
	b.WriteString("<!-- Generated from what the simulator has seen: go test ./sim -run TestStateDiagram -update -->\n\n")
	b.WriteString("| state | meaning | goes on to |\n|---|---|---|\n")
	states := tree.States()
	for i, from := range states {
		var to []string
		for _, name := range states {
			if seen[[2]string{from, name}] {
				to = append(to, name)
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", from, meanings[tree.State(i)], strings.Join(to, ", "))
	}
	b.WriteString("\n```mermaid\nstateDiagram-v2\n    [*] --> stopped\n")
	var lines []string
	for t := range seen {
		lines = append(lines, fmt.Sprintf("    %s --> %s\n", t[0], t[1]))
	}
	slices.Sort(lines)
	b.WriteString(strings.Join(lines, ""))
	b.WriteString("```\n\nThese are all transitions that random worlds have shown: crashes, failed starts, hangs, wishes of\npeople, reloads, restarts of groups and shutdowns, in any order. Several changes in one moment show\nas one: a process that crashes in the moment of its start goes from `starting` to `backoff`.\n")
	return b.String()
}
