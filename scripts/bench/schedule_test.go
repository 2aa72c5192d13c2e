//go:build linux

package main

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"
)

// TestRounds: everything is measured once before anything is measured again,
// and who has failed is not tried again.
func TestRounds(t *testing.T) {
	t.Parallel()
	gosup, floor, peer := &tool{name: "gosup"}, &tool{name: "floor"}, &tool{name: "peer"}
	b := &bench{options: options{rounds: 2, time: time.Hour}, ctx: t.Context(), log: io.Discard, sweep: spare}
	b.tools = []*tool{floor, gosup, peer}
	b.report = newReport(nil, time.Now())
	var got []string
	one := func(name string, once bool) kase {
		return kase{
			name: name, once: once,
			can: func(*tool) bool { return true },
			run: func(_ *bench, of *tool) error {
				got = append(got, name+" "+of.name)
				if of == peer && name == "a" {
					return errors.New("it cannot")
				}
				return nil
			},
		}
	}
	b.runAll([]job{
		{"first", func(*bench) []kase { return []kase{one("a", false)} }},
		{"second", func(*bench) []kase { return []kase{one("b", true)} }},
	})
	want := []string{"a floor", "a gosup", "a peer", "b floor", "b gosup", "b peer", "a gosup", "a floor"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(b.Failures) != 1 {
		t.Errorf("failures: got %v, want the peer's", b.Failures)
	}
}

// TestTimeIsOver: the first round is always finished, another one not begun.
func TestTimeIsOver(t *testing.T) {
	t.Parallel()
	b := &bench{options: options{rounds: 5}, ctx: t.Context(), log: io.Discard, sweep: spare, tools: []*tool{{name: "gosup"}}}
	times := 0
	k := kase{can: func(*tool) bool { return true }, run: func(*bench, *tool) error { times++; return nil }}
	b.runAll([]job{{"any", func(*bench) []kase { return []kase{k, k} }}})
	if times != 2 {
		t.Errorf("%d measurements, want 2", times)
	}
}

// spare stands for a sweep: the other tests of this process have children too.
func spare(...int) error { return nil }
