package logs

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"gosup/spec"

	"golang.org/x/sys/unix"
)

// errStalled says that nothing more can be delivered for now and that nothing
// may be lost either: the process waits.
var errStalled = errors.New("stalled")

// stream is one FIFO and where its bytes go.
type stream struct {
	p    *Pump
	sink *Sink
	fifo
	name string // "stdout" or "stderr"

	passed atomic.Uint64 // bytes taken out of the FIFO

	begun bool // it is watched; guarded by Sink.cfgMu

	mu     sync.Mutex // held by who reads the FIFO; guards what follows
	ending bool       // the console need not have room any more
	owed   bool       // the last line of a run must be written before anything else
	closed bool
	full   int    // how often the FIFO was found full; -1 once it was enlarged
	noBulk bool   // splice(2) does not work here
	held   []byte // read and not delivered; only where tee(2) is not to be had

	file    *logFile // nil for none
	account *account // nil where there is no ledger
	format  spec.Format
	part    framer // of the file, where its format has lines
	toCon   bool
	con     spec.Format
	conPart framer // of the console, where its format has lines

	watched *watcher // of what Sink.Expect waits for; nil while nothing is
}

// step passes on one chunk. It returns how much that was and whether it is
// worth looking for more at once; -1 when the stream is stalled, which then
// somebody else resumes. The caller holds mu.
func (s *stream) step(k *kit) (n int, more bool) {
	if s.toCon && !s.ending && s.p.console.busy(s) {
		return -1, false
	}
	if s.owed && !s.flush(k) {
		return -1, false
	}
	if n := s.bulk(); n > 0 {
		return n, true
	}
	data, err := s.look(k)
	if err != nil {
		return 0, false
	}
	n = len(data)
	if n >= fullBytes && s.full >= 0 {
		if s.full++; s.full == 2 {
			s.p.grow(s.fd)
			s.full = -1
		}
	}
	for len(data) > 0 {
		used, err := s.deliver(k, data)
		if err != nil {
			s.hold(data)
			s.p.stall(s)
			return -1, false
		}
		data = data[used:]
	}
	return n, n >= pipeBytes/2
}

// pipeBytes is what a FIFO holds unless it was grown: pipe(7). It is full with
// less, for a write begins a page of its own: with 65,500 bytes in it, nothing
// else goes in.
const (
	pipeBytes = 64 << 10
	fullBytes = pipeBytes * 3 / 4
)

// look returns what is to be delivered next, without taking it out of the FIFO
// where that is possible and worth it.
func (s *stream) look(k *kit) ([]byte, error) {
	if len(s.held) > 0 {
		data := s.held
		s.held = nil
		return data, nil
	}
	if s.keeps() {
		data, err := k.look(s.fd)
		if err != unix.ENOSYS && err != unix.EPERM && err != unix.EINVAL {
			return data, err
		}
		// A sandbox without tee(2).
		s.p.plain.Store(true)
	}
	buf := k.room(chunkBytes)
	n, err := unix.Read(s.fd, buf)
	if err == nil && n <= 0 {
		err = unix.EAGAIN
	}
	return buf[:max(n, 0)], err
}

// keeps reports whether bytes stay in the FIFO until they are delivered. What
// goes to the console alone is gone with the daemon either way.
func (s *stream) keeps() bool { return canTee && s.file != nil && !s.p.plain.Load() }

// commit makes what was encoded and written to the file count.
func (s *stream) commit(c cut) {
	if c.framed {
		s.part.commit(c)
	}
}

// intend notes in the ledger that a chunk is about to be written as c.
func (s *stream) intend(in []byte, c cut) {
	if s.account == nil {
		return
	}
	if !s.keeps() {
		in = nil // it is in memory alone already
	}
	s.account.intend(s.file, in, c.out, c.head(&s.part), c.keep)
}

// keep notes the beginning of a line that a chunk ends with, where the rest of
// it is lost.
func (s *stream) keep(c cut) {
	if s.account != nil {
		s.account.keep(c.head(&s.part), c.keep)
	}
}

// settle notes that the chunk is where it belongs.
func (s *stream) settle() {
	if s.account != nil {
		s.account.settle()
	}
}

// cancel notes that it could not be written.
func (s *stream) cancel() {
	if s.account != nil {
		s.account.cancel()
	}
}

// hold keeps what was read and cannot be delivered.
func (s *stream) hold(data []byte) {
	if !s.keeps() {
		s.held = append([]byte(nil), data...)
	}
}

