package procman

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"gosup/spec"
	"gosup/tree"
)

// What a run has started is found, whatever session it is in and whoever its
// parent is by now, and nothing else is.
func TestUsageFindsDescendants(t *testing.T) {
	root, _ := makeCgroups("usage-test") // "" without: then the one with no environment is not found
	r := newRig(t, handOptions{cgroups: root})
	l := r.shell(`
		sh -c 'echo "child $$"; exec sleep 1000' &
		(setsid sh -c 'echo "orphan $$"; exec sleep 1000' &)
		(setsid env -i sh -c 'echo "bare $$"; exec sleep 1000' &)
		echo ready
		while :; do :; done`)
	l.Tag = environment{id: "usage-test"}.tag(&spec.Process{Name: "web"}, l.Run)
	l.Env = append(without(l.Env, "GOSUP_RUN="), "GOSUP_RUN="+l.Tag)
	run := r.start(l)
	leader := r.started(run).PID
	said := map[string]int{}
	for len(said) < 4 {
		word, pid, _ := strings.Cut(r.line(run, ""), " ")
		said[word], _ = strconv.Atoi(pid)
	}
	snap := &tree.Snapshot{Nodes: []*tree.Node{
		{ID: 9, IsGroup: true},
		{ID: 1, Run: run, PID: leader, Process: &spec.Process{Name: "web"}},
		{ID: 2, Run: 1, Process: &spec.Process{Name: "down"}},
	}}
	key := runKey{1, run}

	var w *walk
	until(t, "the leader to have used CPU time", func() bool {
		w = newWalk("/proc", "usage-test", root)
		uses := w.uses(snap)
		return len(uses) == 1 && uses[key].cpu > 0 && uses[key].memoryBytes > 0
	})
	for _, test := range []struct {
		name string
		pid  int
		want runKey
	}{
		{"leader", leader, key},
		{"child", said["child"], key},
		{"orphan with GOSUP_RUN", said["orphan"], key},
		{"init", 1, runKey{}},
		{"gosup itself", os.Getpid(), runKey{}},
		{"nobody", 1 << 30, runKey{}},
	} {
		if got := w.owner(test.pid); got != test.want {
			t.Errorf("%s (pid %d): got %v, want %v", test.name, test.pid, got, test.want)
		}
	}
	if root != "" && w.owner(said["bare"]) != key {
		t.Errorf("an orphan without environment was not found by its cgroup")
	}
}

func BenchmarkUsage(b *testing.B) {
	snap := &tree.Snapshot{}
	for b.Loop() {
		newWalk("/proc", "", "").uses(snap)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(newWalk("/proc", "", "").proc.list("/proc"))), "ns/process")
}
