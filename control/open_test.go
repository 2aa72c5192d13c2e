package control

import (
	"bytes"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// autostart returns a process that starts with the daemon.
func autostart(n *tree.Node) *tree.Node {
	return with(n, func(n *tree.Node) {
		p := *n.Process
		p.Autostart = true
		n.Process = &p
	})
}

func TestReadyz(t *testing.T) {
	t.Parallel()
	up := autostart(running(1, "up"))
	health := func(h tree.Health) *tree.Node {
		return with(up, func(n *tree.Node) { n.Health, n.HealthReason = h, "a secret of the process" })
	}
	done := in(up, tree.StateExited, "exited with code 0")
	done.LastExit = &tree.Exit{Code: 0}
	lost := in(up, tree.StateExited, "exited with code 3")
	lost.LastExit = &tree.Exit{Code: 3}
	for _, test := range []struct {
		name  string
		nodes []*tree.Node
		want  string
	}{
		{"nothing to run", nil, "ok\n"},
		{"running", []*tree.Node{up}, "ok\n"},
		{"no checks yet", []*tree.Node{health(tree.HealthUnknown)}, "ok\n"},
		{"degraded", []*tree.Node{health(tree.Degraded)}, "ok\n"},
		{"unhealthy", []*tree.Node{health(tree.HealthBad)}, "up running, unhealthy\n"},
		{"done with success", []*tree.Node{done}, "ok\n"},
		{"over without success", []*tree.Node{lost}, "up exited\n"},
		{"not started by itself", []*tree.Node{in(running(1, "off"), tree.StateStopped, "")}, "ok\n"},
		{"listens for what starts it", []*tree.Node{with(in(up, tree.StateWaiting, ""), func(n *tree.Node) {
			n.Cause = &tree.Cause{Kind: tree.CauseConnection}
		})}, "ok\n"},
		{"waits for another", []*tree.Node{in(up, tree.StateWaiting, "")}, "up waiting\n"},
		{"stopped by a person", []*tree.Node{in(up, tree.StateStopped, "")}, "up stopped\n"},
		{"starting", []*tree.Node{in(up, tree.StateStarting, "")}, "up starting\n"},
		{"several", []*tree.Node{in(up, tree.StateBackoff, "a secret"), health(tree.Healthy), in(autostart(running(2, "api/b")), tree.StateFailed, "")},
			"up backoff\napi/b failed\n"},
		{"a group is no process", []*tree.Node{{ID: 3, Name: "api", IsGroup: true, State: tree.StateFailed}, up}, "ok\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := serve(t, newFake(test.nodes...)).serveTCP(t, nil, spec.Supervisor{})
			resp, body := p.raw(t, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
			status := http.StatusServiceUnavailable
			if test.want == "ok\n" {
				status = http.StatusOK
			}
			if resp.StatusCode != status || body != test.want {
				t.Errorf("got %s %q, want %d %q", resp.Status, body, status, test.want)
			}
		})
	}
	f := newFake(up)
	f.snap.Stopping = true
	resp, body := serve(t, f).raw(t, "GET /readyz HTTP/1.1\nHost: x\n\n")
	if resp.StatusCode != http.StatusServiceUnavailable || body != "gosup is shutting down\n" {
		t.Errorf("while it ends: %s %q", resp.Status, body)
	}
}

func TestLivez(t *testing.T) {
	t.Parallel()
	f := newFake()
	w := serve(t, f)
	if resp, body := w.raw(t, "GET /livez HTTP/1.1\nHost: x\n\n"); resp.StatusCode != http.StatusOK || body != "ok\n" {
		t.Errorf("%s %q", resp.Status, body)
	}
	conn := w.dial(t)
	io.WriteString(conn, "HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if all, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 200 OK\r\n") {
		t.Errorf("HEAD: %q, %v", all, err)
	}
	f.stuck.Store(true)
	w.server.pulse.mu.Lock()
	w.server.pulse.at = time.Time{} // the answer of before is over
	w.server.pulse.mu.Unlock()
	if resp, body := w.raw(t, "GET /livez HTTP/1.1\nHost: x\n\n"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("with a loop that does not turn: %s %q", resp.Status, body)
	}
}

// scraped returns what Prometheus makes of /metrics.
func scraped(t *testing.T, w *world) map[string]*dto.MetricFamily {
	t.Helper()
	resp, body := w.raw(t, "GET /metrics HTTP/1.1\nHost: x\n\n")
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Fatalf("%s, %s", resp.Status, got)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	all, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	return all
}

// rich is a tree with something for every family.
func rich(t *testing.T) *world {
	web := autostart(running(2, "api/web"))
	web.Group, web.Health, web.TotalRestarts, web.Failures, web.Run = "api", tree.Degraded, 3, 4, 8
	web.Process.Checks = []spec.Check{{Name: "http"}, {Name: "tcp"}}
	web.Checks = []tree.Checkup{
		{Name: "http", Health: tree.Degraded, At: tree.Time(99 * time.Second), Latency: 250 * time.Millisecond},
		{Name: "tcp", Health: tree.HealthBad, Failed: 2},
	}
	web.Ends = tree.Ends{By: [5]uint64{tree.Ended: 1, tree.Signalled: 2}, OOM: 1}
	web.LastExit = &tree.Exit{Code: -1, Signal: 9, Name: "SIGKILL", At: tree.Time(89 * time.Second), Cause: tree.Signalled}
	down := in(running(3, "job"), tree.StateBackoff, "restart 1 of 5")
	down.NextStartAt, down.Limit.Max = tree.Time(101*time.Second), policy.Unlimited
	down.LastExit = &tree.Exit{Code: 7}
	f := newFake(&tree.Node{ID: 1, Name: "api", IsGroup: true, State: tree.StateRunning, HasBudget: true, Limit: policy.Limit{Max: 4}, TotalRestarts: 6}, web, down)
	f.snap.Breakers = []tree.Breaker{{Name: "pg", State: policy.Open, Failures: 9}}
	f.measured = "gosup_loop_latency_seconds_bucket{le=\"+Inf\"} 2\ngosup_loop_latency_seconds_sum 0.5\ngosup_loop_latency_seconds_count 2\n" +
		"gosup_probe_duration_seconds_bucket{process=\"api/web\",check=\"http\",le=\"+Inf\"} 1\n" +
		"gosup_probe_duration_seconds_sum{process=\"api/web\",check=\"http\"} 1\ngosup_probe_duration_seconds_count{process=\"api/web\",check=\"http\"} 1\n" +
		"gosup_probes_total{process=\"api/web\",check=\"http\",result=\"healthy\"} 5\n" +
		"gosup_dependency_probe_duration_seconds_bucket{dependency=\"pg\",le=\"+Inf\"} 1\n" +
		"gosup_dependency_probe_duration_seconds_sum{dependency=\"pg\"} 1\ngosup_dependency_probe_duration_seconds_count{dependency=\"pg\"} 1\n" +
		"gosup_dependency_probes_total{dependency=\"pg\",result=\"unhealthy\"} 1\nsomething_else 1\n"
	return serve(t, f, func(o *Options, _ *deadlines, _ *Socket) { o.Reloader = planner{} })
}

// Every family has samples, is of the kind that it says, is explained, and is
// in the documentation.
func TestMetricFamilies(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere little is known of gosup itself")
	}
	page, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	got := scraped(t, rich(t))
	kinds := map[string]dto.MetricType{gauge: dto.MetricType_GAUGE, counter: dto.MetricType_COUNTER, histogram: dto.MetricType_HISTOGRAM}
	for _, f := range families() {
		family := got[f.name]
		if family == nil {
			t.Errorf("%s has no sample", f.name)
			continue
		}
		delete(got, f.name)
		if family.GetType() != kinds[f.kind] || family.GetHelp() != f.help || len(f.help) < 10 || !strings.HasSuffix(f.help, ".") {
			t.Errorf("%s is %v, %q", f.name, family.GetType(), family.GetHelp())
		}
		if (f.kind == counter) != strings.HasSuffix(f.name, "_total") {
			t.Errorf("%s: a counter, and nothing else, is named _total", f.name)
		}
		if !bytes.Contains(page, []byte("`"+f.name+"`")) {
			t.Errorf("docs/monitoring.md does not name %s", f.name)
		}
	}
	for name := range got {
		t.Errorf("%s is in no table", name)
	}
}

