package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// raw sends a request as text and returns the answer.
func (w *world) raw(t *testing.T, text string) (*http.Response, string) {
	t.Helper()
	conn := w.dial(t)
	fmt.Fprint(conn, strings.ReplaceAll(text, "\n", "\r\n"))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// The keys and meanings that scripts rely on, in full.
func TestProcessJSON(t *testing.T) {
	t.Parallel()
	down := in(running(2, "api/job"), tree.StateBackoff, "restart 1 of 5, after: killed by SIGKILL")
	down.Group = "api"
	down.NextStartAt = tree.Time(102500 * time.Millisecond)
	down.LastExit = &tree.Exit{Code: -1, Signal: 9, Name: "SIGKILL", OOM: true, At: tree.Time(99 * time.Second), Ran: 1500 * time.Millisecond, Cause: tree.Signalled}
	down.WaitingOn = []string{"db"}
	down.TotalRestarts = 3
	down.Limit = policy.Limit{Max: policy.Unlimited, Within: time.Minute}
	up := running(3, "web")
	up.LastExit = &tree.Exit{Code: 1, At: tree.Time(89 * time.Second), Ran: time.Minute}
	up.Health, up.HealthReason = tree.Degraded, "slow"
	w := serve(t, newFake(&tree.Node{ID: 1, Name: "api", IsGroup: true}, down, up))

	_, body := w.raw(t, "GET /v1/processes HTTP/1.1\nHost: x\nConnection: close\n\n")
	want := `[
 {"name":"api/job","group":"api","state":"backoff","health":"none","health_reason":"","pid":0,"ready":false,
  "started_at":null,"uptime_seconds":null,"restarts":0,"total_restarts":3,"max_restarts":-1,"within_seconds":60,
  "next_start_at":"2026-11-23T06:01:42.5Z","reason":"restart 1 of 5, after: killed by SIGKILL","waiting_on":["db"],
  "last_exit":{"code":null,"signal":"SIGKILL","at":"2026-11-23T06:01:39Z","run_seconds":1.5,"oom_killed":true,"core_dumped":false,"cause":"signalled"},
  "run":1,"succeeded":false,"frozen":false,"cpu_percent":null,"memory_bytes":null},
 {"name":"web","group":"","state":"running","health":"degraded","health_reason":"slow","pid":1003,"ready":true,
  "started_at":"2026-11-23T06:01:30Z","uptime_seconds":10,"restarts":0,"total_restarts":0,"max_restarts":5,"within_seconds":60,
  "next_start_at":null,"reason":"","waiting_on":[],
  "last_exit":{"code":1,"signal":"","at":"2026-11-23T06:01:29Z","run_seconds":60,"oom_killed":false,"core_dumped":false,"cause":"exited"},
  "run":1,"succeeded":false,"frozen":false,"cpu_percent":null,"memory_bytes":null}
]`
	var g, v any
	if err := json.Unmarshal([]byte(body), &g); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &v); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v, g); diff != "" {
		t.Errorf("got %s\n(-want +got)\n%s", body, diff)
	}
}

