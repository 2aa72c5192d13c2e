package main

// fault is one mistake, planted by replacing one place of one file.
type fault struct {
	name string
	file string
	old  string // stands there exactly once
	new  string
}

// faults are the mistakes that the tests of package tree and policy have to
// find. Each is one that a person could make.
var faults = []fault{
	{"a restart is remembered a moment too long", "policy/budget.go", "\tfor _, g := range b.grants {\n\t\tif clock-g.at < l.Within {\n\t\t\tn += g.count", "\tfor _, g := range b.grants {\n\t\tif clock-g.at <= l.Within {\n\t\t\tn += g.count"},
	{"one restart too many is granted", "policy/budget.go", "n >= l.Max {", "n > l.Max {"},
	{"unlimited is a limit", "policy/budget.go", "l.Max != Unlimited && n >= l.Max", "n >= l.Max"},
	{"the clock runs while it should stand", "policy/budget.go", "\tif b.running {\n\t\treturn b.elapsed + now.Sub(b.since)\n\t}\n\treturn b.elapsed\n", "\treturn b.elapsed + now.Sub(b.since)\n"},
	{"the clock starts anew each time", "policy/budget.go", "\tb.elapsed = b.reading(now)\n", "\tb.elapsed = 0\n"},
	{"the delay is that of the restart after", "policy/backoff.go", "float64(max(n, 1)-1)", "float64(max(n, 1))"},
	{"the delay has no ceiling", "policy/backoff.go", "\t\treturn b.Max\n", "\t\treturn time.Duration(d)\n"},
	{"the wall clock is forgotten", "policy/budget.go", "\tif l.Clock == Wall {\n\t\treturn time.Duration(now)\n\t}\n", ""},
	{"the row of restarts never ends", "policy/budget.go", "\tif d >= l.Within {\n\t\tb.streak = 0\n\t}\n", ""},
	{"clear leaves the restarts", "policy/budget.go", "\tb.grants = nil\n\tb.streak = 0\n", "\tb.streak = 0\n"},
	{"rest_for_one begins one too late", "policy/restart.go", "\t\treturn i, n\n", "\t\treturn min(i+1, n-1), n\n"},
	{"one_for_all leaves out the last", "policy/restart.go", "\t\treturn 0, n\n", "\t\treturn 0, max(n-1, 1)\n"},
	{"on_failure restarts after success", "policy/restart.go", "w == OnFailure && !success", "w == OnFailure"},
	{"a breaker opens one failure late", "policy/threshold.go", "b.failures >= l.Failures", "b.failures > l.Failures"},
	{"a good result leaves the row of bad ones", "policy/threshold.go", "\tif ok {\n\t\ts.Failed = 0\n", "\tif ok {\n"},

	{"the group is not charged", "tree/fail.go", "\tif p.budget.Grant(t.now, limit) {\n\t\treturn true\n\t}\n\tspent", "\tif true {\n\t\treturn true\n\t}\n\tspent"},
	{"the shared budget of a group is not asked", "tree/fail.go", "\tif p.group.Restart != nil {\n", "\tif false {\n"},
	{"a second crash in one group restart is charged again", "tree/fail.go", "\tcase p.restarting, p.group.Strategy.Ordered() && t.now < p.notBefore:\n", "\tcase false:\n"},
	{"a crash in the delay of a group restart is charged again", "tree/fail.go", "case p.restarting, p.group.Strategy.Ordered() && t.now < p.notBefore:", "case p.restarting:"},
	{"escalation stops at the group", "tree/fail.go", "case p.group.OnExhausted == policy.Escalate && p.parent > 0:", "case false:"},
	{"past the root is not the end", "tree/fail.go", "\t\tt.end(1, Cause{Kind: CauseGroup, Node: p.name, Text: words, Before: spent})\n", "\t\t_ = words\n"},
	{"a process never escalates", "tree/fail.go", "if r.OnExhausted == policy.Escalate && n.parent > 0 {", "if false {"},
	{"a spent budget waits for the delay", "tree/fail.go", "\t\tn.rest = failed\n\t\tif r.OnExhausted == policy.Escalate {", "\t\tn.notBefore, n.auto = at.Add(t.delay(r.Backoff, count, least)), true\n\t\tif r.OnExhausted == policy.Escalate {"},
	{"the delay is counted from now twice", "tree/fail.go", "\tn.notBefore, n.auto = at.Add(delay), true\n", "\tn.notBefore, n.auto = at.Add(2*delay), true\n"},
	{"on_exit's least delay is forgotten", "tree/fail.go", "\treturn max(d, least)\n", "\treturn d\n"},
	{"a fresh group keeps its members' budgets", "tree/fail.go", "\t\tn.budget.Clear()\n\t\tn.touched = true\n", "\t\tn.touched = true\n"},
	{"a fresh group leaves failed members failed", "tree/fail.go", "\tif n.rest == failed {\n\t\tn.rest = wanted\n", "\tif false {\n\t\tn.rest = wanted\n"},
	{"a failed group leaves its members running", "tree/fail.go", "\t\tif n.rest == wanted {\n\t\t\tn.rest = failed\n", "\t\tif n.rest == wanted && n.body != alive {\n\t\t\tn.rest = failed\n"},
	{"a group restart revives what a person stopped", "tree/fail.go", "\tif n.rest == failed {\n\t\tn.rest = wanted\n", "\tif n.rest != wanted {\n\t\tn.rest = wanted\n"},
	{"the delay of a group holds up all in it", "tree/settle.go", "\tif n.held {\n", "\tif true {\n"},
	{"the delay of an inner group outlives the outer restart", "tree/fail.go", "m.cycle, m.notBefore, m.held = true, 0, true", "m.cycle, m.held = true, true"},
	{"a revived group counts as up", "tree/fail.go", "\t\t\tp.up, p.well = false, false\n\t\t\tt.setClock(p)\n", ""},

	{"members stop in no order", "tree/stop.go", "p.late && p.group.Strategy.Ordered()", "false"},
	{"members start in no order", "tree/settle.go", "p.block != 0 || !p.group.Strategy.Ordered()", "true"},
	{"a group does not wait for all to be down", "tree/settle.go", "if left && p.restarting {", "if false {"},
	{"a later group that stops in part holds up nobody", "tree/settle.go", "p.late || n.late || ", "p.late || "},
	{"the clock of a failed group runs", "tree/settle.go", "good := n.well && !n.failed;", "good := n.well;"},
	{"the last rung is not repeated", "tree/stop.go", "\tn.deadline = t.now.Add(killRepeat)\n", "\tn.deadline = t.now.Add(killRepeat * 1000000)\n"},
	{"the stop ladder skips its last signal", "tree/stop.go", "n.step >= len(steps) {", "n.step >= len(steps)-1 && n.step > 0 {"},
	{"a shutdown never loses its patience", "tree/ending.go", "t.shutdown && t.urgency < AtOnce && t.now >= t.deadline", "false"},
	{"what is due is not awaited", "tree/settle.go", "\t\tt.next = min(t.next, due)\n", ""},
	{"leftovers do not hold up the next start", "tree/settle.go", "\tcase n.body == absent:\n\t\tt.starting++", "\tcase n.body == absent, n.body == leaving:\n\t\tt.starting++"},

	{"an ordered end is a failure", "tree/run.go", "doomed := t.doomed(n) || n.parting()", "doomed := false"},
	{"events of an older run count", "tree/tree.go", "if !ok || t.nodes[i].run != run {", "if !ok {"},
	{"an essential process may end with success", "tree/run.go", "(n.rest == over || n.rest == failed)", "n.rest == failed"},
	{"a busy program is tried for ever", "tree/run.go", "if t.now.Sub(n.busySince) < busyLimit {", "if true {"},
	{"never in on_exit is ignored", "tree/run.go", "\tcase rule.Never && !success:\n", "\tcase false:\n"},
	{"a oneshot is restarted after success", "tree/run.go", "if success && n.proc.Type == spec.Oneshot {", "if false {"},
	{"out of memory is just a SIGKILL", "tree/run.go", "if exit.OOM && r.Class == \"oom\" {", "if false {"},

	{"a person's start keeps the budget", "tree/ask.go", "\t\tn.budget.Clear()\n", ""},
	{"a person's start waits for the delay", "tree/ask.go", "\tfor ; p != nil; p = t.above(p) {\n\t\tp.notBefore = 0\n\t}\n", ""},
	{"a restart by a person does not stop first", "tree/ask.go", "\t\tif n.body != absent && !n.parting() {\n", "\t\tif false {\n"},
	{"a person's start does not wake a failed group", "tree/ask.go", "p.failed, p.cause, p.touched = false, cause, true", "p.cause, p.touched = cause, true"},

	{"a reload restarts what did not change", "tree/reload.go", "if !n.proc.Equal(p) {", "if true {"},
	{"a reload leaves removed ones running", "tree/reload.go", "n.rest, n.cause, n.touched = stopped, r.cause, true", "n.cause, n.touched = r.cause, true"},
	{"marks bind what is brought back", "tree/reload.go", "n.cycle, n.cycling, n.restarting, n.failed,", "_, n.cycling, n.restarting, n.failed,"},
	{"a removed process is started again", "tree/reload.go", "ok && !t.nodes[i].removed {", "ok {"},

	{"probes of one check overlap", "tree/health.go", "if c.probing || missed {", "if missed {"},
	{"a failing check is good standing", "tree/health.go", "if !n.vigil.checks[i].lastOK {", "if i < 0 {"},
	{"the start period is not observed", "tree/health.go", "!c.passed && t.now.Sub(n.vigil.since) < s.StartPeriod", "false"},
	{"a dependent does not wait", "tree/depend.go", "if !t.nodes[d.node].satisfied(d.condition) {", "if false {"},
	{"a stop is told while something is left", "tree/show.go", "(n.planned || n.rest == stopped || t.shutdown && n.rest == wanted)", "(n.planned)"},
	{"a first probe is not waited for", "tree/settle.go", "case t.unheardOf(n) != 0:", "case false:"},

	{"a connection: nobody waits for one", "tree/listen.go", "n.ear != called && !n.invited", "false"},
	{"a connection: a person waits for one", "tree/listen.go", "n.ear != called && !n.invited", "n.ear != called"},
	{"a connection: one that is late starts what was stopped", "tree/listen.go", "\t\tn.ear, n.touched = deaf, true\n", ""},
	{"a connection: one for an earlier wait counts", "tree/listen.go", "if n.call != call || n.ear != at {", "if n.ear != at {"},
	{"a connection: an idle end costs a restart", "tree/listen.go", "exit.Ran >= idleRun &&", "false &&"},
	{"a connection: an end at once costs nothing", "tree/listen.go", "exit.Ran >= idleRun &&", ""},
	{"a connection: who listens holds up its group", "tree/settle.go", "n.rest == wanted && !n.listens() && (", "n.rest == wanted && ("},
	{"a connection: dependents wait for what waits for them", "tree/depend.go", "if n.listens() && (", "if false && ("},
	{"a connection: sockets that cannot be opened are waited for", "tree/listen.go", "\t\tn.ear = deaf\n\t\tt.recount(n)\n\t\tt.startFailed(n, StartFailed{Node: n.id, Run: n.run, Why: e.Why, Code: 1})\n", ""},
	{"a connection: a new definition is not listened for", "tree/reload.go", "0, false, r.cause, deaf\n", "0, false, r.cause, n.ear\n"},

	{"rebirth: budgets begin anew", "tree/restore.go", "\tn.budget = m.Budget.Budget()\n", ""},
	{"rebirth: a delay begins anew", "tree/restore.go", "n.cycle, n.auto, n.held, n.notBefore = m.Cycle, m.Auto, m.Held, m.NotBefore", "n.cycle, n.auto, n.held = m.Cycle, m.Auto, m.Held"},
	{"rebirth: what was stopped starts", "tree/restore.go", "\tn.rest = m.Rest\n", ""},
	{"rebirth: a stop begins anew", "tree/restore.go", "\t\tn.step, n.deadline = max(0, m.Step), m.Deadline\n", ""},
	{"rebirth: a failed group is well", "tree/restore.go", "n.failed, n.restarting = m.Failed, m.Restarting", "n.restarting = m.Restarting"},
	{"rebirth: checks know nothing", "tree/restore.go", "\t\tc.last = old.Reason\n", "\t\t*c = t.firstCheck(n, i)\n"},
	{"rebirth: what is not in the file runs on", "tree/restore.go", "proc: p, rest: stopped, removed: true,", "proc: p, removed: true,"},
	{"rebirth: a start that was ordered is forgotten", "tree/restore.go", "\t\tcase preparing, spawning:\n\t\t\tn.body, n.touched = absent, true\n", "\t\tcase preparing, spawning:\n\t\t\tn.body, n.touched, n.rest = absent, true, stopped\n"},
	{"rebirth: a newer run is not believed", "tree/restore.go", "newer := e.Run > n.run", "newer := false"},
}
