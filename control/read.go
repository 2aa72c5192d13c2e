package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// clock returns the clock of an answer: one reading for all of it.
func (s *Server) clock() clock { return clock{now: s.sup.Now(), wall: s.sup.Wall} }

// measured is clock, with what processes use if the query asks for that.
func (s *Server) measured(q url.Values) (clock, error) {
	switch q.Get("usage") {
	case "", "false":
		return s.clock(), nil
	case "true":
		return s.withUsage(), nil
	}
	return clock{}, problemf(CodeBadRequest, "", "usage is true or false, not %q", q.Get("usage"))
}

func (s *Server) withUsage() clock {
	found := map[usageKey]usage{}
	s.sup.Usage(func(id tree.NodeID, run uint64, cpu time.Duration, cpuPercent float64, memoryBytes int64) {
		found[usageKey{id, run}] = usage{cpu, cpuPercent, memoryBytes}
	})
	c := s.clock()
	c.usage = found
	return c
}

// choose returns the processes of a snapshot that the patterns name, all if
// there are none.
func choose(snap *tree.Snapshot, patterns []string) ([]*tree.Node, error) {
	if len(patterns) == 1 {
		// A full name means that process whatever else it may mean, and is what
		// most ask for: without this, of a thousand names each time.
		for _, n := range snap.Nodes {
			if !n.IsGroup && n.Name == patterns[0] {
				return []*tree.Node{n}, nil
			}
		}
	}
	nodes := make([]*tree.Node, 0, len(snap.Nodes))
	for _, n := range snap.Nodes {
		if !n.IsGroup {
			nodes = append(nodes, n)
		}
	}
	if len(patterns) == 0 {
		return nodes, nil
	}
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name
	}
	chosen, err := spec.Select(names, patterns)
	if err != nil {
		return nil, err
	}
	out := make([]*tree.Node, len(chosen))
	for i, at := range chosen {
		out[i] = nodes[at]
	}
	return out, nil
}

// listProcesses answers with the status of the processes that the query's
// name, which may be repeated, means; without one, of all.
func (s *Server) listProcesses(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	c, err := s.measured(q)
	if err != nil {
		return err
	}
	snap := s.sup.Snapshot()
	if len(q["name"]) == 0 && c.usage == nil && s.lendListing(w, c, snap) {
		return nil
	}
	nodes, err := choose(snap, q["name"])
	if err != nil {
		return err
	}
	if s.begin(w, http.StatusOK, "application/json") {
		writeProcesses(w, c, nodes)
	}
	return nil
}

// lendListing answers with the status of all processes as others get it too,
// and returns whether it could.
func (s *Server) lendListing(w http.ResponseWriter, c clock, snap *tree.Snapshot) bool {
	encode := func() []byte {
		var b bytes.Buffer
		nodes, _ := choose(snap, nil) // no pattern: none that is unknown
		writeProcesses(&b, c, nodes)
		return b.Bytes()
	}
	return s.listing.lend(snap.Version, c.now, encode, func(text []byte) {
		if s.begin(w, http.StatusOK, "application/json") {
			w.Write(text)
		}
	})
}

// writeProcesses writes the status of processes as a list. It is encoded
// piece by piece: a thousand are half a megabyte, which many clients at once
// should not make the daemon hold.
func writeProcesses(w io.Writer, c clock, nodes []*tree.Node) {
	const piece = 16 << 10
	buf := append(make([]byte, 0, piece+2<<10), '[')
	for i, n := range nodes {
		if i > 0 {
			buf = append(buf, ',')
		}
		p := c.process(n)
		buf = p.appendJSON(buf)
		if len(buf) >= piece {
			if _, err := w.Write(buf); err != nil {
				return
			}
			buf = buf[:0]
		}
	}
	w.Write(append(buf, "]\n"...))
}

// showProcess answers with the status of the one process that a name means.
func (s *Server) showProcess(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	nodes, err := choose(s.sup.Snapshot(), []string{name})
	if err != nil {
		return err
	}
	if len(nodes) > 1 {
		return problemf(CodeBadRequest, "ask for /v1/processes?name="+name, "%s means %d processes", name, len(nodes))
	}
	c, err := s.measured(r.URL.Query())
	if err != nil {
		return err
	}
	return s.answer(w, c.process(nodes[0]))
}

// treeVersion is the header that tells the version of a tree.
const treeVersion = "Gosup-Tree-Version"

// showTree answers with all groups and processes, a group before its members.
// With after it waits until something in there has changed.
func (s *Server) showTree(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	snap := s.sup.Snapshot()
	if q.Has("after") {
		var err error
		if snap, err = s.changed(w, r, snap); err != nil {
			return err
		}
	}
	c, err := s.measured(q)
	if err != nil {
		return err
	}
	w.Header().Set(treeVersion, strconv.FormatUint(snap.Version, 10))
	out := make([]Node, len(snap.Nodes))
	for i, n := range snap.Nodes {
		out[i] = c.node(n)
	}
	return s.answer(w, out)
}

// changed waits until there is another snapshot than the one that the query's
// after names, at most for its timeout, and returns the latest.
func (s *Server) changed(w http.ResponseWriter, r *http.Request, snap *tree.Snapshot) (*tree.Snapshot, error) {
	q := r.URL.Query()
	after, err := strconv.ParseUint(q.Get("after"), 10, 64)
	if err != nil {
		return nil, problemf(CodeBadRequest, "", "after is the number of the header %s, not %q", treeVersion, q.Get("after"))
	}
	timeout, err := parseTimeout(q.Get("timeout"))
	if err != nil || snap.Version != after { // a higher one is another daemon's
		return snap, err
	}
	ctx, cancel, err := s.stay(w, r, timeout)
	if err != nil {
		return nil, err
	}
	defer cancel()
	_, err = s.sup.Changed(ctx, after)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, ended(err)
	}
	return s.sup.Snapshot(), nil
}

