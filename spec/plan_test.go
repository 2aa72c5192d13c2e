package spec

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func treeOf(all ...*Process) *Tree {
	t := &Tree{}
	for _, p := range all {
		t.Root.Members = append(t.Root.Members, Member{Process: p})
	}
	return t
}

func TestPlan(t *testing.T) {
	t.Parallel()
	same := &Process{Name: "same", Argv: []string{"x"}}
	from := treeOf(same,
		&Process{Name: "inplace", Argv: []string{"x"}, Restart: Restart{SuccessCodes: []int{0}}, Stop: Stop{Steps: []StopStep{{15, time.Second}}}},
		&Process{Name: "anew", Argv: []string{"x"}, Env: []string{"KEY=secret", "STAYS=1"}},
		&Process{Name: "gone"})
	to := treeOf(same,
		&Process{Name: "inplace", Argv: []string{"x"}, Restart: Restart{SuccessCodes: []int{0, 3}}, Stop: Stop{Steps: []StopStep{{15, time.Second}}}},
		&Process{Name: "anew", Argv: []string{"x", "-v"}, Env: []string{"KEY=other", "STAYS=1", "MORE=1"}},
		&Process{Name: "fresh"},
		&Process{Name: "friend", DependsOn: []DependsOn{{Name: "anew", Restart: true}}},
	)
	want := []Change{
		{Name: "inplace", Effect: InPlace, Fields: []FieldChange{{"restart.success_exit_codes", "0", "0 3", InPlace}}},
		{Name: "anew", Effect: Anew, Drags: []string{"friend"}, Fields: []FieldChange{
			{"command", "x", "x -v", Anew}, {"env.KEY", "", "", Anew}, {"env.MORE", "", "", Anew}}},
		{Name: "fresh", Effect: Added},
		{Name: "friend", Effect: Added},
		{Name: "gone", Effect: Removed},
	}
	if diff := cmp.Diff(want, Plan(from, to)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := Plan(to, to); got != nil {
		t.Errorf("of nothing new: %v", got)
	}
}

func TestPlanSeesGroups(t *testing.T) {
	t.Parallel()
	from, to := &Tree{}, &Tree{}
	from.Root.Members = []Member{{Group: &Group{Name: "api"}}}
	to.Root.Members = []Member{{Group: &Group{Name: "api", Strategy: 1}}}
	want := []Change{{Name: "api", Effect: InPlace, IsGroup: true,
		Fields: []FieldChange{{"strategy", "one_for_one", "one_for_all", InPlace}}}}
	if diff := cmp.Diff(want, Plan(from, to)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