func TestMetricValues(t *testing.T) {
	t.Parallel()
	all := scraped(t, rich(t))
	inf := math.Inf(1)
	for _, test := range []struct {
		name   string
		labels map[string]string
		want   float64
	}{
		{"gosup_ready", nil, 1},
		{"gosup_processes", map[string]string{"state": "backoff"}, 1},
		{"gosup_processes", map[string]string{"state": "failed"}, 0},
		{"gosup_orphans_reaped_total", nil, 7},
		{"gosup_config_last_reload_successful", nil, 1},
		{"gosup_config_last_reload_success_timestamp_seconds", nil, float64(boot.Unix())},
		{"gosup_process_info", map[string]string{"process": "api/web", "group": "api", "type": "service", "autostart": "true"}, 1},
		{"gosup_process_state", map[string]string{"process": "api/web", "state": "running"}, 1},
		{"gosup_process_state", map[string]string{"process": "api/web", "state": "failed"}, 0},
		{"gosup_process_up", map[string]string{"process": "job"}, 0},
		{"gosup_process_health", map[string]string{"process": "api/web", "health": "degraded"}, 1},
		{"gosup_process_start_time_seconds", map[string]string{"process": "api/web"}, float64(boot.Unix() + 90)},
		{"gosup_process_next_start_time_seconds", map[string]string{"process": "job"}, float64(boot.Unix() + 101)},
		{"gosup_process_starts_total", map[string]string{"process": "api/web"}, 8},
		{"gosup_process_restarts_total", map[string]string{"process": "api/web"}, 3},
		{"gosup_process_failures_total", map[string]string{"process": "api/web"}, 4},
		{"gosup_process_exits_total", map[string]string{"process": "api/web", "cause": "signalled"}, 2},
		{"gosup_process_exits_total", map[string]string{"process": "api/web", "cause": "start_failed"}, 0},
		{"gosup_process_oom_kills_total", map[string]string{"process": "api/web"}, 1},
		{"gosup_process_last_exit_code", map[string]string{"process": "api/web"}, 137},
		{"gosup_process_last_exit_code", map[string]string{"process": "job"}, 7},
		{"gosup_process_budget_limit", map[string]string{"process": "api/web"}, 5},
		{"gosup_process_budget_limit", map[string]string{"process": "job"}, inf},
		{"gosup_process_cpu_seconds_total", map[string]string{"process": "api/web"}, 2},
		{"gosup_process_memory_bytes", map[string]string{"process": "api/web"}, 2 << 20},
		{"gosup_process_log_bytes_total", map[string]string{"process": "job"}, 3000},
		{"gosup_process_log_dropped_bytes_total", map[string]string{"process": "job"}, 10},
		{"gosup_check_health", map[string]string{"process": "api/web", "check": "tcp", "health": "unhealthy"}, 1},
		{"gosup_check_failures", map[string]string{"process": "api/web", "check": "tcp"}, 2},
		{"gosup_check_latency_seconds", map[string]string{"process": "api/web", "check": "http"}, 0.25},
		{"gosup_group_state", map[string]string{"group": "api", "state": "running"}, 1},
		{"gosup_group_restarts_total", map[string]string{"group": "api"}, 6},
		{"gosup_group_budget_limit", map[string]string{"group": "api"}, 4},
		{"gosup_breaker_state", map[string]string{"dependency": "pg", "state": "open"}, 1},
		{"gosup_breaker_failures", map[string]string{"dependency": "pg"}, 9},
		{"gosup_probes_total", map[string]string{"process": "api/web", "check": "http", "result": "healthy"}, 5},
	} {
		if got, ok := value(all[test.name], test.labels); !ok || got != test.want {
			t.Errorf("%s%v: got %v, %v, want %v", test.name, test.labels, got, ok, test.want)
		}
	}
	if _, ok := value(all["gosup_check_latency_seconds"], map[string]string{"check": "tcp"}); ok {
		t.Error("a check without a result has a latency")
	}
	if _, ok := value(all["gosup_process_memory_bytes"], map[string]string{"process": "job"}); ok {
		t.Error("what does not run uses memory")
	}
}

