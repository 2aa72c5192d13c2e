package procman

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gosup/healthcheck"
	"gosup/spec"
	"gosup/tree"
)

// timings are what no snapshot tells: how long things have taken. They may
// be used on any goroutine.
type timings struct {
	all  *measures
	loop *histogram
}

// The upper bounds of the histograms, in seconds.
func loopBounds() []float64 {
	return []float64{.0001, .00025, .001, .0025, .01, .025, .1, .25, 1, 2.5, 10}
}
func probeBounds() []float64 { return []float64{.001, .0025, .01, .025, .1, .25, .5, 1, 2.5, 5, 10} }

func newTimings() timings {
	all := newMeasures()
	return timings{all: all, loop: all.histogram("gosup_loop_latency_seconds", loopBounds())}
}

// acted takes how long it took from when something had happened, or was due,
// until the loop had acted on it.
func (t timings) acted(late time.Duration) { t.loop.observe(max(0, late).Seconds()) }

// probed takes the result of a probe.
func (t timings) probed(e tree.Probe, r healthcheck.Result) {
	family, labels := "gosup_probe", probeLabels(e.Process, e.Name)
	if e.Dependency != "" {
		family, labels = "gosup_dependency_probe", fmt.Sprintf("dependency=%q", e.Dependency)
	}
	t.all.histogram(family+"_duration_seconds{"+labels+"}", probeBounds()).observe(r.Latency.Seconds())
	t.all.count(fmt.Sprintf("%ss_total{%s,result=%q}", family, labels, healths[r.Verdict]))
}

// probeLabels need no further escaping: the names are plain.
func probeLabels(process, check string) string {
	if check == "" {
		check = "health"
	}
	return fmt.Sprintf("process=%q,check=%q", process, check)
}

// keep forgets the probes of a process but for those of these checks.
func (t timings) keep(process string, checks []string) {
	t.all.forget(func(name string) bool {
		_, labels, _ := strings.Cut(name, "{")
		return strings.HasPrefix(labels, fmt.Sprintf("process=%q,", process)) &&
			!slices.ContainsFunc(checks, func(c string) bool { return strings.HasPrefix(labels, probeLabels(process, c)) })
	})
}

func checkNames(p *spec.Process) []string {
	names := []string{"readiness"}
	for i := range p.Checks {
		names = append(names, p.Checks[i].Name)
	}
	return names
}

// WriteMeasured writes how long the loop and the probes have taken, as samples
// in the text format of Prometheus, each family in one piece.
func (m *Manager) WriteMeasured(w io.Writer) { m.timings.all.write(w) }
