package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"gosup/logs"
	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// richWorld has something in every field of every answer.
func richWorld(t *testing.T) *world {
	exit := &tree.Exit{Code: 1, At: tree.Time(90 * time.Second), Ran: time.Second, Cause: tree.Ended}
	web := running(2, "api/web")
	web.Group, web.Health, web.LastExit, web.Cause = "api", tree.Degraded, exit, &tree.Cause{Kind: tree.CauseAutostart}
	web.Checks = []tree.Checkup{{Name: "http", Health: tree.Degraded, At: tree.Time(99 * time.Second)}}
	web.Process.Logs.Output = spec.OutputFile
	down := in(running(3, "job"), tree.StateBackoff, "restart 1 of 5")
	down.NextStartAt, down.WaitingOn = tree.Time(101*time.Second), []string{"pg"}
	down.Process.Logs.Output = spec.OutputFile
	f := newFake(&tree.Node{ID: 1, Name: "api", IsGroup: true}, web, down)
	f.snap.Breakers = []tree.Breaker{{Name: "pg", State: policy.Open, RetryAt: tree.Time(103 * time.Second)}}
	f.note(tree.Note{Type: tree.NoteState, Process: "job", From: "running", To: "backoff", Exit: exit})
	f.crashes = map[string][]tree.Crash{"job": {{Process: "job", Wall: boot, Exit: *exit, Output: []byte("\xff"), Checks: web.Checks}}}
	f.output = func(_ context.Context, _ []logs.Source, _ logs.Query, emit func(logs.Record) error) error {
		return emit(logs.Record{Process: "job", Line: []byte("\xff"), Partial: true})
	}
	f.answer = func(a tree.Asked) tree.Answer {
		return tree.Answer{Results: []tree.Result{{Node: 2, Name: a.Names[0], Run: 0}}}
	}
	return serve(t, f, func(o *Options, _ *deadlines, _ *Socket) { o.Reloader, o.Upgrader = planner{}, planner{} })
}

func (planner) Scale(string, int, string, string) (Plan, error) { return planner{}.Plan("") }

// planner is a Reloader whose file changes one key.
type planner struct{}

func (planner) Plan(string) (Plan, error) {
	change := spec.Change{Name: "web", Effect: spec.Anew, Fields: []spec.FieldChange{{Field: "command", From: "a", To: "b"}}}
	return NewPlan([]spec.Change{change}, nil, false), nil
}

// Upgrade is Upgrader's.
func (planner) Upgrade(context.Context, string, string) (Upgrade, error) {
	return Upgrade{From: "v0", To: "v1", PID: 5}, nil
}

func (planner) LastReload() (bool, time.Time) { return true, boot }

func (p planner) Reload(string, string) (Plan, error) { return p.Plan("") }

