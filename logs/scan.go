package logs

import (
	"bytes"
	"io"

	"gosup/spec"
)

// scanner cuts a file into lines, and long lines into pieces. Unlike bufio's it
// can go on after the end of a file that has grown since.
type scanner struct {
	r     io.Reader
	buf   []byte
	start int   // of what was not returned yet
	end   int   // of what was read
	seen  int   // up to where there is no newline
	off   int64 // of start, in the file
	limit int   // the longest line that is returned in one piece
}

// scanBytes is how much a scanner reads at once, unless lines are longer.
const scanBytes = 32 << 10

// maxEncoded is the longest line of a file in a format that has lines: a piece
// of which each byte is escaped in six, and then all of it in base64.
const maxEncoded = 8 * maxPiece

func newScanner(r io.Reader, off int64, format spec.Format) *scanner {
	s := &scanner{r: r, off: off, limit: maxEncoded}
	if format == spec.FormatRaw {
		s.limit = maxPiece
	}
	return s
}

// next returns the next line without its newline, or a piece of a line that is
// longer than the limit, and its offset. io.EOF says that there is no whole line
// any more, for now; see rest.
func (s *scanner) next() (line []byte, off int64, last bool, err error) {
	for {
		if i := bytes.IndexByte(s.buf[s.start+s.seen:s.end], '\n'); i >= 0 && s.seen+i <= s.limit {
			return s.take(s.seen+i, 1), s.off - int64(s.seen+i+1), true, nil
		}
		s.seen = s.end - s.start
		if s.seen > s.limit {
			n := pieceEnd(s.buf[s.start:s.end], s.limit)
			line = s.take(n, 0)
			return line, s.off - int64(n), false, nil
		}
		if err := s.fill(); err != nil {
			return nil, s.off, false, err
		}
	}
}

// take returns the next n bytes and skips some more after them.
func (s *scanner) take(n, skip int) []byte {
	line := s.buf[s.start : s.start+n]
	s.start += n + skip
	s.off += int64(n + skip)
	s.seen = 0
	return line
}

// fill reads more.
func (s *scanner) fill() error {
	if s.start > 0 {
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	}
	if s.end == len(s.buf) {
		size := max(scanBytes, min(2*len(s.buf), 2*s.limit))
		s.buf = append(make([]byte, 0, size), s.buf[:s.end]...)[:size]
	}
	n, err := s.r.Read(s.buf[s.end:])
	s.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// rest returns what there is of a line that has no end, and forgets it.
func (s *scanner) rest() (line []byte, off int64) {
	n := s.end - s.start
	off = s.off
	return s.take(n, 0), off
}

// skipLine skips to the next line's beginning.
func (s *scanner) skipLine() error {
	for {
		_, _, last, err := s.next()
		if err != nil || last {
			return err
		}
	}
}
