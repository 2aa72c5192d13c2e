package procman

import (
	"context"
	"sync"
	"time"

	"gosup/tree"
)

// crew carries out what the tree orders. Its methods are called on the loop's
// goroutine and never block; what becomes of an order comes back as an event.
type crew interface {
	start(tree.Start)      // answered by exactly one Started or StartFailed
	signal(tree.Signal)    // not answered
	redefine(tree.Changed) // not answered
	forget(tree.Forget)    // not answered
	hook(tree.RunHook)     // answered by exactly one HookDone
	cancel(tree.CancelHook)
	record(tree.Crashed) // not answered
	probe(tree.Probe)    // answered by exactly one Probed
	listen(tree.Listen)  // answered by exactly one Listened, then by at most one Knocked
}

// wish is an event on its way to the loop, with the place for its answer if it
// asks for one.
type wish struct {
	event tree.Event         // nil for none: somebody asks whether the loop is alive
	reply chan<- tree.Answer // of an Asked; buffered, so that the loop never waits
	seen  chan<- struct{}    // closed once readers see what came of it; nil for nobody asks

	suspend *suspension // in place of an event
}

// inbox holds events until the loop takes them. It has no bound of its own:
// who fills it is bounded, and an event that is lost would be a run that is
// never reaped.
type inbox struct {
	mu     sync.Mutex
	wishes []wish
	since  time.Time     // when the first of them came
	wake   chan struct{} // buffered by one
}

func (b *inbox) put(w wish) {
	b.mu.Lock()
	if len(b.wishes) == 0 {
		b.since = time.Now()
	}
	b.wishes = append(b.wishes, w)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take returns all that is there, and when the first of it came. The caller
// gives back the slice that it took before, to be filled again.
func (b *inbox) take(old []wish) ([]wish, time.Time) {
	clear(old)
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.wishes
	b.wishes = old[:0]
	return taken, b.since
}

// Run supervises until the tree says that the daemon is to end, and returns
// the exit code. It is the loop: it takes what happened, reads the clock once,
// steps the tree, hands out what is to be done, publishes what readers see,
// and sleeps until something happens or the tree's one deadline is due.
//
// It must be called once. The caller closes the Manager afterwards.
func (m *Manager) Run() (code int) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer close(m.ended)
	trimmer := newTrimmer(m.quiet)
	defer trimmer.timer.Stop()
	for {
		m.events = m.events[:0]
		var since time.Time
		m.taken, since = m.inbox.take(m.taken)
		for _, w := range m.taken {
			switch {
			case w.suspend != nil:
				m.suspend(w.suspend)
			case w.event != nil:
				m.events = append(m.events, m.admit(w))
			}
		}
		now := m.Now()
		due := m.overdue(now)
		m.effects = m.tree.Step(now, m.events, m.effects[:0])
		for _, e := range m.effects {
			m.carryOut(e)
		}
		clear(m.effects)
		m.publish(now)
		for _, a := range m.answers {
			m.replies[a.ID] <- a
			delete(m.replies, a.ID)
		}
		m.answers = m.answers[:0]
		trimmer.stepped()
		for _, w := range m.taken {
			if w.seen != nil {
				close(w.seen)
			}
		}
		m.measure(since, due+m.Now().Sub(now), due >= 0)
		if m.exiting != nil {
			return m.exiting.Code
		}
		if m.suspending != nil && m.starting == 0 {
			m.suspended = true
			return 0
		}
		m.arm(timer, now)
		select {
		case <-m.inbox.wake:
		case <-timer.C:
		}
	}
}

// quiet gives back what only a burst of work has needed. The saver has a part
// of that, and does it once it is not writing.
func (m *Manager) quiet() {
	if m.saver == nil {
		trim()
		return
	}
	ring(m.saver.quiet)
}

// arm sets the one timer to the tree's next deadline, or stops it: while
// nothing is due, nothing wakes the daemon.
func (m *Manager) arm(timer *time.Timer, now tree.Time) {
	if next, ok := m.tree.Next(); ok {
		timer.Reset(next.Sub(now))
		return
	}
	timer.Stop()
}

// measure takes how late the loop has been, for the first of what it was told
// and for the tree's deadline, if that had come.
func (m *Manager) measure(since time.Time, overdue time.Duration, due bool) {
	switch told := len(m.taken) > 0; {
	case told && due:
		m.timings.acted(max(overdue, time.Since(since)))
	case told:
		m.timings.acted(time.Since(since))
	case due:
		m.timings.acted(overdue)
	}
}

