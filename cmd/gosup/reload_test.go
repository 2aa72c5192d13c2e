package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gosup/control"
)

// rewrite puts another text into the file of a daemon and has it applied.
func (s *supervisor) rewrite(text string) control.Plan {
	s.t.Helper()
	// Another file of that name, as editors do it: one that is read while it is
	// written would be half a file.
	tmp := filepath.Join(s.dir, "gosup.yaml.new")
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(s.dir, "gosup.yaml")); err != nil {
		s.t.Fatal(err)
	}
	plan, err := s.client.Reload(s.t.Context(), "test")
	if err != nil {
		s.t.Fatal(err)
	}
	return plan
}

// all returns the status of all processes, which may be none.
func (s *supervisor) all() []control.Process {
	s.t.Helper()
	all, err := s.client.Processes(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// settled waits until every process that should run does, and returns of each
// what a fresh start of the same file must have, too.
func (s *supervisor) settled() (facts []string) {
	s.t.Helper()
	if !eventually(func() bool {
		facts = facts[:0]
		for _, p := range s.all() {
			words, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
			env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.PID))
			own := slices.DeleteFunc(strings.Split(string(env), "\x00"), func(v string) bool {
				return !strings.HasPrefix(v, "VALUE=")
			})
			if p.State != "running" && p.State != "stopped" || p.PID != 0 && len(words) == 0 {
				return false
			}
			facts = append(facts, fmt.Sprintf("%s %s %v %q %q", p.Name, p.State, p.Ready, words, own))
		}
		return true
	}) {
		s.t.Fatalf("not all have settled: %+v", s.all())
	}
	return facts
}

// randomFile returns a configuration that is right, of up to eight processes.
func randomFile(r *rand.Rand) string {
	var plain, grouped strings.Builder
	for _, i := range r.Perm(8)[:1+r.IntN(8)] {
		p := fmt.Sprintf("p%d: {command: sleep %d, description: %q, env: {VALUE: %d}, autostart: %v, instances: %d, stop: {timeout: %ds}}\n",
			i, 1000+r.IntN(2), strings.Repeat("x", r.IntN(2)), r.IntN(2), i != 5, 1+r.IntN(2), 5+r.IntN(2))
		if i%2 == 0 {
			plain.WriteString("  " + p)
		} else {
			grouped.WriteString("      " + p)
		}
	}
	text := ""
	if plain.Len() > 0 {
		text += "processes:\n" + plain.String()
	}
	if grouped.Len() > 0 {
		strategy := []string{"one_for_one", "one_for_all", "rest_for_one"}[r.IntN(3)]
		text += "groups:\n  g:\n    strategy: " + strategy + "\n    processes:\n" + grouped.String()
	}
	return text
}

// goroutines returns how many the daemon has, which serves its profiles.
func (s *supervisor) goroutines() (n int, profile string) {
	s.t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.dir, "pprof.sock"))
		}}}
	resp, err := c.Get("http://gosup/debug/pprof/goroutine?debug=1")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(text), "goroutine profile: total %d", &n); err != nil {
		s.t.Fatalf("%v in %.100s", err, text)
	}
	return n, string(text)
}

// TestRandomReloads ends after many reloads in what a fresh start of the last
// file gives, with nothing left over of those before.
func TestRandomReloads(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(6, 6))
	const base = "processes: {base: {command: sleep 1000}}"
	s := startSupervisor(t, base, "--pprof", "pprof.sock")
	reloads := func(n int) string {
		text := ""
		for range n {
			text = randomFile(r)
			if plan := s.rewrite(text); plan.Rejected {
				t.Fatalf("rejected: %v\n%s", plan.Problems, text)
			}
		}
		return text
	}
	// What a daemon makes once it has made after these.
	reloads(10)
	s.rewrite(base)
	s.settled()
	goroutines, before := s.goroutines()
	descriptors := s.descriptors()

	last := reloads(100)
	got := s.settled()
	plan, err := s.client.PlanJSON(t.Context(), "")
	if err != nil || !strings.Contains(string(plan), `"changes":[]`) {
		t.Errorf("plan after the last reload: %s, %v", plan, err)
	}
	want := startSupervisor(t, last).settled()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("fresh start (-want +got):\n%s\nof\n%s", d, last)
	}

	s.rewrite(base)
	s.settled()
	// The hand keeps the main thread, once it has met it, and the pump one or two
	// workers; what each reload left would be a hundred.
	const come = 4
	if !eventually(func() bool {
		n, _ := s.goroutines()
		return len(s.all()) == 1 && n <= goroutines+come && s.descriptors() <= descriptors
	}) {
		n, now := s.goroutines()
		t.Errorf("goroutines %d, then %d; descriptors %d, then %d; processes %v\nbefore: %s\nnow: %s",
			goroutines, n, descriptors, s.descriptors(), s.all(), before, now)
	}
}

// mutate returns a text with some bytes, or a line, other than they were.
func mutate(r *rand.Rand, text string) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789:{}[],-\" \n\t&*!|>%@`#"
	b := []byte(text)
	for range 1 + r.IntN(4) {
		i := r.IntN(len(b))
		switch r.IntN(4) {
		case 0:
			b[i] = letters[r.IntN(len(letters))]
		case 1:
			b = slices.Delete(b, i, min(len(b), i+1+r.IntN(10)))
		case 2:
			b = slices.Insert(b, i, letters[r.IntN(len(letters))])
		case 3:
			lines := strings.SplitAfter(string(b), "\n")
			j, k := r.IntN(len(lines)), r.IntN(len(lines))
			lines[j], lines[k] = lines[k], lines[j]
			b = []byte(strings.Join(lines, ""))
		}
		if len(b) == 0 {
			return "\n"
		}
	}
	return string(b)
}

// TestMutatedReloads hands a daemon 500 files that somebody has mistyped. Each
// is applied or refused; where it is refused, nothing has happened.
func TestMutatedReloads(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 500))
	const base = `defaults: {restart: never, stop: {timeout: 1s}}
env: {TZ: UTC}
processes:
  one: {command: [sleep, "1001"], description: "first"}
  two:
    command: sleep 1002
    depends_on: {one: ready}
    hooks: {pre_start: {command: ["true"], timeout: 5s}}
    logs: {max_size: 1MiB, max_files: 2}
groups:
  g:
    strategy: one_for_all
    restart: {max_restarts: 3, within: 10s}
    processes:
      three: {command: sleep 1003, readiness: {delay: 10ms, timeout: 1s}}
`
	s := startSupervisor(t, base)
	s.settled()
	seen := func() (out []string) {
		for _, p := range s.all() {
			out = append(out, fmt.Sprintf("%s run %d pid %d", p.Name, p.Run, p.PID))
		}
		return out
	}
	refused := 0
	for range 500 {
		before := seen()
		text := mutate(r, base)
		plan := s.rewrite(text)
		if !plan.Rejected {
			s.rewrite(base)
			s.settled()
			continue
		}
		refused++
		if len(plan.Problems) == 0 || !strings.Contains(plan.Problems[0], "gosup.yaml:") {
			t.Fatalf("refused without a place: %v\n%s", plan.Problems, text)
		}
		if d := cmp.Diff(before, seen()); d != "" {
			t.Fatalf("a refused file has changed something (-before +after):\n%s\n%s", d, text)
		}
	}
	t.Logf("%d of 500 were refused", refused)
	if refused < 100 || refused > 498 {
		t.Errorf("%d of 500 were refused: the mutations are not good for this test", refused)
	}
	if got := s.settled(); len(got) != 3 {
		t.Errorf("in the end there is %q", got)
	}
}
