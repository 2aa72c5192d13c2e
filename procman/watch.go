package procman

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"gosup/tree"
)

// ErrEnded is the error of whoever waits for a daemon that has ended.
var ErrEnded = errors.New("gosup has ended")

// endedError is the same for one that goes on as another program.
type endedError struct{}

func (endedError) Error() string {
	return "gosup was upgraded while this was waited for, and it goes on (see gosup ctl status)"
}
func (endedError) Is(target error) bool { return target == ErrEnded }
func (endedError) Replaced() bool       { return true }

// over returns why nobody is there any more; to be called once Run has returned.
func (m *Manager) over() error {
	if m.suspended {
		return endedError{}
	}
	return ErrEnded
}

// bell lets any number of goroutines wait for the next ring.
type bell struct {
	mu   sync.Mutex
	wait chan struct{} // nil while nobody waits
}

// next returns a channel that is closed by the next ring.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait == nil {
		b.wait = make(chan struct{})
	}
	return b.wait
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait != nil {
		close(b.wait)
		b.wait = nil
	}
}

// snapshots is the latest view of the tree, read without a lock.
type snapshots struct {
	current atomic.Pointer[tree.Snapshot]
	bell    bell
}

func (s *snapshots) latest() *tree.Snapshot { return s.current.Load() }

func (s *snapshots) publish(next *tree.Snapshot) {
	s.current.Store(next)
	s.bell.ring()
}

// Snapshot returns the latest state of the tree. It takes no lock.
func (m *Manager) Snapshot() *tree.Snapshot { return m.snapshot.latest() }

// Changed waits until there is a snapshot with a Version above after, and
// returns the latest. The error is that of ctx, or ErrEnded.
func (m *Manager) Changed(ctx context.Context, after uint64) (*tree.Snapshot, error) {
	err := m.await(ctx, &m.snapshot.bell, func() bool { return m.snapshot.latest().Version > after })
	return m.snapshot.latest(), err
}

// await returns once done does, which is asked again whenever b rings.
func (m *Manager) await(ctx context.Context, b *bell, done func() bool) error {
	for {
		rung := b.next()
		if done() {
			return nil
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return ctx.Err()
		case <-m.ended:
			if done() {
				return nil
			}
			return m.over()
		}
	}
}

// historySize is how many notes are kept in memory at most, half of it at least.
const historySize = 4096

// history keeps the latest notes.
type history struct {
	mu    sync.Mutex
	notes []tree.Noted // at most historySize; the later half stays when it is full
	fresh bool         // the loop's: there are notes that nobody was told of
	bell  bell
}

// add is called by the loop, which announces when its step is done.
func (h *history) add(n tree.Noted) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.notes) == historySize {
		// Readers may hold the old array, so it is left as it is.
		h.notes = append(make([]tree.Noted, 0, historySize), h.notes[historySize/2:]...)
	}
	h.notes = append(h.notes, n)
	h.fresh = true
}

func (h *history) announce() {
	if h.fresh {
		h.fresh = false
		h.bell.ring()
	}
}

// after returns the notes above number since, oldest first.
func (h *history) after(since uint64) (notes []tree.Noted, gap bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.notes) == 0 {
		return nil, false
	}
	first := h.notes[0].Seq
	if since+1 < first {
		return h.notes[:len(h.notes):len(h.notes)], true
	}
	k := min(int(since+1-first), len(h.notes))
	return h.notes[k:len(h.notes):len(h.notes)], false
}

func (h *history) last() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.notes) == 0 {
		return 0
	}
	return h.notes[len(h.notes)-1].Seq
}

// Events returns what is kept of the history after note number since, oldest
// first, and whether notes in between are no longer kept. The notes belong to
// everybody: the caller changes nothing.
func (m *Manager) Events(since uint64) (notes []tree.Noted, gap bool) {
	return m.history.after(since)
}

// EventsChanged waits until there is a note with a number above since.
func (m *Manager) EventsChanged(ctx context.Context, since uint64) error {
	return m.await(ctx, &m.history.bell, func() bool { return m.history.last() > since })
}
