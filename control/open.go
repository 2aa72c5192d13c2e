package control

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"gosup/tree"
)

// What is open to everybody tells names and states, and no reason: that may
// hold what a process has said.

const (
	// loopPatience is how long the loop may take to answer. It takes less than a
	// millisecond.
	loopPatience = 2 * time.Second
	// pulseAge is how old its answer may be.
	pulseAge = 100 * time.Millisecond
)

// pulse is the loop's last answer to whether it is alive. Whoever asks soon
// after has the same one: however many ask, the loop is not kept busy by it.
type pulse struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

func (p *pulse) feel(alive func(context.Context) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at.IsZero() || time.Since(p.at) >= pulseAge {
		ctx, cancel := context.WithTimeout(context.Background(), loopPatience)
		defer cancel()
		p.err = alive(ctx)
		p.at = time.Now()
	}
	return p.err
}

// livez answers whether the daemon is alive: its supervision loop turns.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) error {
	if err := s.pulse.feel(s.sup.Alive); err != nil {
		return problemf(CodeEnding, "", "the supervision loop does not answer: %s", err)
	}
	s.write(w, http.StatusOK, plainText, []byte("ok"))
	return nil
}

// readyz answers whether every process that starts with the daemon does what
// it is there for, with a line for each that does not.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) error {
	snap := s.sup.Snapshot()
	missing := unready(snap)
	if len(missing) == 0 && !snap.Stopping {
		s.write(w, http.StatusOK, plainText, []byte("ok"))
		return nil
	}
	var b bytes.Buffer
	if snap.Stopping {
		b.WriteString("gosup is shutting down\n")
	}
	for _, n := range missing {
		fmt.Fprintf(&b, "%s %s\n", n.Name, inBrief(n))
	}
	s.write(w, http.StatusServiceUnavailable, plainText, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return nil
}

// unready returns the processes that start with the daemon and neither run in
// good health, nor have ended with success, nor listen for what starts them.
func unready(snap *tree.Snapshot) (missing []*tree.Node) {
	for _, n := range snap.Nodes {
		if !n.IsGroup && n.Process.Autostart && !ready(n) {
			missing = append(missing, n)
		}
	}
	return missing
}

func ready(n *tree.Node) bool {
	switch n.State {
	case tree.StateRunning:
		return n.Health != tree.HealthBad
	case tree.StateExited:
		return succeeded(n)
	case tree.StateWaiting:
		return n.Cause != nil && n.Cause.Kind == tree.CauseConnection // the first request starts it
	default:
		return false
	}
}

// inBrief says how a process is, in states alone.
func inBrief(n *tree.Node) string {
	if n.State == tree.StateRunning {
		return n.State.String() + ", " + n.Health.String()
	}
	return n.State.String()
}
