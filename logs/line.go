package logs

import (
	"bytes"
	"unicode/utf8"
)

// maxPiece is the longest line that is put together in memory. A longer one is
// passed on in pieces.
const maxPiece = 64 << 10

// framer puts lines together from chunks that end anywhere.
type framer struct {
	part []byte // the beginning of a line that has no end yet; at most maxPiece
}

// cut is what encoding a chunk came to. It takes effect with commit, so that
// nothing has happened where the result could not be written.
type cut struct {
	out  []byte // to be written
	used int    // how much of the chunk that was
	keep []byte // the end of the chunk, which is the beginning of a line
	join bool   // keep continues what was kept before
	// framed says that a framer made it.
	framed bool
}

// head is the beginning of a line that stays kept.
func (c *cut) head(f *framer) []byte {
	if c.framed && c.join {
		return f.part
	}
	return nil
}

// put is a function that appends one line, or a piece of a long one (last is
// false unless it is the line's last), in some format.
type put func(out, body []byte, last bool) []byte

// outBytes is how much output is gathered before it is written.
const outBytes = 384 << 10

// frame encodes the lines of a chunk until the output is outBytes long or would
// exceed room. With must, there is at least one line, however long. out and
// join are buffers.
func (f *framer) frame(out, join, data []byte, room int64, must bool, put put) (cut, []byte) {
	c := cut{out: out[:0]}
	head := f.part
	for {
		rest := data[c.used:]
		used, last := nextPiece(len(head), rest)
		if used < 0 {
			c.keep, c.join = rest, len(head) > 0
			c.used = len(data)
			return c, join
		}
		body := rest[:used]
		if last {
			body = rest[:used-1]
		}
		if len(head) > 0 {
			join = append(append(join[:0], head...), body...)
			body = join
		}
		start := len(c.out)
		c.out = put(c.out, body, last)
		if int64(len(c.out)) > room && !(must && start == 0) {
			c.out = c.out[:start]
			c.join = len(head) > 0
			return c, join
		}
		head = nil
		c.used += used
		if len(c.out) >= outBytes {
			return c, join
		}
	}
}

// nextPiece finds the first line or piece of a line in data, of which head
// bytes were seen before. It returns its length, with its newline if it is
// the last piece, or -1 if there is no end yet.
func nextPiece(head int, data []byte) (used int, last bool) {
	limit := maxPiece - head
	if i := bytes.IndexByte(data[:min(len(data), limit+1)], '\n'); i >= 0 {
		return i + 1, true
	}
	if len(data) <= limit {
		return -1, false
	}
	return pieceEnd(data, limit), false
}

// pieceEnd returns where to cut data, which is longer than limit: there, or a
// little before if that would be within a character.
func pieceEnd(data []byte, limit int) int {
	for n := limit; n > limit-utf8.UTFMax && n > 0; n-- {
		if utf8.RuneStart(data[n]) {
			return n
		}
	}
	return limit
}

// commit makes a cut take effect.
func (f *framer) commit(c cut) {
	if !c.join {
		f.part = f.part[:0]
	}
	f.part = append(f.part, c.keep...)
	if len(f.part) == 0 && cap(f.part) > 0 {
		f.part = nil // an idle stream keeps nothing
	}
}

// cutRaw tells how much of a chunk can go to a file as it is: all that there
// is room for, to a line's end. It returns 0 when the file must be rotated
// first. mid says that the file ends within a line, which is brought to its
// end whatever the room; so is one line that is too long for an empty file.
func cutRaw(data []byte, room int64, mid, empty bool) int {
	if int64(len(data)) <= room {
		return len(data)
	}
	if room > 0 {
		if i := bytes.LastIndexByte(data[:room], '\n'); i >= 0 {
			return i + 1
		}
	}
	if !mid && !empty {
		return 0
	}
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1
	}
	return len(data)
}
