package control

import (
	"math"
	"runtime"
	"strconv"
	"time"

	"gosup/policy"
	"gosup/tree"
)

// The kinds of families.
const (
	gauge     = "gauge"
	counter   = "counter"
	histogram = "histogram"
)

// emit takes a sample: its labels as label makes them, in one or two parts, and
// its value.
type emit func(labels, more string, value float64)

// family is a metric with all its samples.
type family struct {
	name string
	kind string
	help string
	each func(m *scrape, to emit) // nil where others write the samples
}

// families returns all metrics that there are.
func families() []family {
	return []family{
		{"gosup_build_info", gauge, "Which gosup this is; always 1.", buildInfo},
		{"gosup_ready", gauge, "Whether /readyz says that all is well.", single(func(m *scrape) float64 {
			return bit(len(unready(m.snap)) == 0 && !m.snap.Stopping)
		})},
		{"gosup_stopping", gauge, "Whether gosup is shutting down.", single(func(m *scrape) float64 { return bit(m.snap.Stopping) })},
		{"gosup_processes", gauge, "How many processes are in a state.", processes},
		{"gosup_orphans_reaped_total", counter, "Orphans that gosup has reaped and that no process of its own had left.",
			single(func(m *scrape) float64 { return float64(m.s.sup.Strangers()) })},
		{"gosup_api_unauthorized_total", counter, "Requests by network for the API without a token that is known.",
			single(func(m *scrape) float64 { return float64(m.s.strangers.Load()) })},
		{"gosup_config_last_reload_successful", gauge, "Whether the last reload of the configuration was applied.",
			reloads(func(ok bool, _ time.Time) float64 { return bit(ok) })},
		{"gosup_config_last_reload_success_timestamp_seconds", gauge, "When the configuration was last read and applied.",
			reloads(func(_ bool, at time.Time) float64 { return unixSeconds(at) })},
		{"gosup_loop_latency_seconds", histogram, "From when something had happened, or was due, until the supervision loop had acted on it.", nil},

		{"gosup_process_info", gauge, "What a process is; always 1.", processInfo},
		{"gosup_process_state", gauge, "1 for the state that a process is in, 0 for the others.", states(false)},
		{"gosup_process_up", gauge, "Whether a process runs, past its readiness.",
			ofEach(func(_ *scrape, n *tree.Node) (float64, bool) { return bit(n.State == tree.StateRunning), true })},
		{"gosup_process_health", gauge, "1 for the health of a process, 0 for the others. For processes with a health check.", healths},
		{"gosup_process_start_time_seconds", gauge, "When the current run began.",
			ofEach(func(m *scrape, n *tree.Node) (float64, bool) { return m.when(n.StartedAt), n.StartedAt != 0 })},
		{"gosup_process_next_start_time_seconds", gauge, "When a process in backoff starts again.",
			ofEach(func(m *scrape, n *tree.Node) (float64, bool) { return m.when(n.NextStartAt), n.NextStartAt != 0 })},
		{"gosup_process_starts_total", counter, "Starts, whoever wanted them.", count(func(n *tree.Node) uint64 { return n.Run })},
		{"gosup_process_restarts_total", counter, "Automatic restarts.", count(func(n *tree.Node) uint64 { return n.TotalRestarts })},
		{"gosup_process_failures_total", counter, "Ends that nobody had ordered and that were no success, failed starts included.",
			count(func(n *tree.Node) uint64 { return n.Failures })},
		{"gosup_process_exits_total", counter, "Ends, by their cause.", exits},
		{"gosup_process_oom_kills_total", counter, "Ends by the kernel, for want of memory.",
			count(func(n *tree.Node) uint64 { return n.Ends.OOM })},
		{"gosup_process_last_exit_code", gauge, "How the last run ended: its exit code, or 128 and the number of the signal.", lastExit},
		{"gosup_process_last_exit_time_seconds", gauge, "When the last run ended.",
			ofEach(func(m *scrape, n *tree.Node) (float64, bool) {
				if n.LastExit == nil {
					return 0, false
				}
				return m.when(n.LastExit.At), true
			})},
		{"gosup_process_budget_restarts", gauge, "Automatic restarts that the budget of a process remembers.", used(false)},
		{"gosup_process_budget_limit", gauge, "How many it may remember before the process is given up; +Inf for no limit.", limit(false)},
		{"gosup_process_cpu_seconds_total", counter, "CPU time of the current run, with all its descendants that live or were waited for.",
			ofUsage(func(u usage) float64 { return u.cpu.Seconds() })},
		{"gosup_process_memory_bytes", gauge, "Resident memory of a process and all its descendants; what several share counts for each.",
			ofUsage(func(u usage) float64 { return float64(u.memoryBytes) })},
		{"gosup_process_log_bytes_total", counter, "Bytes of output that gosup has carried.",
			ofEach(func(m *scrape, n *tree.Node) (float64, bool) { return float64(m.s.sup.Output(n).Bytes), true })},
		{"gosup_process_log_dropped_bytes_total", counter, "Bytes of output of these that could not be written and are lost.",
			ofEach(func(m *scrape, n *tree.Node) (float64, bool) { return float64(m.s.sup.Output(n).Dropped), true })},
		{"gosup_process_log_rotations_total", counter, "How often the log files of a process were rotated.",
			ofEach(func(m *scrape, n *tree.Node) (float64, bool) { return float64(m.s.sup.Output(n).Rotations), true })},
		{"gosup_process_log_stalled", gauge, "Whether a process has to wait until its output can be written.",
			ofEach(func(m *scrape, n *tree.Node) (float64, bool) { return bit(m.s.sup.Output(n).Stalled), true })},

		{"gosup_check_health", gauge, "1 for what a health check says, 0 for what it does not.", checks},
		{"gosup_check_failures", gauge, "Failures of a health check in a row.",
			ofChecks(func(c *tree.Checkup) (float64, bool) { return float64(c.Failed), true })},
		{"gosup_check_latency_seconds", gauge, "How long the last probe of a health check took.",
			ofChecks(func(c *tree.Checkup) (float64, bool) { return c.Latency.Seconds(), c.At != 0 })},
		{"gosup_probe_duration_seconds", histogram, "How long the probes of a health check, and of readiness, took.", nil},
		{"gosup_probes_total", counter, "Probes by what they have found, before any threshold.", nil},

		{"gosup_group_state", gauge, "1 for the state that a group is in, 0 for the others.", states(true)},
		{"gosup_group_restarts_total", counter, "Automatic restarts that a group has carried out.", groupRestarts},
		{"gosup_group_budget_restarts", gauge, "Automatic restarts that the budget of a group remembers.", used(true)},
		{"gosup_group_budget_limit", gauge, "How many it may remember before the group is given up; +Inf for no limit.", limit(true)},

		{"gosup_breaker_state", gauge, "1 for the state that the circuit breaker of a dependency is in, 0 for the others.", breakerStates},
		{"gosup_breaker_failures", gauge, "Failures of a dependency in a row.", breakerFailures},
		{"gosup_dependency_probe_duration_seconds", histogram, "How long the probes of a dependency took.", nil},
		{"gosup_dependency_probes_total", counter, "Probes of a dependency by what they have found.", nil},

		{"go_goroutines", gauge, "Goroutines of gosup itself.", single(func(*scrape) float64 { return float64(runtime.NumGoroutine()) })},
		{"process_cpu_seconds_total", counter, "CPU time of gosup itself.", selfCPU},
		{"process_resident_memory_bytes", gauge, "Resident memory of gosup itself.", selfMemory(1)},
		{"process_virtual_memory_bytes", gauge, "Address space of gosup itself.", selfMemory(0)},
		{"process_start_time_seconds", gauge, "When gosup began.", selfStart},
		{"process_num_threads", gauge, "Threads of gosup itself.", selfEntries("/proc/self/task", 0)},
		{"process_open_fds", gauge, "Open descriptors of gosup itself.", selfEntries("/proc/self/fd", 1)},
		{"process_max_fds", gauge, "How many it may have.", selfMaxFiles},
	}
}

