package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gosup/logs"
	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

// Why is why a process, group or dependency is in its state.
type Why struct {
	Name     string     `json:"name"`
	Kind     string     `json:"kind"` // process, group, dependency
	State    string     `json:"state"`
	Since    *time.Time `json:"since"`     // null if it is not known any more
	Chain    []Link     `json:"chain"`     // each link is there because of those after it, as deep or deeper
	LastExit *Exit      `json:"last_exit"` // of the run before, or of none
	Restarts string     `json:"restarts"`  // the restart budget in words; "" without one
	Next     string     `json:"next"`      // what happens next, in words
	NextAt   *time.Time `json:"next_at"`   // and when, if that is known
	Output   []string   `json:"output"`    // the last lines that it wrote, never null
	Try      []Advice   `json:"try"`       // what a person can do, never null
}

// Link is one cause.
type Link struct {
	Of    string     `json:"of"`    // the process, group or dependency that it is about
	What  string     `json:"what"`  // in words
	At    *time.Time `json:"at"`    // when, if that is known
	Depth int        `json:"depth"` // 0 for what was asked about; 1 more for what that waits for
}

// Advice is something to do.
type Advice struct {
	Command string `json:"command"`
	Does    string `json:"does"`
}

// whyLines is how many lines of output are shown.
const whyLines = 10

// why answers why a process, group or dependency is as it is.
func (s *Server) why(w http.ResponseWriter, r *http.Request) error {
	snap := s.sup.Snapshot()
	e := explainer{clock: s.clock(), snap: snap, seen: map[string]bool{}}
	e.notes, _ = s.sup.Events(0)
	name := r.PathValue("name")
	for i := range snap.Breakers {
		if b := &snap.Breakers[i]; b.Name == name {
			return s.answer(w, e.dependency(b))
		}
	}
	n, err := one(snap, name)
	if err != nil {
		return err
	}
	if n.IsGroup {
		return s.answer(w, e.group(n))
	}
	answer := e.process(n)
	answer.Output = s.lastLines(r.Context(), n)
	return s.answer(w, answer)
}

// lastLines returns the end of what a process wrote, as far as it is kept.
func (s *Server) lastLines(ctx context.Context, n *tree.Node) []string {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	lines := []string{}
	err := s.sup.ReadOutput(ctx, []logs.Source{s.sup.Source(n)}, logs.Query{Lines: whyLines}, func(r logs.Record) error {
		const most = 500 // bytes of a line
		line := strings.ToValidUTF8(string(r.Line[:min(len(r.Line), most)]), string(utf8.RuneError))
		lines = append(lines, line)
		return nil
	})
	if err != nil && !errors.Is(err, logs.ErrNotKept) {
		lines = append(lines, "(its output cannot be read: "+err.Error()+")")
	}
	return lines
}

// explainer follows causes through one snapshot.
type explainer struct {
	clock
	snap  *tree.Snapshot
	notes []tree.Noted
	seen  map[string]bool // what the chain has told of already
	chain []Link
}

func (e *explainer) process(n *tree.Node) Why {
	e.node(n, 0)
	next, at := e.next(n)
	p := e.clock.process(n)
	return Why{
		Name: n.Name, Kind: "process", State: n.State.String(), Since: e.since(n), Chain: e.chain,
		LastExit: p.LastExit, Restarts: e.budget(n), Next: next, NextAt: at, Output: []string{}, Try: e.try(n),
	}
}

func (e *explainer) group(n *tree.Node) Why {
	e.node(n, 0)
	for _, m := range e.snap.Nodes {
		if m.Group == n.Name && m.State != tree.StateRunning && m.State != tree.StateExited {
			e.node(m, 1)
		}
	}
	next := ""
	if n.State == tree.StateFailed {
		next = "nothing, until somebody starts it or a reload changes it"
	}
	return Why{
		Name: n.Name, Kind: "group", State: n.State.String(), Chain: e.chain, Restarts: e.budget(n), Next: next,
		Output: []string{}, Try: []Advice{
			{"gosup ctl tree", "shows its members"},
			{"gosup ctl start " + n.Name, "starts them, with fresh budgets"},
		},
	}
}

func (e *explainer) dependency(b *tree.Breaker) Why {
	e.breaker(b, 0)
	w := Why{Name: b.Name, Kind: "dependency", State: b.State.String(), Since: e.entered(b.Name, b.State.String()), Chain: e.chain, Output: []string{}}
	switch b.State {
	case policy.Closed:
		w.Next = "it opens after " + plural(b.Limit.Failures, "failure") + " in a row"
		w.Try = []Advice{{"gosup ctl breaker " + b.Name + " --trip", "opens it"}}
	case policy.Open:
		w.Next, w.NextAt = "a trial", e.time(b.RetryAt)
		fallthrough
	default:
		w.Try = []Advice{{"gosup ctl breaker " + b.Name + " --reset", "closes it now"}}
	}
	return w
}

// maxDepth bounds how far waiting is followed. Definitions have no cycles, so
// what is deeper is only too much to read.
const maxDepth = 8

