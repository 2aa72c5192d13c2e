package logs

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"

	"gosup/spec"

	"golang.org/x/sys/unix"
)

// lost counts what was dropped and not yet told in the file.
type lost struct {
	bytes, lines int64
	err          error
}

// undo takes back a write that was cut short.
func (f *logFile) undo() {
	if err := unix.Ftruncate(f.fd, f.size); err != nil {
		f.p.log.Error("log is torn", "file", f.path, "err", err)
		var st unix.Stat_t
		if unix.Fstat(f.fd, &st) == nil {
			f.resize(st.Size)
		}
	}
}

// blocks reports whether, for this error, the process is to wait.
func (f *logFile) blocks(err error) bool {
	return f.cfg.block && (errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT))
}

// fail takes note that the file cannot be written, and logs it once.
func (f *logFile) fail(err error, now time.Time) {
	if f.bad == nil {
		then := "its output is dropped"
		if f.blocks(err) {
			then = "the process waits"
		}
		f.p.log.Warn("log not written", "file", f.path, "err", err, "then", then)
	}
	f.bad = err
	f.again = f.p.since(now) + retryDelay
}

// refuse treats a chunk that cannot be written.
func (f *logFile) refuse(s *stream, k *kit, data []byte, now time.Time, err error) (int, error) {
	f.fail(err, now)
	if f.blocks(err) {
		return 0, errStalled
	}
	return f.drop(s, k, data, now), nil
}

// drop loses a chunk, to a line's end if it can, and counts it.
func (f *logFile) drop(s *stream, k *kit, data []byte, now time.Time) int {
	if f.lines(s) {
		c := f.encode(s, k, data, math.MaxInt64, true, now)
		f.miss(s, data[:c.used-len(c.keep)])
		s.keep(c)
		s.commit(c)
		return c.used
	}
	if f.fd >= 0 && f.mid && !f.skip && f.start < f.size {
		// The line that was begun is lost as a whole rather than torn.
		if n := f.size - f.start; unix.Ftruncate(f.fd, f.start) == nil {
			f.size, f.mid = f.start, false
			f.missed(s, n, 0)
		}
	}
	f.skip = data[len(data)-1] != '\n'
	f.miss(s, data)
	return len(data)
}

// miss counts what was dropped.
func (f *logFile) miss(s *stream, data []byte) {
	f.missed(s, int64(len(data)), int64(bytes.Count(data, newline)))
}

var newline = []byte{'\n'}

func (f *logFile) missed(s *stream, bytes, lines int64) {
	if f.lost == nil {
		f.lost = &lost{}
	}
	f.lost.bytes += bytes
	f.lost.lines += lines
	f.lost.err = f.bad
	s.sink.dropped.Add(uint64(bytes))
}

// tell writes into the file what was lost before, if anything was.
func (f *logFile) tell(now time.Time) error {
	if f.lost == nil || f.fd < 0 {
		return nil
	}
	note := fmt.Sprintf("gosup: %d lines (%d bytes) of output are lost here: %v", f.lost.lines, f.lost.bytes, cause(f.lost.err))
	var out []byte
	switch f.cfg.format {
	case spec.FormatText:
		out = textLines(now, "gosup")(nil, []byte(note), true)
	case spec.FormatJSON:
		out = jsonLines(now, "", "gosup")(nil, []byte(note), true)
	default:
		if f.mid {
			out = append(out, '\n')
		}
		out = append(append(out, note...), '\n')
	}
	if err := f.write(out, now); err != nil {
		return err
	}
	f.p.log.Info("log written again", "file", f.path, "lost_bytes", f.lost.bytes)
	f.lost = nil
	return nil
}

// cause is the last error in a chain: what the system said.
func cause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