// Version is what is known of the daemon itself.
type Version struct {
	Version       string    `json:"version"`
	Name          string    `json:"name"`
	PID           int       `json:"pid"`
	StartedAt     time.Time `json:"started_at"`
	UptimeSeconds float64   `json:"uptime_seconds"`
}

// version answers with what is known of the daemon itself.
func (s *Server) version(w http.ResponseWriter, _ *http.Request) error {
	c, started := s.clock(), s.sup.Started()
	return s.answer(w, Version{
		Version:       s.opts.Version,
		Name:          s.sup.Name(),
		PID:           os.Getpid(),
		StartedAt:     *c.time(started),
		UptimeSeconds: seconds(c.now.Sub(started)),
	})
}

// maxWait bounds every wait: no client can ask for a longer one.
const maxWait = 24 * time.Hour

// WaitStates returns what can be waited for: the states, what the checks can
// say, and "ready".
func WaitStates() []string {
	return append(slices.Clone(tree.States()), "ready", "healthy", "degraded", "unhealthy")
}

// reached reports whether a process is in what was waited for.
func reached(n *tree.Node, what string) bool {
	switch what {
	case "ready":
		return n.Ready
	case "healthy", "degraded", "unhealthy":
		return n.State == tree.StateRunning && n.Health.String() == what
	default:
		return n.State.String() == what
	}
}

// passage sees that processes were in a state which may be over before anybody
// looks: one that is unhealthy is being stopped in the same step. States that
// are waited for because they last are not told by it.
type passage struct {
	what string
	seen map[string]bool // the names of processes
	last uint64          // the note up to which it has looked
}

func (s *Server) newPassage(what string) *passage {
	p := &passage{what: what, seen: map[string]bool{}}
	if notes, _ := s.sup.Events(0); len(notes) > 0 {
		p.last = notes[len(notes)-1].Seq
	}
	return p
}

// look takes note of what has happened since it was called last.
func (p *passage) look(notes []tree.Noted) {
	for i := range notes {
		n := &notes[i]
		p.last = n.Seq
		if (n.Type == tree.NoteState || n.Type == tree.NoteHealth) && n.To == p.what {
			p.seen[n.Process] = true
		}
	}
}

// reached reports whether a process is in the state, or was.
func (p *passage) reached(n *tree.Node) bool {
	lasts := p.what == "running" || p.what == "ready" || p.what == "healthy"
	return reached(n, p.what) || !lasts && p.seen[n.Name]
}

// wait answers when all processes that the query's name means are in the state
// that its for names, with their status; with not_in_time after its timeout.
func (s *Server) wait(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	what := q.Get("for")
	if !slices.Contains(WaitStates(), what) {
		return problemf(CodeBadRequest, "", "there is no state %q to wait for: use one of %s", what, strings.Join(WaitStates(), ", "))
	}
	patterns := q["name"]
	if len(patterns) == 0 {
		return problemf(CodeBadRequest, "", "no name to wait for")
	}
	timeout, err := parseTimeout(q.Get("timeout"))
	if err != nil {
		return err
	}
	ctx, cancel, err := s.stay(w, r, timeout)
	if err != nil {
		return err
	}
	defer cancel()
	p := s.newPassage(what)
	for snap := s.sup.Snapshot(); ; {
		notes, _ := s.sup.Events(p.last)
		p.look(notes)
		nodes, err := choose(snap, patterns)
		if err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(nodes), p.reached)
		if len(missing) == 0 {
			if s.begin(w, http.StatusOK, "application/json") {
				writeProcesses(w, s.clock(), nodes)
			}
			return nil
		}
		next, err := s.sup.Changed(ctx, snap.Version)
		if errors.Is(err, context.DeadlineExceeded) {
			return problemf(CodeNotInTime, "", "%s not %s after %v: it is %s", missing[0].Name, what, timeout, describe(missing[0]))
		}
		if err != nil {
			return ended(err)
		}
		snap = next
	}
}

// describe says in a few words how a process is.
func describe(n *tree.Node) string {
	words := n.State.String()
	if n.Health != tree.HealthNone && n.State == tree.StateRunning {
		words += ", " + n.Health.String()
	}
	if n.Reason != "" {
		words += ": " + n.Reason
	}
	return words
}

func parseTimeout(text string) (time.Duration, error) {
	if text == "" {
		return maxWait, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, problemf(CodeBadRequest, "write it like 30s", "the timeout %q is no positive duration", text)
	}
	return min(d, maxWait), nil
}

// stay prepares a request for a long life: it keeps its place, and the
// deadlines for reading and writing are off until the returned context ends,
// at the latest after timeout. Who waits is told at once when the client goes.
func (s *Server) stay(w http.ResponseWriter, r *http.Request, timeout time.Duration) (context.Context, context.CancelFunc, error) {
	c := clientOf(r.Context())
	if err := c.gate.set(c, long); err != nil {
		return nil, nil, err
	}
	rc := http.NewResponseController(w)
	if err := errors.Join(rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Time{})); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	return ctx, cancel, nil
}

// ended is the problem of a wait that was cut short: the client is gone, and
// nobody reads it, or the daemon ends.
func ended(err error) *Problem {
	if replaced(err) {
		return problemf(CodeEnding, "", "%s", err)
	}
	return problemf(CodeEnding, "", "gosup is shutting down: %s", err)
}

// replaced reports whether a daemon has ended to go on as another program: then
// what was waited for goes on too.
func replaced(err error) bool {
	var r interface{ Replaced() bool }
	return errors.As(err, &r) && r.Replaced()
}