// node adds a process or group, and what led to its state.
func (e *explainer) node(n *tree.Node, depth int) {
	e.seen[n.Name] = true
	e.add(n.Name, nodeWords(n), e.since(n), depth)
	e.checks(n, depth)
	e.causes(n, depth)
	if depth == maxDepth {
		return
	}
	for _, name := range n.WaitingOn {
		e.named(name, depth+1)
	}
	if n.State == tree.StateRunning && depth == 0 {
		e.cutOff(n)
	}
}

// checks adds what the checks of n say that are not well.
func (e *explainer) checks(n *tree.Node, depth int) {
	for i := range n.Checks {
		k := &n.Checks[i]
		if k.Last == "" || i >= len(n.Process.Checks) {
			continue
		}
		e.add(n.Name, failureWords(checkWords(&n.Process.Checks[i]), k.Last, k.Failed), e.time(k.At), depth)
	}
}

// cutOff adds the breakers that n requires and that would keep it from being
// started again.
func (e *explainer) cutOff(n *tree.Node) {
	for i := range e.snap.Breakers {
		if b := &e.snap.Breakers[i]; b.State != policy.Closed && slices.Contains(n.Process.Requires, b.Name) {
			e.add(n.Name, "it is not started again before "+b.Name+" answers", nil, 0)
			e.breaker(b, 1)
		}
	}
}

// named adds what a name means, unless the chain has told of it.
func (e *explainer) named(name string, depth int) {
	if e.seen[name] {
		return
	}
	for i := range e.snap.Breakers {
		if b := &e.snap.Breakers[i]; b.Name == name {
			e.breaker(b, depth)
			return
		}
	}
	for _, n := range e.snap.Nodes {
		if n.Name == name {
			e.node(n, depth)
			return
		}
	}
}

// causes adds what led to the state of n, the latest first. Where that is the
// fate of another node whose causes the chain has told already, it ends there.
func (e *explainer) causes(n *tree.Node, depth int) {
	of := n.Name
	for c := n.Cause; c != nil; c = c.Before {
		if c.Kind == tree.CauseExit && c.Node != "" {
			of = c.Node
		}
		if words := e.causeWords(n, c); words != "" {
			e.add(of, words, e.causeTime(c), depth)
		}
		if c.Kind == tree.CauseGroup || c.Kind == tree.CauseDependency || c.Kind == tree.CauseEssential {
			if e.seen[c.Node] {
				return
			}
			of = c.Node // whose causes these are
		}
	}
}

func (e *explainer) breaker(b *tree.Breaker, depth int) {
	e.seen[b.Name] = true
	what := "its circuit breaker is " + strings.ReplaceAll(b.State.String(), "_", " ")
	switch {
	case b.Unheard:
		what = "its first probe is under way"
	case b.State == policy.Open:
		what += ", next trial in " + roundSpan(b.RetryAt.Sub(e.now))
	}
	e.add(b.Name, what, e.entered(b.Name, b.State.String()), depth)
	if b.Failures > 0 && b.Reason != "" {
		e.add(b.Name, failureWords(probeWords(b.Probe), b.Reason, b.Failures), nil, depth)
	}
}

func (e *explainer) add(of, what string, at *time.Time, depth int) {
	e.chain = append(e.chain, Link{Of: of, What: what, At: at, Depth: depth})
}

// since returns when a process or group entered its state.
func (e *explainer) since(n *tree.Node) *time.Time {
	if n.State == tree.StateRunning && n.Process != nil && n.Process.Readiness == nil {
		return e.time(n.StartedAt)
	}
	return e.entered(n.Name, n.State.String())
}

// entered returns when something entered a state, by the history; nil if that
// does not go back so far.
func (e *explainer) entered(name, state string) *time.Time {
	for i := len(e.notes) - 1; i >= 0; i-- {
		if n := &e.notes[i]; n.Process == name && n.To == state {
			at := stamp(n.Wall)
			return &at
		}
	}
	return nil
}

// budget says how much of a restart budget is used, and until when.
func (e *explainer) budget(n *tree.Node) string {
	if !n.HasBudget {
		return ""
	}
	used := n.Restarts(e.now)
	if n.Limit.Max == policy.Unlimited {
		return plural(used, "restart") + " remembered, without limit"
	}
	words := fmt.Sprintf("%d of %d within %s", used, n.Limit.Max, tree.Seconds(n.Limit.Within))
	if n.Limit.Clock == policy.Running {
		words += " of good running"
	}
	if n.Process != nil && payer(e.snap, n) != n {
		words += ", which group " + n.Group + " shares"
	}
	if at, ok := n.Budget.Forgets(e.now, n.Limit); ok {
		words += "; one is forgotten in " + tree.Seconds(at.Sub(e.now).Round(time.Second))
	} else if used > 0 {
		words += "; the clock stands still"
	}
	return words
}

// payer returns whose budget n shows: its own, or that of an ordered group.
func payer(snap *tree.Snapshot, n *tree.Node) *tree.Node {
	for _, g := range snap.Nodes {
		if g.IsGroup && g.Name == n.Group && g.Strategy.Ordered() {
			return g
		}
	}
	return n
}