// overdue returns how long ago the tree's deadline was; below 0 if it is still
// to come, or there is none. Before its first step a tree is due since ever.
func (m *Manager) overdue(now tree.Time) time.Duration {
	next, ok := m.tree.Next()
	if !ok || next == 0 {
		return -1
	}
	return now.Sub(next)
}

// admit makes a place for the answer to a wish.
func (m *Manager) admit(w wish) tree.Event {
	switch e := w.event.(type) {
	case tree.Reloaded:
		m.defined, m.decided = e.Tree, true
	case tree.Started, tree.StartFailed:
		m.starting--
	}
	asked, ok := w.event.(tree.Asked)
	if !ok {
		return w.event
	}
	m.decided = true
	m.lastAsk++
	asked.ID = m.lastAsk
	m.replies[asked.ID] = w.reply
	return asked
}

func (m *Manager) carryOut(e tree.Effect) {
	switch e := e.(type) {
	case tree.Start:
		if m.suspending != nil {
			m.withheld = append(m.withheld, e)
			return
		}
		m.starting++
		m.crew.start(e)
	case tree.Signal:
		m.crew.signal(e)
	case tree.Changed:
		m.crew.redefine(e)
	case tree.Forget:
		m.crew.forget(e)
	case tree.Crashed:
		m.crew.record(e)
	case tree.RunHook:
		m.crew.hook(e)
	case tree.CancelHook:
		m.crew.cancel(e)
	case tree.Probe:
		m.crew.probe(e)
	case tree.Listen:
		m.crew.listen(e)
	case tree.Answer:
		m.answers = append(m.answers, e) // once readers see what came of it
	case tree.Note:
		m.history.add(tree.Noted{Note: e, Wall: m.Wall(e.At)})
	case tree.Exiting:
		m.exiting = &e
	}
}

// publish makes what changed visible to readers.
func (m *Manager) publish(now tree.Time) {
	m.history.announce()
	if m.saver != nil && (m.tree.Version() != m.snapshot.latest().Version || m.exiting != nil) {
		m.saver.offer(m.tree.Image(), m.defined, m.decided, m.exiting != nil)
		m.decided = false
	}
	if v := m.tree.Version(); v != m.snapshot.latest().Version {
		old := len(m.snapshot.latest().Nodes)
		m.snapshot.publish(&tree.Snapshot{
			At: now, Version: v, Stopping: m.tree.Shutdown(),
			Nodes: m.tree.View(make([]*tree.Node, 0, old)), Breakers: m.tree.Breakers(),
		})
	}
}

// Ask hands a wish to the tree and waits for its answer, which comes with the
// next step of the loop. What people decide about processes is on the disk by
// then, unless that takes too long: a gosup that dies now does not forget it. The error is that of ctx, or ErrEnded.
func (m *Manager) Ask(ctx context.Context, a tree.Asked) (tree.Answer, error) {
	reply := make(chan tree.Answer, 1)
	m.inbox.put(wish{event: a, reply: reply})
	select {
	case answer := <-reply:
		if m.saver != nil && a.Verb < tree.AskSignal {
			m.saver.await(ctx)
		}
		return answer, nil
	case <-ctx.Done():
		return tree.Answer{}, ctx.Err()
	case <-m.ended:
		return tree.Answer{}, m.over()
	}
}

// Shutdown asks for the end of the daemon and returns at once.
func (m *Manager) Shutdown(u tree.Urgency, by, why string) {
	m.Tell(tree.Shutdown{Urgency: u, By: by, Why: why})
}

// Reload replaces the definition, and returns when readers see the new one. The
// error is that of ctx, or ErrEnded.
func (m *Manager) Reload(ctx context.Context, e tree.Reloaded) error {
	return m.put(ctx, e)
}

// Alive returns once the loop has gone round, to whoever doubts that it does.
// The error is that of ctx, or ErrEnded.
func (m *Manager) Alive(ctx context.Context) error { return m.put(ctx, nil) }

// put hands an event to the loop and waits until readers see what came of it.
func (m *Manager) put(ctx context.Context, e tree.Event) error {
	seen := make(chan struct{})
	m.inbox.put(wish{event: e, seen: seen})
	select {
	case <-seen:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-m.ended:
		return m.over()
	}
}

// Tell hands an event that has no answer to the tree. It never blocks.
func (m *Manager) Tell(e tree.Event) { m.inbox.put(wish{event: e}) }