func TestEventJSON(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.note(tree.Note{
		Type: tree.NoteState, Process: "web", From: "running", To: "backoff", PID: 77, By: "uid 0", Detail: "x",
		Cause: &tree.Cause{Kind: tree.CauseStart, Text: "no such file"}, Exit: &tree.Exit{Code: 2},
	})
	w := serve(t, f)
	var got []string
	err := w.client().Events(soon(t), EventsRequest{Last: -1}, func(line []byte, _ bool) error {
		got = append(got, string(line))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`{"seq":1,"time":"2026-11-23T06:01:40Z","type":"state","process":"web","from":"running","to":"backoff",` +
		`"cause":"could not be started: no such file","pid":77,` +
		`"exit":{"code":2,"signal":"","at":"2026-11-23T06:00:00Z","run_seconds":0,"oom_killed":false,"core_dumped":false,"cause":"exited"},` +
		`"by":"uid 0","detail":"x"}`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	w := serve(t, newFake(running(1, "api/web"), running(2, "worker/web"), running(3, "db@1"), running(4, "db@2")))
	get := func(path string) string { return "GET " + path + " HTTP/1.1\nHost: x\n\n" }
	post := func(path, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\nHost: x\nContent-Length: %d\n\n%s", path, len(body), body)
	}
	for _, test := range []struct {
		name    string
		request string
		status  int
		code    Code
		detail  string
	}{
		{"unknown name", get("/v1/processes?name=nope"), 404, CodeUnknownProcess, `no process or group "nope"`},
		{"unknown path name", get("/v1/processes/a/b"), 404, CodeUnknownProcess, `no process or group "a/b"`},
		{"ambiguous name", get("/v1/processes/web"), 404, CodeUnknownProcess, `"web" is ambiguous: api/web, worker/web`},
		{"several", get("/v1/processes/db"), 400, CodeBadRequest, "db means 2 processes"},
		{"no such resource", get("/v1/nope"), 404, CodeNotFound, "the API has no /v1/nope"},
		{"wrong method", get("/v1/actions/stop"), 405, CodeBadRequest, "/v1/actions/stop takes POST, not GET"},
		{"web page", "GET /v1/processes HTTP/1.1\nHost: x\nOrigin: http://evil.example\n\n", 403, CodeForbidden, "Origin"},
		{"no body", post("/v1/actions/stop", ""), 400, CodeBadRequest, "it is empty"},
		{"no JSON", post("/v1/actions/stop", "{names"), 400, CodeBadRequest, "invalid character"},
		{"misspelt key", post("/v1/actions/stop", `{"nams":["db"]}`), 400, CodeBadRequest, `unknown field "nams"`},
		{"two values", post("/v1/actions/stop", `{"names":["db"]} {}`), 400, CodeBadRequest, "something follows"},
		{"no names", post("/v1/actions/stop", `{}`), 400, CodeBadRequest, "no names were given"},
		{"bad signal", post("/v1/actions/signal", `{"names":["db"],"signal":"FOO"}`), 400, CodeBadRequest, `there is no signal "FOO"`},
		{"signal of a stop", post("/v1/actions/stop", `{"names":["db"],"signal":"HUP"}`), 400, CodeBadRequest, "stop takes no signal"},
		{"bad urgency", post("/v1/shutdown", `{"urgency":"now"}`), 400, CodeBadRequest, `no urgency "now"`},
		{"bad wait", get("/v1/wait?name=db&for=up"), 400, CodeBadRequest, `no state "up"`},
		{"wait without name", get("/v1/wait?for=running"), 400, CodeBadRequest, "no name"},
		{"bad timeout", get("/v1/wait?name=db&for=running&timeout=soon"), 400, CodeBadRequest, `"soon" is no positive duration`},
		{"bad since", get("/v1/events?since=yesterday"), 400, CodeBadRequest, `"yesterday" is neither`},
		{"events of nobody", get("/v1/events?name=nope"), 404, CodeUnknownProcess, `no process or group "nope"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			resp, body := w.raw(t, test.request)
			var p Problem
			if err := json.Unmarshal([]byte(body), &p); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("media type %s", got)
			}
			if resp.StatusCode != test.status || p.Status != test.status || p.Code != test.code || !strings.Contains(p.Detail, test.detail) {
				t.Errorf("got %d %+v", resp.StatusCode, p)
			}
		})
	}
	if len(w.asked) > 0 || len(w.shut) > 0 {
		t.Errorf("a bad request got through: %v %v", w.asked, w.shut)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	web := running(1, "web")
	f := newFake(web)
	f.answer = func(a tree.Asked) tree.Answer {
		if a.Names[0] != "web" {
			return tree.Answer{Err: &spec.UnknownError{Name: a.Names[0]}}
		}
		return tree.Answer{Results: []tree.Result{{Node: 1, Name: "web", Changed: true, Order: 1, Run: 1}}}
	}
	w := serve(t, f)
	ctx := soon(t)
	type answer struct {
		results []ActionResult
		err     error
	}
	done := make(chan answer)
	go func() {
		r, err := w.client().Act(ctx, "stop", ActionRequest{Names: []string{"web"}, Reason: "lunch"})
		done <- answer{r, err}
	}()
	if err := f.until(ctx, func() bool { return len(f.asked) == 1 }); err != nil {
		t.Fatal(err)
	}
	f.publish(with(web, func(n *tree.Node) { n.Orders, n.State = 1, tree.StateStopping }))
	select {
	case a := <-done:
		t.Fatalf("answered too early: %+v", a)
	default:
	}
	f.publish(with(in(web, tree.StateStopped, ""), func(n *tree.Node) { n.Orders = 1 }))
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	want := []ActionResult{{Name: "web", Outcome: OutcomeDone, State: "stopped", Message: "stopped"}}
	if diff := cmp.Diff(want, got.results); diff != "" {
		t.Error(diff)
	}
	wish := tree.Asked{Verb: tree.AskStop, Names: []string{"web"}, By: "uid " + fmt.Sprint(w.server.opts.Access.UID), Why: "lunch"}
	if diff := cmp.Diff(wish, f.asked[0]); diff != "" {
		t.Error(diff)
	}

	if _, err := w.client().Act(ctx, "stop", ActionRequest{Names: []string{"nope"}}); codeOf(t, err) != CodeUnknownProcess {
		t.Errorf("unknown name: %v", err)
	}
	r, err := w.client().Act(ctx, "start", ActionRequest{Names: []string{"web"}, TimeoutSeconds: 0.01})
	if err != nil || r[0].Outcome != OutcomeFailed {
		t.Errorf("start of what stays stopped: %v %v", r, err)
	}
	f.publish(with(in(web, tree.StateWaiting, "waits for db"), func(n *tree.Node) { n.Orders = 1 }))
	r, err = w.client().Act(ctx, "start", ActionRequest{Names: []string{"web"}, TimeoutSeconds: 0.01})
	if err != nil || r[0].Outcome != OutcomeTimeout {
		t.Errorf("start of what waits: %v %v", r, err)
	}
}

func TestShutdownRequest(t *testing.T) {
	t.Parallel()
	f := newFake()
	w := serve(t, f)
	if err := w.client().Shutdown(soon(t), ShutdownRequest{Urgency: "quick", Reason: "over"}); err != nil {
		t.Fatal(err)
	}
	want := []tree.Shutdown{{Urgency: tree.Quick, By: "uid " + fmt.Sprint(w.server.opts.Access.UID), Why: "over"}}
	if diff := cmp.Diff(want, f.shut); diff != "" {
		t.Error(diff)
	}
}

func TestWaitRequest(t *testing.T) {
	t.Parallel()
	db := running(1, "db")
	db.Health = tree.HealthUnknown
	f := newFake(db)
	w := serve(t, f)
	ctx := soon(t)
	_, err := w.client().Wait(ctx, "healthy", 10*time.Millisecond, "db")
	if codeOf(t, err) != CodeNotInTime || !strings.Contains(err.Error(), "db not healthy after 10ms: it is running, unknown") {
		t.Errorf("got %v", err)
	}
	done := make(chan error)
	go func() {
		got, err := w.client().Wait(ctx, "healthy", 0, "db")
		if err == nil && got[0].Health != "healthy" {
			err = errors.New("health is " + got[0].Health)
		}
		done <- err
	}()
	f.publish(with(db, func(n *tree.Node) { n.Health = tree.Healthy }))
	if err := <-done; err != nil {
		t.Error(err)
	}
	// What was before does not count, what passes while it is waited for does,
	// but for what is to last.
	f.note(tree.Note{Type: tree.NoteHealth, Process: "db", From: "healthy", To: "unhealthy"})
	if _, err := w.client().Wait(ctx, "unhealthy", 10*time.Millisecond, "db"); codeOf(t, err) != CodeNotInTime {
		t.Errorf("unhealthy before: got %v", err)
	}
	passes := func(what string, timeout time.Duration) error {
		go func() {
			_, err := w.client().Wait(ctx, what, timeout, "db")
			done <- err
		}()
		for {
			f.note(tree.Note{Type: tree.NoteHealth, Process: "db", To: what})
			f.publish(with(db, func(n *tree.Node) { n.Health = tree.HealthUnknown }))
			select {
			case err := <-done:
				return err
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	if err := passes("unhealthy", 0); err != nil {
		t.Error(err)
	}
	if err := passes("healthy", 30*time.Millisecond); codeOf(t, err) != CodeNotInTime {
		t.Errorf("healthy for a moment: got %v", err)
	}
	go func() {
		_, err := w.client().Wait(ctx, "stopped", 0, "db")
		done <- err
	}()
	f.publish()
	if err := <-done; codeOf(t, err) != CodeUnknownProcess {
		t.Errorf("a process that goes while it is waited for: %v", err)
	}
}

// A mistake in an answer ends that answer, and nothing else.
func TestHandlerPanics(t *testing.T) {
	t.Parallel()
	f := newFake(running(1, "web"))
	f.answer = func(tree.Asked) tree.Answer { panic("oops") }
	w := serve(t, f)
	_, err := w.client().Act(soon(t), "stop", ActionRequest{Names: []string{"web"}})
	if codeOf(t, err) != CodeFailed || !strings.Contains(err.Error(), "gosup has made a mistake: oops") {
		t.Errorf("got %v", err)
	}
	if _, err := w.client().Processes(soon(t)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestVersionAndTree(t *testing.T) {
	t.Parallel()
	g := &tree.Node{ID: 1, Name: "api", IsGroup: true, Strategy: policy.OneForAll, State: tree.StateRunning}
	w := serve(t, newFake(g, running(2, "api/web")))
	v, err := w.client().Version(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if v.Version != "v0" || v.Name != "test" || v.UptimeSeconds != 99 || !v.StartedAt.Equal(boot.Add(time.Second)) {
		t.Errorf("got %+v", v)
	}
	nodes, err := w.client().Tree(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes) != 2 || nodes[0].Kind != "group" || nodes[0].Strategy != "one_for_all" || nodes[0].MaxRestarts != nil ||
		nodes[1].Kind != "process" || nodes[1].PID != 1002 {
		t.Errorf("got %+v", nodes)
	}
}