// next says what happens next with a process, and when.
func (e *explainer) next(n *tree.Node) (string, *time.Time) {
	switch n.State {
	case tree.StateBackoff:
		return "it starts", e.time(n.NextStartAt)
	case tree.StateWaiting:
		return e.nextOfWaiting(n)
	case tree.StateStarting:
		if n.Process.Readiness != nil && n.StartedAt != 0 {
			return "it has failed to start, unless it is ready by then", e.time(n.StartedAt.Add(n.Process.Readiness.Timeout))
		}
		return "it runs", nil
	case tree.StateStopping:
		at := e.since(n)
		if at != nil {
			killed := at.Add(patience(n.Process.Stop))
			at = &killed
		}
		return "it is killed, unless it has ended by then", at
	case tree.StateRunning:
		return nextOfRunning(n), nil
	case tree.StateExited:
		return "nothing: it is over, until somebody starts it", nil
	default:
		return "nothing, until somebody starts it or a reload changes it", nil
	}
}

// nextOfWaiting says when a waiting process starts.
func (e *explainer) nextOfWaiting(n *tree.Node) (string, *time.Time) {
	for i := range e.snap.Breakers {
		if b := &e.snap.Breakers[i]; b.State == policy.Open && slices.Contains(n.WaitingOn, b.Name) {
			return "a trial of " + b.Name + "; it starts when that succeeds", e.time(b.RetryAt)
		}
	}
	for _, m := range e.snap.Nodes {
		if slices.Contains(n.WaitingOn, m.Name) && over(m.State) {
			return "nothing, until somebody starts " + m.Name, nil
		}
	}
	switch {
	case n.Cause != nil && n.Cause.Kind == tree.CauseConnection:
		return "it starts when somebody connects to " + strings.Join(n.WaitingOn, " or "), nil
	case n.Cause != nil && n.Cause.Kind == tree.CauseQueue:
		return "it starts when one of those that are starting is done", nil
	case len(n.WaitingOn) > 0:
		return "it starts when it need not wait for " + strings.Join(n.WaitingOn, " and ") + " any more", nil
	}
	return "it starts when that is over", nil
}

// over reports whether a process in that state does nothing by itself.
func over(s tree.State) bool {
	return s == tree.StateStopped || s == tree.StateExited || s == tree.StateFailed
}

func nextOfRunning(n *tree.Node) string {
	if n.Frozen {
		return "nothing, until somebody lets it go on"
	}
	for i, k := range n.Checks {
		if k.Failed > 0 && i < len(n.Process.Checks) && n.Process.Checks[i].OnUnhealthy.Action == spec.UnhealthyRestart {
			left := n.Process.Checks[i].Threshold.Failures - k.Failed
			if left > 0 {
				return "it is restarted after " + plural(left, "further failed check")
			}
		}
	}
	return "nothing: it runs"
}

// patience is how long a stop takes at most before SIGKILL.
func patience(s spec.Stop) (sum time.Duration) {
	for _, step := range s.Steps {
		sum += step.Wait
	}
	return sum
}

// try says what a person can do about a process.
func (e *explainer) try(n *tree.Node) []Advice {
	ctl := func(verb, does string) Advice { return Advice{"gosup ctl " + verb + " " + n.Name, does} }
	advice := []Advice{}
	switch n.State {
	case tree.StateFailed, tree.StateBackoff:
		advice = append(advice, ctl("start", "starts it now, with a fresh budget"))
	case tree.StateStopped, tree.StateExited:
		advice = append(advice, ctl("start", "starts it"))
	case tree.StateWaiting:
		if n.Cause != nil && n.Cause.Kind == tree.CauseConnection {
			advice = append(advice, ctl("start", "starts it now"))
			break
		}
		for _, name := range n.WaitingOn {
			advice = append(advice, Advice{"gosup ctl why " + name, "says why " + name + " is as it is"})
		}
		for _, m := range e.snap.Nodes {
			if slices.Contains(n.WaitingOn, m.Name) && over(m.State) {
				advice = append(advice, Advice{"gosup ctl start " + m.Name, "starts what it waits for"})
			}
		}
	case tree.StateStopping:
		advice = append(advice, Advice{"gosup ctl signal KILL " + n.Name, "ends it at once"})
	case tree.StateRunning, tree.StateStarting:
		if n.Frozen {
			advice = append(advice, ctl("thaw", "lets it go on"))
		}
		if n.Health == tree.HealthBad || n.Health == tree.Degraded {
			advice = append(advice, ctl("health", "shows its checks"), ctl("restart", "gives it a new run"))
		}
	}
	if n.State == tree.StateBackoff {
		advice = append(advice, ctl("stop", "ends the retries"))
	}
	if n.Failures > 0 {
		advice = append(advice, ctl("crashes", "shows how it ended, and what it wrote"))
	}
	return append(advice, ctl("logs", "shows all that it wrote"), ctl("events", "shows what happened to it"))
}
