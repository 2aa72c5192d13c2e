package logs

import (
	"bytes"
	"time"

	"golang.org/x/sys/unix"
)

// What a busy process writes goes into a raw log by splice(2): the kernel writes
// the pages of the FIFO into the file and drops from the FIFO just what it has
// written. So a daemon that is killed at any instant leaves each byte once, with
// no word in the ledger, and nothing is copied through the daemon. What has to
// be looked at goes the usual way: the last of a file, which is cut at a line's
// end, all formats but raw, the console, and the little that most processes
// write.

const (
	// bulkBytes is from how much on that is waiting splice is worth its trouble.
	bulkBytes = 128 << 10
	// bulkMargin is what is left in a file for who cuts it at a line's end.
	bulkMargin = chunkBytes
)

// bulk passes on what is in the FIFO of a busy stream and needs no looking at.
// It returns how much that was; 0 leaves it to the usual way. The caller holds mu.
func (s *stream) bulk() int {
	if s.full >= 0 || s.noBulk || s.toCon || s.owed || !s.keeps() || len(s.held) > 0 || s.sink.expected.Load() != nil {
		return 0
	}
	waiting := s.queued()
	if waiting < bulkBytes {
		return 0
	}
	n, last := s.file.swallow(s, waiting, s.p.now())
	if n > 0 {
		s.passed.Add(uint64(n))
		s.sink.tail.addLast(last, n)
	}
	return n
}

// swallow moves up to n bytes of a FIFO into the file, and returns how many that
// were and the last of them, at most tailBytes.
func (f *logFile) swallow(s *stream, n int, now time.Time) (moved int, last []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lines(s) || f.bad != nil || f.skip || f.lost != nil || f.ready(now) != nil || f.moved {
		return 0, nil
	}
	if f.cfg.maxSize > 0 {
		n = int(min(int64(n), f.cfg.maxSize-f.size-bulkMargin))
	}
	if n < bulkBytes/2 {
		return 0, nil
	}
	// Into a file that is open for appending the kernel does not splice.
	flags, err := unix.FcntlInt(uintptr(f.fd), unix.F_GETFL, 0)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(f.fd), unix.F_SETFL, flags&^unix.O_APPEND)
	}
	if err != nil {
		s.noBulk = true
		return 0, nil
	}
	at := f.size
	got, err := unix.Splice(s.fd, nil, f.fd, &at, n, unix.SPLICE_F_NONBLOCK)
	if _, back := unix.FcntlInt(uintptr(f.fd), unix.F_SETFL, flags); back != nil {
		f.moved = true // it is opened anew
	}
	if err == unix.EINVAL {
		s.noBulk = true // not into this file system
	}
	if got <= 0 {
		return 0, nil
	}
	f.over = false
	f.index.note(f.dir, f.base(), f.size, now)
	f.size += got
	last = f.lastBytes(got)
	if i := bytes.LastIndexByte(last, '\n'); i >= 0 {
		f.start = f.size - int64(len(last)) + int64(i) + 1
	}
	f.mid = len(last) == 0 || last[len(last)-1] != '\n'
	f.wake(false)
	return int(got), last
}

// lastBytes returns the end of the file, out of what was written last.
func (f *logFile) lastBytes(written int64) []byte {
	buf := make([]byte, min(written, tailBytes))
	n, err := unix.Pread(f.fd, buf, f.size-int64(len(buf)))
	if err != nil {
		return nil
	}
	return buf[:n]
}
