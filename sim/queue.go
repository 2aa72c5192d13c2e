package sim

import "gosup/tree"

// queue holds what is to happen, the earliest first, and what is due at one
// time in the order in which it was put in. It is a binary heap.
type queue struct {
	items []item
	count uint64
}

type item struct {
	at    Time
	order uint64
	event tree.Event
}

func (a *item) before(b *item) bool {
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (q *queue) len() int    { return len(q.items) }
func (q *queue) first() Time { return q.items[0].at }

func (q *queue) push(at Time, e tree.Event) {
	q.count++
	q.items = append(q.items, item{at: at, order: q.count, event: e})
	for i := len(q.items) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.items[i].before(&q.items[up]) {
			return
		}
		q.items[i], q.items[up] = q.items[up], q.items[i]
		i = up
	}
}

func (q *queue) pop() tree.Event {
	e := q.items[0].event
	last := len(q.items) - 1
	q.items[0] = q.items[last]
	q.items[last] = item{}
	q.items = q.items[:last]
	for i := 0; ; {
		low := 2*i + 1
		if low >= last {
			return e
		}
		if low+1 < last && q.items[low+1].before(&q.items[low]) {
			low++
		}
		if !q.items[low].before(&q.items[i]) {
			return e
		}
		q.items[i], q.items[low] = q.items[low], q.items[i]
		i = low
	}
}
