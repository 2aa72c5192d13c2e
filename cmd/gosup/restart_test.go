package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/control"
)

// instantCrashers are the rows of the table in docs/restart.md with all delays
// at a hundredth: what an instant crasher gets before it is failed.
var instantCrashers = []struct {
	name     string
	restart  string
	restarts int
	failed   time.Duration // after the first start, at least
}{
	{"immediate", "{strategy: immediate, max_restarts: 10, within: 30s}", 10, 0},
	{"delayed", "{strategy: delayed, delay: 50ms, max_restarts: 5, within: 60s}", 5, 250 * time.Millisecond},
	{"production", "{initial_delay: 10ms, max_delay: 300ms, max_restarts: 5, within: 60s}", 5, 310 * time.Millisecond},
	{"strict", "{strategy: delayed, delay: 100ms, max_restarts: 3, within: 30s}", 3, 300 * time.Millisecond},
	{"long", "{initial_delay: 10ms, max_delay: 600ms, max_restarts: 10, within: 300s}", 10, 3030 * time.Millisecond},
	{"lenient", "{initial_delay: 5ms, multiplier: 1.5, max_delay: 1200ms, max_restarts: 20, within: 600s}", 20, 10109 * time.Millisecond},
}

// An instant crasher gets exactly its max_restarts, at the delays of its
// strategy, and then no more.
func TestInstantCrashers(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString("processes:\n")
	for _, c := range instantCrashers {
		fmt.Fprintf(&file, "  %s: {command: 'false', restart: %s}\n", c.name, c.restart)
	}
	s := startSupervisor(t, file.String())
	for _, c := range instantCrashers {
		p := s.wait("failed", c.name)[0]
		if p.Restarts != c.restarts || p.TotalRestarts != uint64(c.restarts) || p.Run != uint64(c.restarts)+1 {
			t.Errorf("%s: %d restarts remembered, %d in all, %d starts; want %d", c.name, p.Restarts, p.TotalRestarts, p.Run, c.restarts)
		}
		if want := fmt.Sprintf("%d restarts within ", c.restarts); !strings.HasPrefix(p.Reason, want) {
			t.Errorf("%s: reason %q, want %q", c.name, p.Reason, want)
		}
		events := s.events(c.name)
		// The times of events are cut to the millisecond. Each start takes its
		// time too, and on a busy machine much of it.
		took := events[len(events)-1].Time.Sub(events[0].Time)
		if took < c.failed-time.Millisecond || took > 2*c.failed+10*time.Second {
			t.Errorf("%s: failed after %v, want %v", c.name, took, c.failed)
		}
	}
}

// Good running time is forgiven, waiting is not: a process with r of good time
// in each life is stopped for good exactly when max_restarts × r < within.
func TestGoodRunningIsForgiven(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, `
defaults:
  restart: {strategy: immediate, max_restarts: 1, within: 2s}
processes:
  settles: {command: [sh, -c, 'sleep 3; exit 1']}
  fails: {command: "false"}
  waits: {command: "false", restart: {strategy: delayed, delay: 3s}}
`)
	for _, name := range []string{"fails", "waits"} {
		if p := s.wait("failed", name)[0]; p.TotalRestarts != 1 {
			t.Errorf("%s: got %d restarts, want 1", name, p.TotalRestarts)
		}
	}
	var p control.Process
	if !eventually(func() bool { p = s.status("settles"); return p.TotalRestarts >= 2 || p.State == "failed" }) || p.State == "failed" {
		t.Errorf("settles: got %+v, want it to go on for ever", p)
	}
}

// Each kill -9 of the same process is answered by a longer delay, up to
// max_delay; the sixth is the last.
func TestDelaysGrow(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, `
processes:
  web: {command: [sleep, inf], restart: {initial_delay: 20ms, max_delay: 100ms, max_restarts: 5, within: 1h}}
`)
	for range 5 {
		run := s.wait("running", "web")[0]
		syscall.Kill(run.PID, syscall.SIGKILL)
		if !eventually(func() bool { return s.status("web").Run > run.Run }) {
			t.Fatal("no restart")
		}
	}
	syscall.Kill(s.wait("running", "web")[0].PID, syscall.SIGKILL)
	s.wait("failed", "web")
	var got, want []string
	var down time.Time
	delays := []time.Duration{20, 40, 80, 100, 100}
	for _, e := range s.events("web") {
		switch {
		case e.To == "backoff":
			down = e.Exit.At
			got = append(got, e.Cause)
			want = append(want, fmt.Sprintf("restart %d of 5, after: killed by SIGKILL", len(got)))
		case e.From == "backoff":
			if wait, want := e.Time.Sub(down), delays[len(got)-1]*time.Millisecond; wait < want-time.Millisecond {
				t.Errorf("restart %d after %v, want %v", len(got), wait, want)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 5 {
		t.Errorf("causes (-want +got):\n%s", diff)
	}
}
