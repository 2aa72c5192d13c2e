package config

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

const (
	maxExpandedBytes = 8 << 20 // what all variables of one load may add up to
	maxDefaultDepth  = 16      // of ${A:-${B:-…}}
	maxSaid          = 10      // problems with one string
)

// expansion is a string on the way from the file to its value.
type expansion struct {
	r     *reader
	n     node
	depth int
	said  int // problems of this string
}

// expand replaces ${VAR}, ${VAR:-default}, ${VAR:?message} and $$ in a string
// of the file. Other uses of $, as in $HOME and $(date), stay as they are. It
// reports whether anything was replaced, and false in ok after a problem.
func (r *reader) expand(n node) (text string, changed, ok bool) {
	s := n.y.Value
	if n.at.src.literal || !strings.Contains(s, "$") {
		return s, false, true
	}
	e := &expansion{r: r, n: n}
	text, ok = e.text(s, 0)
	return text, text != s || strings.Contains(s, "${"), ok
}

// text expands s, which begins at the offset off of the whole value.
func (e *expansion) text(s string, off int) (string, bool) {
	var b strings.Builder
	ok := true
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "$$"):
			b.WriteByte('$')
			i += 2
		case strings.HasPrefix(s[i:], "${"):
			end := closing(s[i:])
			if end < 0 {
				e.problem(off+i, "has a ${ with no }", "close it, or write $${ for a literal ${")
				return "", false
			}
			value, good := e.variable(s[i+2:i+end], off+i)
			ok = ok && good
			b.WriteString(value)
			i += end + 1
		default:
			b.WriteByte(s[i])
			i++
		}
	}
	return b.String(), ok
}

// closing returns the offset of the } that closes the ${ that s begins with,
// or -1. A default may hold further ${…}.
func closing(s string) int {
	open := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "$$"):
			i++
		case strings.HasPrefix(s[i:], "${"):
			open++
			i++
		case s[i] == '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

// variable returns what stands for the inside of a ${…} that is at off.
func (e *expansion) variable(inside string, off int) (string, bool) {
	name, op, rest := inside, "", ""
	if i := strings.Index(inside, ":"); i >= 0 {
		name, rest = inside[:i], inside[i:]
		op, rest = rest[:min(2, len(rest))], rest[min(2, len(rest)):]
	}
	if !variableName(name) || op != "" && op != ":-" && op != ":?" {
		e.problem(off, "has ${"+inside+"}, which names no variable",
			"write ${VAR}, ${VAR:-default} or ${VAR:?message}, or $${ for a literal ${")
		return "", false
	}
	value, set := e.r.lookup(name)
	if op == "" && set || value != "" {
		return e.spend(value, off)
	}
	switch op {
	case ":-":
		if e.depth++; e.depth > maxDefaultDepth {
			e.problem(off, "nests too many defaults", fmt.Sprintf("at most %d", maxDefaultDepth))
			return "", false
		}
		defer func() { e.depth-- }()
		return e.text(rest, off+len("${")+len(name)+len(op))
	case ":?":
		message, ok := e.text(rest, off+len("${")+len(name)+len(op))
		if message == "" {
			message = "it is required"
		}
		if ok {
			e.problem(off, "needs the variable "+name+": "+message, "set it in gosup's environment")
		}
		return "", false
	}
	hint := "set it in gosup's environment, or give a default: ${" + name + ":-…}"
	if name == instanceVariable {
		hint = "processes and what holds for them have it"
	}
	e.problem(off, "needs the variable "+name+", which is not set", hint)
	return "", false
}

// instanceVariable is not one of gosup's environment: each instance of a
// process has its own.
const instanceVariable = "GOSUP_INSTANCE"

func (r *reader) lookup(name string) (value string, set bool) {
	if name == instanceVariable {
		r.varies = true
		return r.instance, r.instance != ""
	}
	return r.opt.Env(name)
}

// spend counts what variables put into the configuration.
func (e *expansion) spend(value string, off int) (string, bool) {
	e.r.expanded += len(value)
	if e.r.expanded > maxExpandedBytes {
		e.problem(off, "expands to more than can be right", "the variables of one load may add up to 8 MiB")
		return "", false
	}
	return value, true
}

func variableName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// problem records a problem at an offset of the value.
func (e *expansion) problem(off int, what, hint string) {
	if e.said++; e.said > maxSaid {
		return
	}
	e.r.problem(e.n.inside(off, 2), what, hint)
}

// inside returns the place of some bytes of a value. Where the text in the
// file is not what the value is (escapes, folded lines), that is the place of
// the value.
func (n node) inside(off, length int) place {
	at := n.at
	col := at.col + utf8.RuneCountInString(n.y.Value[:off])
	if n.y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		col++
	}
	if at.src.hasAt(at.line, col, n.y.Value[off:off+length]) {
		at.col = col
	}
	return at
}

// hasAt reports whether text stands at a line and column of the source.
func (s *source) hasAt(line, col int, text string) bool {
	from := &s.looked
	if from.line == 0 || line < from.line || line == from.line && col < from.col {
		*from = offset{line: 1, col: 1}
	}
	for from.line < line {
		skip := bytes.IndexByte(s.data[from.bytes:], '\n')
		if skip < 0 {
			return false
		}
		*from = offset{line: from.line + 1, col: 1, bytes: from.bytes + skip + 1}
	}
	for ; from.col < col && from.bytes < len(s.data) && s.data[from.bytes] != '\n'; from.col++ {
		_, size := utf8.DecodeRune(s.data[from.bytes:])
		from.bytes += size
	}
	return bytes.HasPrefix(s.data[from.bytes:], []byte(text))
}
