package procman

import (
	"slices"
	"sync"

	"gosup/tree"
)

// jobs is what the outfitter has to do. It has no bound, like inbox.
type jobs struct {
	mu    sync.Mutex
	items []any
	next  int // those before it are taken
	ended bool
	wake  chan struct{} // buffered by one
}

// maxTaken is how many jobs that are taken may lie in front of the others.
const maxTaken = 256

// put adds a job, behind all others. Only a start overtakes what is done for
// processes that are restarted more often: where hundreds crash, a sound one
// would wait for all of them.
func (q *jobs) put(job any) {
	q.mu.Lock()
	at := len(q.items)
	if start, ok := job.(tree.Start); ok {
		for at > q.next && yields(q.items[at-1], start) {
			at--
		}
	}
	q.items = slices.Insert(q.items, at, job)
	q.mu.Unlock()
	q.ring()
}

// yields reports whether a job may as well be done after a start that was
// ordered later: another one's run has begun or ended, or is restarted more
// often.
func yields(job any, start tree.Start) bool {
	switch e := job.(type) {
	case tree.Start:
		return e.Node != start.Node && e.Restarts > start.Restarts
	case tree.Started:
		return e.Node != start.Node
	case tree.Exited:
		return e.Node != start.Node
	case tree.Crashed:
		return e.Node != start.Node
	}
	return false
}

// take returns the next job, nil if there is none, and whether no more will
// come.
func (q *jobs) take() (job any, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == len(q.items) {
		return nil, q.ended
	}
	job = q.items[q.next]
	q.items[q.next] = nil
	q.next++
	if q.next == len(q.items) {
		q.items, q.next = q.items[:0], 0
	} else if q.next == maxTaken {
		q.items, q.next = slices.Delete(q.items, 0, q.next), 0
	}
	return job, false
}

// end says that no more will come.
func (q *jobs) end() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	q.ring()
}

func (q *jobs) ring() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