// deliver brings the beginning of data to its destinations and takes it out of
// the FIFO. It returns how much that was: at least 1 unless there is an error.
func (s *stream) deliver(k *kit, data []byte) (used int, err error) {
	now := s.p.now()
	used = len(data)
	if s.file != nil {
		used, err = s.file.append(s, k, data, now)
		if err != nil {
			return 0, err
		}
	}
	if s.keeps() {
		k.discard(s.fd, used)
	}
	s.settle()
	s.passed.Add(uint64(used))
	data = data[:used]
	s.sink.tail.add(data)
	if e := s.sink.expected.Load(); e != nil {
		if s.watched == nil {
			s.watched = &watcher{}
		}
		if s.watched.look(e, data) {
			s.sink.expected.CompareAndSwap(e, nil)
			s.watched = nil
		}
	}
	if s.toCon {
		s.p.console.print(s, k, data, now)
	}
	return used, nil
}

// arm has the stream reported when there is something to read. The caller
// holds mu.
func (s *stream) arm() {
	if err := s.p.poll.arm(s.fd); err != nil && !s.closed {
		s.p.log.Error("output is not read any more", "process", s.sink.name, "err", err)
	}
}

// resume has a stalled stream tried again.
func (s *stream) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if len(s.held) == 0 && !s.owed {
		s.arm()
		return
	}
	// What is held or owed would not be reported by epoll.
	k := s.p.kits.take()
	defer s.p.kits.put(k)
	if n, _ := s.step(k); n >= 0 {
		s.arm()
	}
}

// drain delivers what is in the FIFO at the time of the call, and no more: a
// grandchild may be writing on. It stops early when the stream is stalled.
func (s *stream) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.todo() > 0 || len(s.part.part) > 0 || len(s.conPart.part) > 0 {
		k := s.p.kits.take()
		defer s.p.kits.put(k)
		if !s.empty(k) || !s.flush(k) {
			return
		}
	}
	s.sink.tail.end()
	if s.file != nil {
		s.file.end()
	}
}

// empty delivers what is in the FIFO at the time of the call; false if the
// stream was stalled before. The caller holds mu.
func (s *stream) empty(k *kit) bool {
	for todo := s.todo(); todo > 0; {
		n, _ := s.step(k)
		if n < 0 {
			return false
		}
		if n == 0 {
			break
		}
		todo -= n
	}
	return true
}

// todo is how many bytes wait to be delivered.
func (s *stream) todo() int { return s.queued() + len(s.held) }

// flush writes lines that have no end yet, since their run has ended. Where it
// must wait for a disk it returns false and the stream is stalled. The caller
// holds mu.
func (s *stream) flush(k *kit) bool {
	now := s.p.now()
	s.owed = s.file != nil && !s.file.flush(s, k, now)
	if s.owed {
		s.p.stall(s)
	}
	if s.toCon {
		s.p.console.flush(s, k, now)
	}
	return !s.owed
}

// end closes the stream. What cannot be delivered at once is given up, and
// counted, if the FIFO is to be removed; else it stays in there.
func (s *stream) end(remove bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.ending = true
	k := s.p.kits.take()
	defer s.p.kits.put(k)
	if s.empty(k) && (remove || s.account == nil) {
		s.flush(k) // else the next daemon has the ledger for it
	}
	s.closed = true
	if lost := s.todo() + len(s.part.part); lost > 0 && remove {
		s.sink.dropped.Add(uint64(lost))
		s.p.log.Warn("output lost at the end", "process", s.sink.name, "stream", s.name, "bytes", lost)
	}
	s.p.unregister(s)
	s.p.console.forget(s)
	if s.file != nil {
		s.p.releaseFile(s.file)
		s.file = nil
	}
	if s.account != nil && remove {
		s.account.close()
	}
	s.fifo.close()
	if !remove {
		s.p.fresh.Store(false)
	}
	if !remove || !s.named() {
		return nil
	}
	if err := os.Remove(s.path()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// path is where the FIFO is.
func (s *stream) path() string { return fifoPath(s.p.fifoDir, s.sink.name, fifoSuffix(s.name)) }

// fifoSuffix is behind the name of a stream's FIFO.
func fifoSuffix(stream string) string {
	if stream == "stderr" {
		return ".err"
	}
	return ".out"
}

// encoder returns how lines look in a file of the given format.
func (s *stream) encoder(format spec.Format, now time.Time) put {
	switch format {
	case spec.FormatText:
		return textLines(now, s.name)
	case spec.FormatJSON:
		return jsonLines(now, s.sink.name, s.name)
	}
	return appendRaw
}
