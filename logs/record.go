package logs

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"gosup/spec"
)

// Record is one line of output as it is read back, or a piece of a long one.
type Record struct {
	// Time is when the line was taken from the process. In raw files it comes
	// from the index, exact to 0.1 s; zero where it is not known.
	Time    time.Time
	Process string
	// Stream is "stdout", "stderr", or "gosup" for a remark of gosup's own on
	// lost output; "" in a raw file that both streams went to.
	Stream string
	// Line has no newline. It is valid until the next record is asked for.
	Line []byte
	// Partial says that the line goes on in the next record of this process.
	Partial bool

	foreign bool // of another process, which writes into the same file
}

// AppendJSON appends the record as a line of JSON: what the JSON format of a
// file has, with a time of null where it is not known.
func (r *Record) AppendJSON(out []byte) []byte {
	at := ""
	if !r.Time.IsZero() {
		at = stamp(r.Time)
	}
	return appendBody(appendHead(out, at, r.Process, r.Stream), r.Line, !r.Partial)
}

// Query says what is to be read.
type Query struct {
	Lines  int       // only the last ones of each process; negative for all
	Since  time.Time // only what was written then or later; zero for all. A line of unknown time is never left out.
	Until  time.Time // only what was written then or before; zero for all
	Stream string    // only this stream; "" for all. Lines of unknown stream count as stdout.
	Grep   *regexp.Regexp
	Follow bool // go on with what comes, until the context ends

	// Idle, if set, is called when all that there is was emitted and Follow
	// waits for more. Its error ends the reading.
	Idle func() error
}

// matches reports whether a record is asked for.
func (q *Query) matches(r *Record) bool {
	switch {
	case r.foreign:
		return false
	case !r.Time.IsZero() && !q.Since.IsZero() && r.Time.Before(q.Since):
		return false
	case !r.Time.IsZero() && !q.Until.IsZero() && r.Time.After(q.Until):
		return false
	case q.Stream != "" && r.Stream != q.Stream && r.Stream != "gosup" && (r.Stream != "" || q.Stream != "stdout"):
		return false
	case q.Grep != nil && !q.Grep.Match(r.Line):
		return false
	}
	return true
}

// decoder makes records of the lines of one log file.
type decoder struct {
	process string
	stream  string // of a raw file, if only one goes there
	format  spec.Format
	times   index
	buf     []byte
}

// decode makes a record of a line, or of a piece of one, that is at an offset
// in its file. What is not in the expected format is taken as it is: the
// format may have been another when it was written.
func (d *decoder) decode(line []byte, off int64, last bool) Record {
	r := Record{Process: d.process, Stream: d.stream, Line: line, Partial: !last}
	switch d.format {
	case spec.FormatText:
		d.text(&r)
	case spec.FormatJSON:
		d.json(&r)
	default:
		r.Time = d.times.at(off)
	}
	return r
}

// text decodes a line of the text format.
func (d *decoder) text(r *Record) {
	t, rest, ok := cutStamp(r.Line)
	if !ok || len(rest) == 0 || rest[0] != ' ' {
		return
	}
	stream, body, ok := bytes.Cut(rest[1:], []byte{' '})
	if !ok {
		return
	}
	stream, more := bytes.CutSuffix(stream, []byte{'+'})
	name, ok := streamName(stream)
	if !ok {
		return
	}
	r.Time, r.Stream, r.Line, r.Partial = t, name, body, r.Partial || more
}

// streamName makes a string of a stream's name without allocating it.
func streamName(b []byte) (string, bool) {
	switch string(b) {
	case "stdout":
		return "stdout", true
	case "stderr":
		return "stderr", true
	case "gosup":
		return "gosup", true
	}
	return "", false
}

// cutStamp cuts a time off the beginning of a line.
func cutStamp(b []byte) (t time.Time, rest []byte, ok bool) {
	if len(b) < len(stampLayout) || b[4] != '-' || b[10] != 'T' || b[len(stampLayout)-1] != 'Z' {
		return t, b, false
	}
	var n [7]int
	for i, at := range [...][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}, {20, 26}} {
		for _, c := range b[at[0]:at[1]] {
			if c < '0' || c > '9' {
				return t, b, false
			}
			n[i] = n[i]*10 + int(c-'0')
		}
	}
	t = time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6]*1000, time.UTC)
	return t, b[len(stampLayout):], true
}

// json decodes a line of the JSON format, in exactly the form that jsonLines
// gives it.
func (d *decoder) json(r *Record) {
	b, ok := bytes.CutPrefix(r.Line, []byte(`{"time":"`))
	if !ok {
		return
	}
	t, b, ok := cutStamp(b)
	if !ok {
		return
	}
	if b, ok = bytes.CutPrefix(b, []byte(`","process":"`)); !ok {
		return
	}
	end := closingQuote(b)
	if end < 0 {
		return
	}
	d.buf = appendUnescaped(d.buf[:0], b[:end])
	foreign := len(d.buf) > 0 && string(d.buf) != d.process
	b = b[end:]
	if b, ok = bytes.CutPrefix(b, []byte(`","stream":"`)); !ok {
		return
	}
	end = closingQuote(b)
	if end < 0 {
		return
	}
	name, ok := streamName(b[:end])
	if !ok {
		return
	}
	b, more := bytes.CutPrefix(b[end:], []byte(`","partial":true`))
	if !more {
		b = b[1:]
	}
	if b, ok = bytes.CutPrefix(b, []byte(`,"line":"`)); !ok {
		return
	}
	if end = closingQuote(b); end < 0 {
		return
	}
	d.buf = appendUnescaped(d.buf[:0], b[:end])
	body := d.buf
	if b, ok = bytes.CutPrefix(b[end:], []byte(`","bytes":"`)); ok {
		if end = closingQuote(b); end < 0 {
			return
		}
		exact, err := base64.StdEncoding.AppendDecode(d.buf[:0], b[:end])
		if err != nil {
			return
		}
		body = exact
	}
	r.Time, r.Stream, r.Line, r.Partial, r.foreign = t, name, body, r.Partial || more, foreign
}

// closingQuote finds the end of a JSON string; -1 if there is none.
func closingQuote(b []byte) int {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// appendUnescaped appends what the inside of a JSON string stands for.
func appendUnescaped(out, in []byte) []byte {
	for len(in) > 0 {
		i := bytes.IndexByte(in, '\\')
		if i < 0 || i+1 >= len(in) {
			return append(out, in...)
		}
		out = append(out, in[:i]...)
		c := in[i+1]
		in = in[i+2:]
		switch c {
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'u':
			r := hex4(in)
			in = in[min(4, len(in)):]
			if utf16.IsSurrogate(r) && len(in) >= 6 && in[0] == '\\' && in[1] == 'u' {
				r = utf16.DecodeRune(r, hex4(in[2:]))
				in = in[6:]
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return out
}

// hex4 reads four hexadecimal digits.
func hex4(b []byte) (r rune) {
	if len(b) < 4 {
		return utf8.RuneError
	}
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return utf8.RuneError
		}
		r = r<<4 | rune(c)
	}
	return r
}