// compiled returns the schemas of the document by their names, made so strict
// that an answer may have no key that they do not know.
func compiled(t *testing.T) (map[string]any, func(at string) *jsonschema.Schema) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPIDocument))
	if err != nil {
		t.Fatal(err)
	}
	root := doc.(map[string]any)
	for _, s := range root["components"].(map[string]any)["schemas"].(map[string]any) {
		s.(map[string]any)["additionalProperties"] = false
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return root, func(at string) *jsonschema.Schema {
		s, err := c.Compile("openapi.json#" + at)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// Every route answers as the document says.
func TestAnswersFitTheDocument(t *testing.T) {
	t.Parallel()
	queries := map[string]string{
		"/v1/wait": "?name=api/web&for=running", "/v1/logs": "?format=json&name=job", "/v1/processes": "?usage=true",
		"/v1/tree": "?usage=true&after=1&timeout=1ms",
	}
	bodies := map[string]string{
		"/v1/actions/signal": `{"names":["api/web"],"signal":"HUP"}`, "/v1/actions/stop": `{"names":["api/web"],"no_wait":true}`, "/v1/shutdown": `{}`, "/v1/reload": `{}`, "/v1/upgrade": `{}`, "/v1/scale": `{"name":"api/web","instances":2}`,
		"/v1/breakers/trip": `{"name":"pg"}`, "/v1/breakers/reset": `{"name":"pg"}`, "/v1/guard": `{"name":"pg"}`,
		"/v1/guard/result": `{"name":"pg","ok":true}`,
	}
	w := richWorld(t)
	root, schema := compiled(t)
	for _, rt := range routes() {
		if _, ok := rt.out.(upgraded); ok {
			continue // TestExec looks at it
		}
		t.Run(rt.method+" "+rt.path, func(t *testing.T) {
			path := strings.ReplaceAll(rt.path, "{name...}", "job")
			request := fmt.Sprintf("GET %s%s HTTP/1.1\nHost: x\nConnection: close\n\n", path, queries[rt.path])
			if rt.method == http.MethodPost {
				body := bodies[rt.path]
				if body == "" {
					body = `{"names":["api/web"]}`
				}
				request = fmt.Sprintf("POST %s HTTP/1.1\nHost: x\nConnection: close\nContent-Length: %d\n\n%s", path, len(body), body)
			}
			resp, body := w.raw(t, request)
			if resp.StatusCode >= 300 {
				t.Fatalf("%s: %s", resp.Status, body)
			}
			at, media := answerSchema(root, rt)
			if at == "" {
				if body != "" {
					t.Errorf("an answer that the document does not know: %s", body)
				}
				return
			}
			if _, ok := rt.out.(text); ok {
				if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain; ") || body == "" {
					t.Errorf("media type %s: %q", got, body)
				}
				return
			}
			if got := resp.Header.Get("Content-Type"); got != media {
				t.Errorf("media type %s, want %s", got, media)
			}
			texts := []string{body}
			if media == "application/jsonl" {
				texts = strings.Split(strings.TrimSpace(body), "\n")
			}
			for _, text := range texts {
				checkSchema(t, schema(at), text)
			}
		})
	}
	resp, body := w.raw(t, "GET /v1/processes/nope HTTP/1.1\nHost: x\nConnection: close\n\n")
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("got %s", resp.Status)
	}
	checkSchema(t, schema("/components/schemas/Problem"), body)
}

// answerSchema returns where in the document the schema of a route's answer
// is, "" if it has none, and its media type.
func answerSchema(root map[string]any, rt route) (at, media string) {
	path := strings.ReplaceAll(rt.path, "...}", "}")
	op := root["paths"].(map[string]any)[path].(map[string]any)[strings.ToLower(rt.method)].(map[string]any)
	answer := op["responses"].(map[string]any)["2XX"].(map[string]any)
	content, ok := answer["content"].(map[string]any)
	if !ok {
		return "", ""
	}
	media = "application/json"
	if content[media] == nil {
		media = "application/jsonl"
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
	return "/paths/" + escape.Replace(path) + "/" + strings.ToLower(rt.method) + "/responses/2XX/content/" + escape.Replace(media) + "/schema", media
}

func checkSchema(t *testing.T, s *jsonschema.Schema, text string) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if err := s.Validate(v); err != nil {
		t.Errorf("%s\n%v", text, err)
	}
}

// A request with a key that the document does not know is refused.
func TestRequestsFitTheDocument(t *testing.T) {
	t.Parallel()
	w := richWorld(t)
	root, _ := compiled(t)
	schemas := root["components"].(map[string]any)["schemas"].(map[string]any)
	for _, rt := range routes() {
		if rt.in == nil {
			continue
		}
		b, err := json.Marshal(rt.in)
		if err != nil {
			t.Fatal(err)
		}
		body := strings.TrimSuffix(string(b), "}") + `,"nonsense":1}`
		body = strings.Replace(body, "{,", "{", 1)
		resp, text := w.raw(t, fmt.Sprintf("POST %s HTTP/1.1\nHost: x\nConnection: close\nContent-Length: %d\n\n%s", rt.path, len(body), body))
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, "nonsense") {
			t.Errorf("%s: %s: %s", rt.path, resp.Status, text)
		}
		name := fmt.Sprintf("%T", rt.in)
		name = name[strings.LastIndex(name, ".")+1:]
		if s, ok := schemas[name].(map[string]any); !ok || s["additionalProperties"] != false {
			t.Errorf("%s is not described as strict", name)
		}
	}
}
