package control

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
	"time"

	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// whyKinds has for each kind of cause a process that is as it is because of
// that, and what the explanation must say: lines of show, in that order.
func whyKinds() map[string]struct {
	node  *tree.Node
	cause tree.Cause
	want  []string
} {
	exit := &tree.Cause{Kind: tree.CauseExit, Node: "web", Exit: tree.Exit{Signal: 9, Name: "SIGKILL", OOM: true, At: tree.Time(95 * time.Second), Ran: time.Second}}
	limit := policy.Limit{Max: 5, Within: time.Minute}
	web := running(1, "web")
	waiting := func(on ...string) *tree.Node {
		return with(in(web, tree.StateWaiting, ""), func(n *tree.Node) { n.WaitingOn = on })
	}
	stopping := with(web, func(n *tree.Node) { n.State = tree.StateStopping })
	starting := with(web, func(n *tree.Node) { n.State = tree.StateStarting })
	backoff := with(in(web, tree.StateBackoff, ""), func(n *tree.Node) { n.NextStartAt = tree.Time(110 * time.Second) })
	failed, stopped := in(web, tree.StateFailed, ""), in(web, tree.StateStopped, "")
	return map[string]struct {
		node  *tree.Node
		cause tree.Cause
		want  []string
	}{
		"CauseNone":        {web, tree.Cause{}, []string{"web: it is running", "next nothing: it runs"}},
		"CauseAutostart":   {web, tree.Cause{Kind: tree.CauseAutostart}, []string{"web: started with the daemon"}},
		"CauseNoAutostart": {stopped, tree.Cause{Kind: tree.CauseNoAutostart}, []string{"web: not started: autostart is off", "next nothing, until somebody starts it", "try start web"}},
		"CauseAsked":       {stopped, tree.Cause{Kind: tree.CauseAsked, By: "uid 7", Text: "lunch"}, []string{"web: asked for by uid 7: lunch", "try start web"}},
		"CauseShutdown":    {stopping, tree.Cause{Kind: tree.CauseShutdown, By: "SIGTERM"}, []string{"web: shutdown by SIGTERM", "next it is killed, unless it has ended by then"}},
		"CauseReload":      {stopping, tree.Cause{Kind: tree.CauseReload, By: "uid 7", Text: "new port"}, []string{"web: reload by uid 7: new port"}},
		"CauseExit":        {in(web, tree.StateExited, ""), *exit, []string{"web: killed by SIGKILL (out of memory), after running 1s at 1:35", "try start web", "try crashes web"}},
		"CauseStart": {backoff, tree.Cause{Kind: tree.CauseRestart, Count: 1, Limit: limit, Delay: time.Second, Before: &tree.Cause{Kind: tree.CauseStart, Text: "exec ./web: no such file or directory"}},
			[]string{"web: restart 1 of 5, 1s after the end", "web: could not be started: exec ./web: no such file or directory", "next it starts at 1:50"}},
		"CauseRestart": {backoff, tree.Cause{Kind: tree.CauseRestart, Count: 2, Limit: limit, Delay: 2 * time.Second, Before: exit},
			[]string{"web: restart 2 of 5, 2s after the end", "web: killed by SIGKILL", "next it starts at 1:50", "try start web", "try stop web"}},
		"CauseBudget": {failed, tree.Cause{Kind: tree.CauseBudget, Limit: limit, Before: exit},
			[]string{"web: its restart budget is spent: 5 restarts within 60s of good running", "web: killed by SIGKILL", "next nothing, until somebody starts it or a reload changes it", "try start web"}},
		"CauseOnExit": {failed, tree.Cause{Kind: tree.CauseOnExit, Before: exit}, []string{"web: its on_exit says never for that", "web: killed by SIGKILL"}},
		"CausePolicy": {with(failed, func(n *tree.Node) { n.Process = &spec.Process{Restart: spec.Restart{Policy: policy.Not}} }), tree.Cause{Kind: tree.CausePolicy, Before: exit}, []string{"web: its restart policy is never", "web: killed by SIGKILL"}},
		"CauseGroup": {failed, tree.Cause{Kind: tree.CauseGroup, Node: "api", Text: "failed with group", Before: &tree.Cause{Kind: tree.CauseBudget, Limit: limit, Before: exit}},
			[]string{"web: failed with group api", "api: its restart budget is spent", "web: killed by SIGKILL"}},
		"CauseOrder": {waiting("db"), tree.Cause{Kind: tree.CauseOrder, Node: "db"}, []string{"web: waits for db", "db: it is failed", "next nothing, until somebody starts db", "try why db", "try start db"}},
		"CauseLeft":  {waiting(), tree.Cause{Kind: tree.CauseLeft}, []string{"web: waits for the end of what the last run left behind", "next it starts when that is over"}},
		"CauseQueue": {waiting(), tree.Cause{Kind: tree.CauseQueue, Count: 4}, []string{"web: waits for its turn: parallel_starts lets 4 start at one time", "next it starts when one of those that are starting is done"}},
		"CauseExitOn": {stopping, tree.Cause{Kind: tree.CauseShutdown, By: "exit_on", Before: &tree.Cause{Kind: tree.CauseExitOn, Node: "db", Text: "any_failed"}},
			[]string{"web: shutdown by exit_on", "web: exit_on: any_failed, db has failed"}},
		"CauseHook": {waiting(), tree.Cause{Kind: tree.CauseHook, Text: "post_stop"}, []string{"web: waits for the post_stop hook of the last run", "next it starts when that is over"}},
		"CauseBusy": {starting, tree.Cause{Kind: tree.CauseBusy, Text: "the program's file is being written"}, []string{"web: it is starting", "web: the program's file is being written"}},
		"CauseUnhealthy": {backoff, tree.Cause{Kind: tree.CauseRestart, Count: 1, Limit: limit, Before: &tree.Cause{Kind: tree.CauseUnhealthy, Text: "status 500"}},
			[]string{"web: restart 1 of 5", "web: unhealthy: status 500"}},
		"CauseNotReady": {backoff, tree.Cause{Kind: tree.CauseRestart, Count: 1, Limit: limit, Before: &tree.Cause{Kind: tree.CauseNotReady, Delay: 30 * time.Second, Text: "connection refused"}},
			[]string{"web: restart 1 of 5", "web: not ready within 30s: connection refused"}},
		"CauseProbe": {web, tree.Cause{Kind: tree.CauseProbe, Text: "connection refused"}, []string{"web: connection refused"}},
		"CauseDepends": {waiting("db"), tree.Cause{Kind: tree.CauseDepends, Node: "db", Text: " to be ready: it is failed"},
			[]string{"web: waits for db to be ready", "db: it is failed", "next nothing, until somebody starts db", "try start db"}},
		"CauseDependency": {stopping, tree.Cause{Kind: tree.CauseDependency, Node: "db", Before: &tree.Cause{Kind: tree.CauseAsked, By: "uid 7"}},
			[]string{"web: restarted with db, which it depends on", "db: asked for by uid 7"}},
		"CauseBreaker": {waiting("pg"), tree.Cause{Kind: tree.CauseBreaker, Node: "pg", Until: tree.Time(200 * time.Second)},
			[]string{"web: waits for pg", "pg: its circuit breaker is open, next trial in 1m40s", "pg: tcp 127.0.0.1:5432: connection refused ×9", "next a trial of pg; it starts when that succeeds at 3:20", "try why pg"}},
		"CauseBack":      {web, tree.Cause{Kind: tree.CauseBack, Node: "pg"}, []string{"web: started again since pg is back"}},
		"CauseUnheard":   {waiting("pg"), tree.Cause{Kind: tree.CauseUnheard, Node: "pg"}, []string{"web: waits for pg", "pg: its circuit breaker is"}},
		"CauseTurn":      {waiting(), tree.Cause{Kind: tree.CauseTurn, Node: "pg"}, []string{"web: waits for its turn: the circuit breaker of pg has just closed", "next it starts when that is over"}},
		"CauseConnected": {web, tree.Cause{Kind: tree.CauseConnected, Before: exit}, []string{"web: started by a connection", "web: killed by SIGKILL"}},
		"CauseConnection": {waiting("tcp://:80", "unix:///x"), tree.Cause{Kind: tree.CauseConnection, Text: "first connection on http or x"},
			[]string{"web: waits for the first connection on http or x", "next it starts when somebody connects to tcp://:80 or unix:///x", "try start web"}},
		"CauseKept":      {web, tree.Cause{Kind: tree.CauseKept}, []string{"web: started with the daemon: it ran when the last one ended"}},
		"CauseAdopted":   {web, tree.Cause{Kind: tree.CauseAdopted}, []string{"web: found running, started by the gosup before this one"}},
		"CauseEssential": {stopping, tree.Cause{Kind: tree.CauseEssential, Node: "db", Before: exit}, []string{"web: db is essential and has ended", "web: killed by SIGKILL"}},
	}
}

