package main

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"gosup/control"
)

// An outage of a dependency, of a minute at a tenth of the scale, leaves every
// budget untouched and every dependent back within two seconds of its return:
// those that end with it, those that end with code 0, those that are restarted
// as a group, those that are stopped for it, and those that only look unhealthy.
func TestOutage(t *testing.T) {
	t.Parallel()
	server := startPatient(t)
	addr := server.l.Addr().String()
	s := startSupervisor(t, fmt.Sprintf(`
dependencies:
  pg: &pg
    tcp: {address: %q}
    interval: 200ms
    timeout: 200ms
    breaker: {failure_threshold: 3, recovery_timeout: 500ms}
  stopper: {<<: *pg, on_open: stop}
defaults:
  restart: {initial_delay: 100ms, max_delay: 3s, max_restarts: 5, within: 1h}
processes:
  c1: {command: [clinger, %[2]q], requires: [pg]}
  c2: {command: [clinger, %[2]q], requires: [pg], restart: {strategy: immediate}}
  c3: {command: [sh, -c, 'clinger %[2]s; exit 0'], requires: [pg], restart: {strategy: delayed, delay: 20s}}
  strict: {command: [sleep, inf], requires: [stopper]}
  looks-bad: {command: [sleep, inf], requires: [pg], health: {http: {url: %[2]q}, interval: 300ms, unhealthy_threshold: 6}}
  free: {command: [sleep, inf]}
groups:
  g:
    strategy: one_for_all
    processes:
      a: {command: [clinger, %[2]q], requires: [pg]}
      b: {command: [sleep, inf]}
`, addr, server.url()))
	names := []string{"c1", "c2", "c3", "strict", "looks-bad", "g/a", "g/b", "free"}
	s.wait("running", names...)
	s.turned("looks-bad", "healthy", 1)

	server.l.Close()
	ended := time.After(6 * time.Second)
	for _, name := range []string{"c1", "c2", "c3", "strict", "g/a"} {
		s.wait("waiting", name)
		p := s.status(name)
		if len(p.WaitingOn) != 1 || !strings.Contains(p.Reason, "its circuit breaker is") || p.Restarts != 0 {
			t.Errorf("%s in the outage: %+v", name, p)
		}
	}
	s.turned("looks-bad", "unhealthy", 1)
	bad := s.status("looks-bad")
	if bad.State != "running" || bad.Run != 1 {
		t.Errorf("looks-bad: %+v", bad)
	}
	b := s.breaker("pg")
	if b.State == "closed" || b.Failures < 3 || strings.Join(b.RequiredBy, " ") != "c1 c2 c3 looks-bad g/a" {
		t.Errorf("pg: %+v", b)
	}
	<-ended

	back := time.Now()
	if err := server.reopen(addr); err != nil {
		t.Fatal(err)
	}
	s.wait("running", names...)
	s.turned("looks-bad", "healthy", 2)
	for _, name := range names {
		p := s.status(name)
		if p.Restarts != 0 || p.State != "running" {
			t.Errorf("%s after the outage: %+v", name, p)
		}
		last := time.Time{}
		for _, e := range s.events(name) {
			if e.To == "running" {
				last = e.Time
			}
		}
		if took := last.Sub(back); took > 2*time.Second+slack {
			t.Errorf("%s was back after %v", name, took)
		}
	}
	if p := s.status("free"); p.Run != 1 {
		t.Errorf("free: %+v", p)
	}
	if p := s.status("looks-bad"); p.Run != 1 {
		t.Errorf("looks-bad: %+v", p)
	}
	if b := s.breaker("pg"); b.State != "closed" || b.Failures != 0 {
		t.Errorf("pg: %+v", b)
	}
	s.act("stop", "all")
}

// reopen listens again where it did before.
func (p *patient) reopen(addr string) (err error) {
	// It is only taken if somebody else was given the port meanwhile.
	if !eventually(func() bool { p.l, err = net.Listen("tcp", addr); return err == nil }) {
		return err
	}
	go p.accept(p.l)
	return nil
}

func (s *supervisor) breaker(name string) control.Breaker {
	s.t.Helper()
	list, err := s.client.Breakers(s.t.Context(), name)
	if err != nil || len(list) != 1 {
		s.t.Fatalf("breaker %s: %v, %v", name, list, err)
	}
	return list[0]
}
