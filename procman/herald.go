package procman

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"gosup/notify"
	"gosup/policy"
	"gosup/spec"
	"gosup/tree"
)

const (
	// heraldPace is the time between two messages about what has changed.
	heraldPace = 200 * time.Millisecond
	// heraldGrace is how much longer than its own shutdown may take gosup asks
	// for: what is left then is killed, and that takes a moment.
	heraldGrace = 10 * time.Second
)

// Herald tells the supervisor above gosup, such as systemd, how it is, in the
// words of sd_notify(3). What it says comes from snapshots; that the loop is
// alive it says only after having asked the loop. A nil Herald tells nobody.
type Herald struct {
	m      *Manager
	send   func(state string) error
	beat   time.Duration  // between two signs of life; 0 for none
	before *tree.Snapshot // before the manager ran
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	ready    bool // READY=1 was said
	stopping bool // STOPPING=1 was said
	status   string
	patience time.Duration // of a shutdown; 0 for no limit
	failed   bool          // it was logged that nobody hears
}

// NewHerald returns the herald of a manager that is about to run, nil where the
// environment names no supervisor above. Close it after Run.
func NewHerald(m *Manager, getenv func(string) string) *Herald {
	socket := getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	send := func(state string) error { return notify.Send(socket, state) }
	return newHerald(m, m.Snapshot(), send, watchdog(getenv))
}

// watchdog returns the time between two signs of life that are asked for, see
// sd_watchdog_enabled(3): half of what may pass without one.
func watchdog(getenv func(string) string) time.Duration {
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return 0
	}
	return time.Duration(min(usec, int64(24*time.Hour/time.Microsecond))) * time.Microsecond / 2
}

func newHerald(m *Manager, before *tree.Snapshot, send func(string) error, beat time.Duration) *Herald {
	ctx, cancel := context.WithCancel(context.Background())
	h := &Herald{m: m, send: send, beat: beat, before: before, cancel: cancel}
	if !m.opt.Single {
		h.patience = m.opt.Tree.Supervisor.ShutdownTimeout
	}
	h.done.Go(func() { h.follow(ctx) }) // ends with Close, or with the manager
	if beat > 0 {
		h.done.Go(func() { h.live(ctx) }) // likewise
	}
	return h
}

// Close ends the herald.
func (h *Herald) Close() {
	if h != nil {
		h.cancel()
		h.done.Wait()
	}
}

// follow tells what changes in the tree.
func (h *Herald) follow(ctx context.Context) {
	snap := h.m.Snapshot()
	pace := time.NewTimer(0)
	defer pace.Stop()
	for {
		select {
		case <-pace.C:
		case <-ctx.Done():
		}
		h.tell(snap)
		var err error
		if snap, err = h.m.Changed(ctx, snap.Version); err != nil {
			h.tell(snap)
			return
		}
		pace.Reset(heraldPace)
	}
}

