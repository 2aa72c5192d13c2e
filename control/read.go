package control

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// clock returns the clock of an answer: one reading for all of it.
func (s *Server) clock() clock { return clock{now: s.sup.Now(), wall: s.sup.Wall} }

// choose returns the processes of a snapshot that the patterns name, all if
// there are none.
func choose(snap *tree.Snapshot, patterns []string) ([]*tree.Node, error) {
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
	nodes, err := choose(s.sup.Snapshot(), r.URL.Query()["name"])
	if err != nil {
		return err
	}
	s.answerProcesses(w, nodes)
	return nil
}

// answerProcesses writes the status of processes as a list. It is encoded
// piece by piece: a thousand are half a megabyte, which many clients at once
// should not make the daemon hold.
func (s *Server) answerProcesses(w http.ResponseWriter, nodes []*tree.Node) {
	const piece = 16 << 10
	c := s.clock()
	if !s.begin(w, http.StatusOK, "application/json") {
		return
	}
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
	return s.answer(w, s.clock().process(nodes[0]))
}

// showTree answers with all groups and processes, a group before its members.
func (s *Server) showTree(w http.ResponseWriter, r *http.Request) error {
	snap, c := s.sup.Snapshot(), s.clock()
	out := make([]Node, len(snap.Nodes))
	for i, n := range snap.Nodes {
		out[i] = c.node(n)
	}
	return s.answer(w, out)
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
	for snap := s.sup.Snapshot(); ; {
		nodes, err := choose(snap, patterns)
		if err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(nodes), func(n *tree.Node) bool { return reached(n, what) })
		if len(missing) == 0 {
			s.answerProcesses(w, nodes)
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
	return problemf(CodeEnding, "", "gosup is shutting down: %s", err)
}
