package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"gosup/spec"
)

// history reads one log from the place where a query begins.
type history struct {
	*shelf
	decoder
	q Query

	first int   // the segment to begin with
	off   int64 // where in it
	skip  int   // matching lines to leave out at first
	found int   // matching lines after that, where Lines limits them
	block []byte
}

// blockBytes is how much is read at once on the way back from a file's end.
const blockBytes = 256 << 10

// seek finds where to begin.
func (h *history) seek() error {
	if !h.q.Since.IsZero() {
		// Before a file that was last written to before, all is older.
		for h.first < len(h.list)-1 && h.list[h.first].mod.Before(h.q.Since) {
			h.first++
		}
	}
	if h.q.Lines >= 0 {
		return h.seekLast()
	}
	if h.q.Since.IsZero() || h.first >= len(h.list) {
		return nil
	}
	o, err := h.openSegment(h.list[h.first])
	if err != nil || o == nil {
		return err
	}
	defer o.close()
	h.off, err = h.seekTime(o)
	return err
}

// openSegment opens a segment and has its times used; nil if it was removed
// meanwhile.
func (h *history) openSegment(g segment) (*opened, error) {
	o, err := h.shelf.open(g)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		h.times = o.times
	}
	return o, err
}

// seekTime finds an offset before which nothing is asked for, at the beginning
// of a line.
func (h *history) seekTime(o *opened) (int64, error) {
	if o.packed {
		return 0, nil
	}
	if h.format == spec.FormatRaw {
		return h.lineStart(o, o.times.from(h.q.Since, o.size))
	}
	lo, hi := int64(0), o.size // a line at lo is older, or lo is 0
	for hi-lo > blockBytes {
		mid := lo + (hi-lo)/2
		off, err := h.lineStart(o, mid)
		if err != nil {
			return 0, err
		}
		old, err := h.older(o, off, hi)
		if err != nil {
			return 0, err
		}
		if !old {
			hi = mid
			continue
		}
		lo = off
	}
	return lo, nil
}

// lineStart returns the first line's beginning at or after an offset.
func (h *history) lineStart(o *opened, off int64) (int64, error) {
	if off <= 0 || off >= o.size {
		return max(0, min(off, o.size)), nil
	}
	s := newScanner(io.NewSectionReader(o.File, off-1, o.size-off+1), off-1, h.format)
	if err := s.skipLine(); err == io.EOF {
		return o.size, nil
	} else if err != nil {
		return 0, err
	}
	return s.off, nil
}

// older reports whether the first line in [off, end) that has a time is older
// than what is asked for.
func (h *history) older(o *opened, off, end int64) (bool, error) {
	s := newScanner(io.NewSectionReader(o.File, off, end-off), off, h.format)
	for {
		line, at, last, err := s.next()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if r := h.decode(line, at, last); !r.Time.IsZero() {
			return r.Time.Before(h.q.Since), nil
		}
	}
}

// seekLast finds where the last lines begin, going back from the end.
func (h *history) seekLast() error {
	first := h.first
	if h.q.Lines == 0 {
		h.first = len(h.list)
		return nil
	}
	want := h.q.Lines
	if h.format != spec.FormatRaw {
		want++ // the first may have pieces further back
	}
	for i := len(h.list) - 1; i >= first; i-- {
		h.first, h.off = i, 0
		o, err := h.openSegment(h.list[i])
		if err != nil {
			return err
		}
		if o == nil {
			continue
		}
		n, old, err := h.back(o, want-h.found)
		o.close()
		if err != nil {
			return err
		}
		h.found += n
		if h.found >= want || old {
			break
		}
	}
	h.skip = max(0, h.found-h.q.Lines)
	h.found -= h.skip
	return nil
}

// back counts matching lines from a file's end until it has want of them, and
// leaves in off where it has got. old says that all before is too old.
func (h *history) back(o *opened, want int) (n int, old bool, err error) {
	if o.packed {
		n, _, err = h.count(o, 0, -1)
		return n, false, err
	}
	for end := o.size; end > 0 && n < want && !old; end = h.off {
		if h.off, err = h.startBefore(o, end); err != nil {
			return n, false, err
		}
		var found int
		if found, old, err = h.count(o, h.off, end); err != nil {
			return n, false, err
		}
		n += found
	}
	return n, old, nil
}

// startBefore returns where a line begins that is about a block before end, or
// as far before as it must be.
func (h *history) startBefore(o *opened, end int64) (int64, error) {
	if h.block == nil {
		h.block = make([]byte, blockBytes)
	}
	buf := h.block
	// The newline right before end does not count.
	for limit := end - 1; ; {
		at := max(0, limit-int64(len(buf)))
		n, err := o.ReadAt(buf[:limit-at], at)
		if err != nil && err != io.EOF {
			return 0, err
		}
		if at == 0 {
			return 0, nil
		}
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
		limit = at
	}
}

// count counts the matching lines in [start, end), or to the end if that is
// negative. old says that the first one is older than what is asked for.
func (h *history) count(o *opened, start, end int64) (n int, old bool, err error) {
	part := *o
	if end >= 0 {
		part.size = end
	}
	first := true
	for r, err := range h.lines(&part, start) {
		if err != nil {
			break // said when it is read
		}
		if first && !r.Time.IsZero() {
			old = r.Time.Before(h.q.Since)
			first = false
		}
		if !r.Partial && h.q.matches(&r) {
			n++
		}
	}
	return n, old, nil
}

// lines returns the lines of a file from an offset on, all of them.
func (h *history) lines(o *opened, off int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r, done, err := o.from(off)
		if err == io.EOF {
			return
		}
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer done()
		s := newScanner(r, off, h.format)
		for {
			line, at, last, err := s.next()
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				break
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
			if !yield(h.decode(line, at, last), nil) {
				return
			}
		}
		if line, at := s.rest(); len(line) > 0 {
			yield(h.decode(line, at, true), nil)
		}
	}
}

// records returns what is asked for, to the end of the live file as it was.
func (h *history) records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for i := h.first; i < len(h.list); i++ {
			if !h.segment(h.list[i], yield) {
				return
			}
			h.off = 0
		}
	}
}

// segment yields what is asked for in one file.
func (h *history) segment(g segment, yield func(Record, error) bool) bool {
	o, err := h.openSegment(g)
	if err != nil {
		return yield(Record{}, err)
	}
	if o == nil {
		return true
	}
	defer o.close()
	for r, err := range h.lines(o, h.off) {
		switch {
		case err != nil:
			// A damaged file costs its own lines.
			note := fmt.Sprintf("gosup: %s cannot be read: %v", o.Name(), err)
			return yield(Record{Process: h.process, Stream: "gosup", Line: []byte(note)}, nil)
		case !h.q.matches(&r):
			continue
		case h.skip > 0:
			if !r.Partial {
				h.skip--
			}
			continue
		}
		if !yield(r, nil) {
			return false
		}
	}
	return true
}