func bit(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// when is a point of the tree's clock as Prometheus counts time.
func (m *scrape) when(t tree.Time) float64 { return unixSeconds(m.clock.wall(t)) }

// single is a family of one sample without labels.
func single(value func(m *scrape) float64) func(*scrape, emit) {
	return func(m *scrape, to emit) { to("", "", value(m)) }
}

// nodes visits the processes, or the groups, with the label that names each.
func (m *scrape) nodes(groups bool, visit func(n *tree.Node, name string)) {
	for i, n := range m.snap.Nodes {
		if n.IsGroup == groups {
			visit(n, m.names[i])
		}
	}
}

// named returns the labels that name the nodes of a snapshot: all families have
// them.
func named(snap *tree.Snapshot) []string {
	out := make([]string, len(snap.Nodes))
	for i, n := range snap.Nodes {
		kind := "process"
		if n.IsGroup {
			kind = "group"
		}
		out[i] = label(kind, n.Name)
	}
	return out
}

// ofEach is a family of one sample for each process that has a value.
func ofEach(value func(m *scrape, n *tree.Node) (float64, bool)) func(*scrape, emit) {
	return func(m *scrape, to emit) {
		m.nodes(false, func(n *tree.Node, name string) {
			if v, ok := value(m, n); ok {
				to(name, "", v)
			}
		})
	}
}

func count(of func(n *tree.Node) uint64) func(*scrape, emit) {
	return ofEach(func(_ *scrape, n *tree.Node) (float64, bool) { return float64(of(n)), true })
}

func ofUsage(value func(u usage) float64) func(*scrape, emit) {
	return ofEach(func(m *scrape, n *tree.Node) (float64, bool) {
		u, ok := m.clock.usage[usageKey{n.ID, n.Run}]
		return value(u), ok && n.PID != 0
	})
}

// choice is a label that has one of some words.
type choice struct{ words, labels []string }

func newChoice(name string, words []string) choice {
	c := choice{words: words}
	for _, w := range words {
		c.labels = append(c.labels, label(name, w))
	}
	return c
}

// among emits a sample for each of the words: 1 for the one that is, else 0.
func (c choice) among(to emit, labels, is string) {
	for i, w := range c.words {
		to(labels, c.labels[i], bit(w == is))
	}
}

func buildInfo(m *scrape, to emit) {
	to(label("version", m.s.opts.Version)+","+label("go_version", runtime.Version()), label("name", m.s.sup.Name()), 1)
}

func processes(m *scrape, to emit) {
	in := map[string]int{}
	m.nodes(false, func(n *tree.Node, _ string) { in[n.State.String()]++ })
	for _, s := range tree.States() {
		to(label("state", s), "", float64(in[s]))
	}
}

// reloads is a family about the configuration file, where there is one.
func reloads(value func(ok bool, at time.Time) float64) func(*scrape, emit) {
	return func(m *scrape, to emit) {
		if r := m.s.opts.Reloader; r != nil {
			to("", "", value(r.LastReload()))
		}
	}
}

func processInfo(m *scrape, to emit) {
	m.nodes(false, func(n *tree.Node, name string) {
		p := n.Process
		to(name, label("group", n.Group)+","+label("type", p.Type.String())+","+
			label("restart_policy", p.Restart.Policy.String())+","+label("autostart", strconv.FormatBool(p.Autostart)), 1)
	})
}

func states(groups bool) func(*scrape, emit) {
	return func(m *scrape, to emit) {
		c := newChoice("state", tree.States())
		m.nodes(groups, func(n *tree.Node, name string) { c.among(to, name, n.State.String()) })
	}
}

// sayings are what a health check can say.
func sayings() choice {
	var words []string
	for _, h := range []tree.Health{tree.HealthUnknown, tree.Healthy, tree.Degraded, tree.HealthBad} {
		words = append(words, h.String())
	}
	return newChoice("health", words)
}

func healths(m *scrape, to emit) {
	c := sayings()
	m.nodes(false, func(n *tree.Node, name string) {
		if n.Process.Checks != nil {
			c.among(to, name, n.Health.String())
		}
	})
}

func (m *scrape) checks(visit func(c *tree.Checkup, labels string)) {
	m.nodes(false, func(n *tree.Node, name string) {
		for i := range n.Checks {
			check := n.Checks[i].Name
			if check == "" {
				check = "health" // where the file has one check and no name for it
			}
			visit(&n.Checks[i], name+","+label("check", check))
		}
	})
}

func checks(m *scrape, to emit) {
	says := sayings()
	m.checks(func(c *tree.Checkup, labels string) { says.among(to, labels, c.Health.String()) })
}

func ofChecks(value func(c *tree.Checkup) (float64, bool)) func(*scrape, emit) {
	return func(m *scrape, to emit) {
		m.checks(func(c *tree.Checkup, labels string) {
			if v, ok := value(c); ok {
				to(labels, "", v)
			}
		})
	}
}

func exits(m *scrape, to emit) {
	causes := newChoice("cause", tree.Endings())
	m.nodes(false, func(n *tree.Node, name string) {
		for i, cause := range causes.labels {
			to(name, cause, float64(n.Ends.By[i]))
		}
	})
}

func lastExit(m *scrape, to emit) {
	m.nodes(false, func(n *tree.Node, name string) {
		if e := n.LastExit; e != nil && (e.Code >= 0 || e.Signal != 0) {
			to(name, "", float64(e.ShellCode()))
		}
	})
}

// used and limit are families about restart budgets.
func used(groups bool) func(*scrape, emit) {
	return func(m *scrape, to emit) {
		m.nodes(groups, func(n *tree.Node, name string) {
			if n.HasBudget {
				to(name, "", float64(n.Restarts(m.clock.now)))
			}
		})
	}
}

func limit(groups bool) func(*scrape, emit) {
	return func(m *scrape, to emit) {
		m.nodes(groups, func(n *tree.Node, name string) {
			switch {
			case n.HasBudget && n.Limit.Max == policy.Unlimited:
				to(name, "", math.Inf(1))
			case n.HasBudget:
				to(name, "", float64(n.Limit.Max))
			}
		})
	}
}

func groupRestarts(m *scrape, to emit) {
	m.nodes(true, func(n *tree.Node, name string) { to(name, "", float64(n.TotalRestarts)) })
}

func breakerStates(m *scrape, to emit) {
	c := newChoice("state", []string{policy.Closed.String(), policy.Open.String(), policy.HalfOpen.String()})
	for _, b := range m.snap.Breakers {
		c.among(to, label("dependency", b.Name), b.State.String())
	}
}

func breakerFailures(m *scrape, to emit) {
	for _, b := range m.snap.Breakers {
		to(label("dependency", b.Name), "", float64(b.Failures))
	}
}
