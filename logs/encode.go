package logs

import (
	"encoding/base64"
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

// appendText appends a line as the text format has it: time, stream, line. A
// piece that is not its line's last has a "+" behind the stream.
func appendText(out []byte, stamp, stream string, body []byte, last bool) []byte {
	out = append(out, stamp...)
	out = append(out, ' ')
	out = append(out, stream...)
	if !last {
		out = append(out, '+')
	}
	out = append(out, ' ')
	out = append(out, body...)
	return append(out, '\n')
}

// appendJSON appends a line as one JSON object. Bytes that are not UTF-8 are
// replaced in "line" and then kept whole in "bytes", as base64. A stamp of ""
// is an unknown time.
func appendJSON(out []byte, stamp, process, stream string, body []byte, last bool) []byte {
	if stamp == "" {
		out = append(out, `{"time":null,"process":"`...)
	} else {
		out = append(out, `{"time":"`...)
		out = append(out, stamp...)
		out = append(out, `","process":"`...)
	}
	out, _ = appendEscaped(out, []byte(process))
	out = append(out, `","stream":"`...)
	out = append(out, stream...)
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
	return append(out, "\"}\n"...)
}

// plain marks the bytes that stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\' && c != 0x7f
	}
	return t
}()

// appendEscaped appends the inside of a JSON string, and reports whether body
// was valid UTF-8.
func appendEscaped(out, body []byte) (_ []byte, valid bool) {
	const hex = "0123456789abcdef"
	valid = true
	start := 0
	for i := 0; i < len(body); {
		c := body[i]
		if plain[c] {
			i++
			continue
		}
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