// Each kind of cause that there is has a test here of what why says of it.
func TestWhyKnowsEveryCause(t *testing.T) {
	t.Parallel()
	kinds := whyKinds()
	for _, name := range causeKinds(t) {
		test, ok := kinds[name]
		if !ok {
			t.Errorf("%s has no row in whyKinds: what does gosup ctl why say of it?", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(with(test.node, func(n *tree.Node) { n.Cause, n.Failures = &test.cause, 1 }), in(running(2, "db"), tree.StateFailed, ""))
			f.snap.Breakers = []tree.Breaker{{
				Name: "pg", State: policy.Open, Failures: 9, RetryAt: tree.Time(200 * time.Second),
				Probe: spec.Probe{TCP: &spec.TCPProbe{Address: "127.0.0.1:5432"}}, Reason: "connection refused",
			}}
			why, err := serve(t, f).client().Why(soon(t), "web")
			if err != nil {
				t.Fatal(err)
			}
			rest := show(why)
			for _, want := range test.want {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Errorf("no %q, in its place, in\n%s", want, show(why))
					break
				}
				rest = after
			}
		})
	}
}

// causeKinds reads the names of the kinds where they are defined.
func causeKinds(t *testing.T) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../tree/cause.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			continue
		}
		for _, s := range d.Specs {
			for _, n := range s.(*ast.ValueSpec).Names {
				if strings.HasPrefix(n.Name, "Cause") {
					names = append(names, n.Name)
				}
			}
		}
	}
	if len(names) < 20 {
		t.Fatalf("only %v: are they somewhere else now?", names)
	}
	return names
}

// Each state has a row in TestWhy; this finds one that has none.
func TestWhyKnowsEveryState(t *testing.T) {
	t.Parallel()
	var seen []string
	for _, k := range whyKinds() {
		seen = append(seen, k.node.State.String())
	}
	for _, s := range tree.States() {
		if !slices.Contains(seen, s) {
			t.Errorf("no row of whyKinds is %s", s)
		}
	}
}