// tell says what is new in a snapshot.
func (h *Herald) tell(snap *tree.Snapshot) {
	if snap == h.before {
		return // nothing has begun
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var lines []string
	if !h.ready && !snap.Stopping && settled(h.before, snap) {
		h.ready = true
		lines = append(lines, "READY=1")
	}
	if snap.Stopping && !h.stopping {
		h.stopping = true
		lines = append(lines, "STOPPING=1")
		if h.patience > 0 {
			lines = append(lines, usec("EXTEND_TIMEOUT_USEC", h.patience+heraldGrace))
		}
	}
	if s := summary(snap); s != h.status {
		h.status = s
		lines = append(lines, "STATUS="+s)
	}
	h.say(lines...)
}

// live gives a sign of life as often as is asked for, as long as the loop goes
// round.
func (h *Herald) live(ctx context.Context) {
	tick := time.NewTicker(h.beat)
	defer tick.Stop()
	for {
		alive, cancel := context.WithTimeout(ctx, h.beat)
		err := h.m.Alive(alive)
		cancel()
		switch {
		case ctx.Err() != nil, errors.Is(err, ErrEnded):
			return
		case err == nil:
			h.mu.Lock()
			h.say("WATCHDOG=1")
			h.mu.Unlock()
		default:
			h.m.log.Error("the supervision loop does not answer: no sign of life is given")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Reloading says that gosup reads its configuration again.
func (h *Herald) Reloading() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ready && !h.stopping {
		h.say("RELOADING=1", usec("MONOTONIC_USEC", time.Duration(h.m.Now())))
	}
}

// Reloaded says that this is done, however it ended. s is what holds now.
func (h *Herald) Reloaded(s spec.Supervisor) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.patience = s.ShutdownTimeout
	if h.ready && !h.stopping {
		h.say("READY=1")
	}
}

func usec(name string, d time.Duration) string {
	return name + "=" + strconv.FormatInt(d.Microseconds(), 10)
}

// say sends lines in one message. It is called with the lock held, so that the
// order of what is said is that of what has happened.
func (h *Herald) say(lines ...string) {
	if len(lines) == 0 {
		return
	}
	err := h.send(strings.Join(lines, "\n"))
	if err != nil && !h.failed {
		h.m.log.Warn("the supervisor above cannot be told", slog.Any("err", err))
	}
	h.failed = err != nil
}

// settled reports whether everything that should run does, or has had its
// chance since the snapshot before: it has failed, or waits for something that
// does not come by itself.
func settled(before, now *tree.Snapshot) bool {
	s := settling{before: map[tree.NodeID]*tree.Node{}, nodes: map[string]*tree.Node{}, breakers: now.Breakers}
	for _, n := range before.Nodes {
		s.before[n.ID] = n
	}
	for _, n := range now.Nodes {
		s.nodes[n.Name] = n
	}
	for _, n := range now.Nodes {
		if !n.IsGroup && s.underWay(n) {
			return false
		}
	}
	return true
}

type settling struct {
	before   map[tree.NodeID]*tree.Node
	nodes    map[string]*tree.Node
	breakers []tree.Breaker
}

// underWay reports whether a process is on its way to its first run.
func (s *settling) underWay(n *tree.Node) bool {
	run, failures := n.Run, n.Failures // since then: both are kept from daemon to daemon
	if b := s.before[n.ID]; b != nil {
		run, failures = run-b.Run, failures-b.Failures
	}
	switch {
	case run > 1 || failures > 0:
		return false
	case n.State == tree.StateStarting:
		return true
	case n.State != tree.StateWaiting || run > 0:
		return false
	}
	for _, name := range n.WaitingOn {
		if s.stuck(name) {
			return false
		}
	}
	return true
}

// stuck reports whether it is no use to wait for what is waited for. What a
// process waits for never waits for that process, so this comes to an end.
func (s *settling) stuck(name string) bool {
	n := s.nodes[name]
	if n == nil {
		for _, b := range s.breakers {
			if b.Name == name {
				return b.State != policy.Closed
			}
		}
		return true
	}
	switch n.State {
	case tree.StateRunning:
		return n.Health == tree.HealthBad
	case tree.StateStarting, tree.StateWaiting:
		return !n.IsGroup && !s.underWay(n)
	default:
		return true
	}
}

// summary says in one line how all processes are.
func summary(snap *tree.Snapshot) string {
	const most = 3 // names for each word
	named := map[string][]string{}
	total := 0
	for _, n := range snap.Nodes {
		if n.IsGroup {
			continue
		}
		total++
		word := n.State.String()
		if n.State == tree.StateRunning && n.Health == tree.HealthBad {
			word = n.Health.String()
		}
		named[word] = append(named[word], n.Name)
	}
	parts := []string{fmt.Sprintf("%d processes", total)}
	if total == 1 {
		parts[0] = "1 process"
	}
	for _, word := range append([]string{tree.HealthBad.String()}, tree.States()...) {
		names := named[word]
		if len(names) == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", len(names), word)
		switch word {
		case tree.StateRunning.String(), tree.StateStopped.String(), tree.StateExited.String():
		default: // what somebody may want to look at
			if len(names) > most {
				names = append(names[:most:most], "…")
			}
			part += " (" + strings.Join(names, " ") + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
