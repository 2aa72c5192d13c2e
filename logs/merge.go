package logs

import "iter"

// merge joins sequences that are each in the order of time into one. A record
// without a time goes where the one before it in its sequence went. The pieces
// of a long line stay together.
func merge(seqs []iter.Seq2[Record, error]) iter.Seq2[Record, error] {
	if len(seqs) == 1 {
		return seqs[0]
	}
	return func(yield func(Record, error) bool) {
		var heads []*head
		for _, seq := range seqs {
			h := &head{}
			h.pull, h.stop = iter.Pull2(seq)
			defer h.stop()
			if h.next() {
				heads = append(heads, h)
			}
		}
		for len(heads) > 0 {
			first := 0
			for i, h := range heads {
				if h.partial {
					first = i
					break
				}
				if h.key < heads[first].key {
					first = i
				}
			}
			h := heads[first]
			if !yield(h.record, h.err) || h.err != nil {
				return
			}
			h.partial = h.record.Partial
			if !h.next() {
				heads = append(heads[:first], heads[first+1:]...)
			}
		}
	}
}

// head is the next record of a sequence.
type head struct {
	pull    func() (Record, error, bool)
	stop    func()
	record  Record
	err     error
	key     int64 // when, for the order; never less than that of the record before
	partial bool  // the record before was a piece, which this one continues
}

// next pulls the next record; false if there is none.
func (h *head) next() bool {
	var ok bool
	h.record, h.err, ok = h.pull()
	if !h.record.Time.IsZero() {
		h.key = max(h.key, h.record.Time.UnixNano())
	}
	return ok
}

// skipping leaves out the first n lines of a sequence.
func skipping(seq iter.Seq2[Record, error], n int) iter.Seq2[Record, error] {
	if n <= 0 {
		return seq
	}
	return func(yield func(Record, error) bool) {
		left := n
		for r, err := range seq {
			if err == nil && left > 0 {
				if !r.Partial {
					left--
				}
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}
