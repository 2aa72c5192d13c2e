package logs

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"slices"
	"time"
	"unicode/utf8"
)

// stampLayout is the time before each line: UTC, of fixed width.
const stampLayout = "2006-01-02T15:04:05.000000Z"

// appendRaw appends a line as it is.
func appendRaw(out, body []byte, last bool) []byte {
	out = append(out, body...)
	if last {
		out = append(out, '\n')
	}
	return out
}

// textLines returns how lines that a stream has now look in the text format:
// time, stream, line. A piece that is not its line's last has a "+" behind the
// stream.
func textLines(now time.Time, stream string) put {
	head := []byte(stamp(now) + " " + stream)
	return func(out, body []byte, last bool) []byte {
		out = append(out, head...)
		if !last {
			out = append(out, '+')
		}
		out = append(out, ' ')
		out = append(out, body...)
		return append(out, '\n')
	}
}

// jsonLines returns how lines that a stream has now look in the JSON format.
func jsonLines(now time.Time, process, stream string) put {
	head := appendHead(nil, stamp(now), process, stream)
	whole := append(slices.Clone(head), `","line":"`...)
	return func(out, body []byte, last bool) []byte {
		if last && plainLen(body) == len(body) {
			out = append(append(out, whole...), body...)
			return append(out, jsonEnd...)
		}
		return appendBody(append(out, head...), body, last)
	}
}

// appendHead appends the beginning of a line's JSON object, up to the stream. A
// stamp of "" is an unknown time.
func appendHead(out []byte, stamp, process, stream string) []byte {
	if stamp == "" {
		out = append(out, `{"time":null,"process":"`...)
	} else {
		out = append(out, `{"time":"`...)
		out = append(out, stamp...)
		out = append(out, `","process":"`...)
	}
	out, _ = appendEscaped(out, []byte(process))
	out = append(out, `","stream":"`...)
	return append(out, stream...)
}

// appendBody appends the rest of a line's JSON object. Bytes that are not UTF-8
// are replaced in "line" and then kept whole in "bytes", as base64.
func appendBody(out, body []byte, last bool) []byte {
	if !last {
		out = append(out, `","partial":true,"line":"`...)
	} else {
		out = append(out, `","line":"`...)
	}
	out, valid := appendEscaped(out, body)
	if !valid {
		out = append(out, `","bytes":"`...)
		out = base64.StdEncoding.AppendEncode(out, body)
	}
	return append(out, jsonEnd...)
}

// jsonEnd is what ends a line in the JSON format.
const jsonEnd = "\"}\n"

// plainLen returns how many bytes from the beginning on stand for themselves
// in a JSON string.
func plainLen(b []byte) int {
	i := 0
	for ; i+32 <= len(b); i += 32 {
		c := b[i : i+32]
		if special(word(c))|special(word(c[8:]))|special(word(c[16:]))|special(word(c[24:])) != 0 {
			break
		}
	}
	for ; i+8 <= len(b); i += 8 {
		if s := special(word(b[i:])); s != 0 {
			return i + bits.TrailingZeros64(s)/8
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

func word(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// special looks at eight bytes of a string at once, the first of them lowest: a
// byte's high bit comes out set if it is below a space, a quote, a backslash or
// not ASCII. Of bytes above the lowest that is set it says nothing.
func special(w uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	// With this bit turned over, a quote comes right behind the control bytes,
	// where a space was.
	low := w ^ ones*('"'^' ')
	low = (low - ones*(' '+1)) &^ low
	slash := w ^ ones*'\\'
	slash = (slash - ones) &^ slash
	return (w | low | slash) & highs
}

// appendEscaped appends the inside of a JSON string, and reports whether body
// was valid UTF-8.
func appendEscaped(out, body []byte) (_ []byte, valid bool) {
	const hex = "0123456789abcdef"
	valid = true
	start := 0
	for i := 0; i < len(body); {
		if i += plainLen(body[i:]); i == len(body) {
			break
		}
		c := body[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(body[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			valid = false
			out = append(out, body[start:i]...)
			out = append(out, `\ufffd`...)
			i++
			start = i
			continue
		}
		out = append(out, body[start:i]...)
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\t':
			out = append(out, `\t`...)
		case '\r':
			out = append(out, `\r`...)
		case '\n':
			out = append(out, `\n`...)
		default:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(out, body[start:]...), valid
}

// stamp is a time as it stands before a line.
func stamp(t time.Time) string { return t.UTC().Format(stampLayout) }