// value returns the value of the one sample that has these labels.
func value(f *dto.MetricFamily, labels map[string]string) (float64, bool) {
	for _, m := range f.GetMetric() {
		has := 0
		for _, l := range m.GetLabel() {
			if labels[l.GetName()] == l.GetValue() {
				has++
			}
		}
		if has == len(labels) {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue(), true
		}
	}
	return 0, false
}

// However many ask, the tree is measured once a second, and what they get is
// whole.
func TestMetricsAreMadeOnce(t *testing.T) {
	t.Parallel()
	var p page
	made := 0
	measure := func() []byte { made++; return []byte("text") }
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if got := p.get(measure); string(got) != "text" {
				t.Errorf("got %q", got)
			}
		})
	}
	all.Wait()
	first := p.get(measure)
	if made > 2 { // one, or one more if the garbage was collected in between
		t.Errorf("measured %d times", made)
	}
	p.at = p.at.Add(-pageAge)
	made = 0
	p.get(measure)
	if made != 1 {
		t.Error("an old page was given")
	}
	runtime.KeepAlive(first)
}

// Those who are sent the same text do not get in each other's way.
func TestMetricsForMany(t *testing.T) {
	t.Parallel()
	w := rich(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, body := w.raw(t, "GET /metrics HTTP/1.1\nHost: x\n\n"); !strings.HasPrefix(body, "# HELP gosup_build_info ") || !strings.HasSuffix(body, "\n") {
				t.Errorf("half an answer: %q", body)
			}
		})
	}
	all.Wait()
}

func TestLabelIsEscaped(t *testing.T) {
	t.Parallel()
	if got, want := label("a", "b\\c\"d\ne"), `a="b\\c\"d\ne"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkMetrics1000(b *testing.B) {
	nodes := make([]*tree.Node, 1000)
	for i := range nodes {
		nodes[i] = autostart(running(tree.NodeID(i+1), "group/process-"+strings.Repeat("x", i%10)))
	}
	s := newServer(newFake(nodes...), Options{Log: slog.New(slog.DiscardHandler)}, defaultDeadlines())
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(s.measure())))
	}
}
