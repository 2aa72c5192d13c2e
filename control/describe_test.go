package control

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	web := running(2, "api/web")
	web.Group = "api"
	web.Process = &spec.Process{Name: "api/web", Argv: []string{"web"}, Env: []string{"PASSWORD=hush"}}
	api := &tree.Node{ID: 1, Name: "api", IsGroup: true, Strategy: policy.OneForAll, State: tree.StateRunning,
		HasBudget: true, Limit: web.Limit}
	inner := &tree.Node{ID: 3, Name: "api/in", Group: "api", IsGroup: true, State: tree.StateRunning}
	f := newFake(api, web, inner, running(4, "api/in/deep"), running(5, "api/in/deeper"))
	for range 12 {
		f.note(tree.Note{Process: "api/web"})
	}
	w := serve(t, f)
	get := func(name string) (d Description) {
		b, err := w.client().DescribeJSON(soon(t), name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "hush") {
			t.Errorf("a secret is told: %s", b)
		}
		if err := json.Unmarshal(b, &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := get("web")
	if diff := cmp.Diff([]Setting{{"command", "web"}, {"type", "service"}, {"autostart", "false"}, {"env.PASSWORD", "(set)"}}, d.Definition[:4]); diff != "" {
		t.Error(diff)
	}
	if d.Name != "api/web" || d.Kind != "process" || d.Why.Name != "api/web" || len(d.Events) != 10 || d.Events[9].Seq != 12 {
		t.Errorf("got %+v", d)
	}
	d = get("api")
	want := []Setting{{"strategy", "one_for_all"}, {"restart", "5 restarts within 60s"}}
	if diff := cmp.Diff(want, d.Definition); diff != "" {
		t.Error(diff)
	}
	if d := get("in"); d.Name != "api/in" || d.Kind != "group" {
		t.Errorf("got %+v", d)
	}
	if diff := cmp.Diff([]string{"api/web", "api/in"}, d.Members); diff != "" || d.Kind != "group" {
		t.Error(d.Kind, diff)
	}
}
