package logs

import (
	"bytes"
	"io"
	"iter"
	"os"
	"slices"
	"sync/atomic"
)

// follower is told when something was written. It is never waited for.
type follower struct {
	wake  chan<- struct{} // of one place
	ended atomic.Bool     // a run has ended: a line without an end gets none any more
}

// tell wakes the follower.
func (f *follower) tell(ended bool) {
	if ended {
		f.ended.Store(true)
	}
	select {
	case f.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// follow has a follower told of all that is written from now on. The caller
// holds mu.
func (f *logFile) follow(one *follower) {
	if f.readers == nil {
		f.readers = map[*follower]struct{}{}
	}
	f.readers[one] = struct{}{}
}

// wake tells the followers that something was written or, with ended, that a
// run has ended. The caller holds mu.
func (f *logFile) wake(ended bool) {
	for one := range f.readers {
		one.tell(ended)
	}
}

// fileTrack follows a log file through its rotations.
type fileTrack struct {
	*follower
	decoder
	q    Query
	log  *logFile
	at   *shelf
	seq  uint64   // the number of the file that is open
	file *os.File // nil where none is
	pos  *positioned
	scan *scanner
	done func() // ends reading a packed file
	last bool   // the file has been replaced; it is read to its end once more
}

// positioned reads a file from an offset on, and on after its end has moved.
type positioned struct {
	r   io.Reader // of a packed file; else nil
	f   io.ReaderAt
	off int64
}

func (p *positioned) Read(b []byte) (int, error) {
	if p.r != nil {
		return p.r.Read(b)
	}
	n, err := p.f.ReadAt(b, p.off)
	p.off += int64(n)
	return n, err
}

// newFileTrack follows what comes after the files of a shelf.
func newFileTrack(s *shelf, f *follower, d decoder, q Query) *fileTrack {
	t := &fileTrack{follower: f, decoder: d, q: q, log: s.file, at: s, seq: s.seq}
	if s.live != nil {
		// A line that has no end yet belongs to what is to come.
		live := &s.list[len(s.list)-1]
		live.size = lastLineEnd(s.live, live.size)
		t.open(s.live, live.size)
	}
	return t
}

// lastLineEnd returns where the last line before an offset ends; the offset
// itself if that is too far away.
func lastLineEnd(f io.ReaderAt, off int64) int64 {
	buf := make([]byte, min(off, maxPiece))
	n, _ := f.ReadAt(buf, off-int64(len(buf)))
	if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 || n == int(off) {
		return off - int64(n-i-1)
	}
	return off
}

// open goes on with a file that somebody else closes.
func (t *fileTrack) open(f *os.File, off int64) {
	t.file = f
	t.pos = &positioned{f: f, off: off}
	t.scan = newScanner(t.pos, off, t.format)
}

// read emits what is new.
func (t *fileTrack) read(emit func(Record) error) error {
	for {
		if t.file != nil {
			if err := t.lines(emit); err != nil {
				return err
			}
		}
		more, err := t.turn(emit)
		if err != nil || !more {
			return err
		}
	}
}

// lines emits the whole lines that there are in the open file.
func (t *fileTrack) lines(emit func(Record) error) error {
	if st, err := t.file.Stat(); err == nil && t.pos.r == nil && st.Size() < t.pos.off {
		t.open(t.file, 0) // it was truncated
	}
	for {
		line, off, last, err := t.scan.next()
		if err != nil {
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return nil
			}
			return err
		}
		if err := t.emit(emit, line, off, last); err != nil {
			return err
		}
	}
}

func (t *fileTrack) emit(emit func(Record) error, line []byte, off int64, last bool) error {
	r := t.decode(line, off, last)
	if r.Time.IsZero() {
		r.Time = t.log.p.now()
	}
	if !t.q.matches(&r) {
		return nil
	}
	return emit(r)
}

// rest emits what has no end and gets none.
func (t *fileTrack) rest(emit func(Record) error) error {
	if t.file == nil {
		return nil
	}
	line, off := t.scan.rest()
	if len(line) == 0 {
		return nil
	}
	return t.emit(emit, line, off, true)
}

// turn goes to the next file if the open one has been replaced and read; false
// if there is nothing more for now.
func (t *fileTrack) turn(emit func(Record) error) (more bool, err error) {
	t.log.mu.Lock()
	same := t.log.seq == t.seq
	t.log.mu.Unlock()
	switch {
	case same:
		if t.ended.Swap(false) {
			// All that was written before is in the file by now.
			if t.file != nil {
				if err := t.lines(emit); err != nil {
					return false, err
				}
			}
			return false, t.rest(emit)
		}
		return false, nil
	case !t.last && t.file != nil:
		t.last = true
		return true, nil
	}
	if err := t.rest(emit); err != nil {
		return false, err
	}
	t.last = false
	f, packed, err := t.next()
	if err == ErrSlow {
		lost := Record{Time: t.log.p.now(), Process: t.process, Stream: "gosup", Line: []byte("gosup: output was rotated away before this reader had read it")}
		if err := emit(lost); err != nil {
			return false, err
		}
	}
	if err != nil || f == nil {
		return false, err
	}
	t.closeFile()
	t.open(f, 0)
	if packed {
		if t.pos.r, t.done, err = unpack(io.NewSectionReader(f, 0, 1<<62)); err != nil {
			return false, err
		}
	}
	return true, nil
}

// next opens the file that came after the open one; nil if there is none yet.
func (t *fileTrack) next() (f *os.File, packed bool, err error) {
	l := t.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.seq > 0 && t.seq+1 <= l.gone {
		return nil, false, ErrSlow
	}
	if l.dir == nil {
		return nil, false, nil // closed; no more comes
	}
	for n, seq := range slices.Backward(l.older) {
		if seq <= t.seq {
			continue
		}
		t.seq = seq
		for _, suffix := range suffixes {
			f, err := openToRead(l.dir.fd, rotatedName(l.base(), n+1, suffix))
			if !isGone(err) {
				return f, suffix != "", err
			}
		}
	}
	t.seq = l.seq
	f, err = openToRead(l.dir.fd, l.base())
	if isGone(err) {
		return nil, false, nil
	}
	return f, false, err
}

func (t *fileTrack) closeFile() {
	if t.done != nil {
		t.done()
		t.done = nil
	}
	if t.file != nil && t.file != t.at.live {
		t.file.Close()
	}
	t.file = nil
}

func (t *fileTrack) close() {
	t.closeFile()
	t.log.mu.Lock()
	defer t.log.mu.Unlock()
	delete(t.log.readers, t.follower)
}

// tailTrack follows a process whose output goes to the console alone.
type tailTrack struct {
	*follower
	sink *Sink
	name string
	q    Query
	pos  uint64
	part []byte // a line that has no end yet
}

func newTailTrack(s *Sink, f *follower, pos uint64, name string, q Query) *tailTrack {
	return &tailTrack{follower: f, sink: s, name: name, q: q, pos: pos}
}

func (t *tailTrack) read(emit func(Record) error) error {
	ended := t.ended.Swap(false)
	data, pos := t.sink.tail.after(t.pos)
	if pos-t.pos > uint64(len(data)) {
		emit(Record{Time: t.sink.p.now(), Process: t.name, Stream: "gosup", Line: []byte("gosup: output came faster than this reader has read it")})
		return ErrSlow
	}
	t.pos = pos
	t.part = append(t.part, data...)
	for len(t.part) > 0 {
		i := bytes.IndexByte(t.part, '\n')
		partial := i < 0
		line, used := t.part, len(t.part)
		if i >= 0 {
			line, used = t.part[:i], i+1
		} else if !ended && len(t.part) < maxPiece {
			break
		}
		r := Record{Time: t.sink.p.now(), Process: t.name, Line: line, Partial: partial && !ended}
		if t.q.matches(&r) {
			if err := emit(r); err != nil {
				return err
			}
		}
		t.part = t.part[used:]
	}
	return nil
}

func (t *tailTrack) close() { t.sink.tail.unfollow(t.follower) }

// tailRecords makes records of the end of what went to the console.
func tailRecords(data []byte, process string, q Query) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var list []Record
		for line := range bytes.Lines(data) {
			r := Record{Process: process, Line: bytes.TrimSuffix(line, newline)}
			if q.matches(&r) {
				list = append(list, r)
			}
		}
		if q.Lines >= 0 && len(list) > q.Lines {
			list = list[len(list)-q.Lines:]
		}
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
	}
}
