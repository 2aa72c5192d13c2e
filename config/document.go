package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// The limits of one file. A configuration of 10,000 processes stays far below
// them; what exceeds them is a mistake or an attack.
const (
	maxFileBytes = 1 << 20
	maxDepth     = 64
	maxNodes     = 300_000 // with every alias counted as what it stands for
)

// document parses one file into the node of its top mapping. It reports what
// is wrong with the file as YAML and returns false then; the nodes it returns
// have no cycle and are within the limits, so they can be walked.
func (r *reader) document(src *source, data []byte) (node, bool) {
	top := place{src: src, line: 1, col: 1}
	src.data = data
	if at, what, hint, bad := badBytes(top, data); bad {
		r.problem(at, what, hint)
		return node{}, false
	}
	docs, err := parseYAML(data)
	if err != nil {
		at, what, hint := syntaxProblem(top, data, err)
		r.problem(at, what, hint)
		return node{}, false
	}
	if len(docs) > 1 {
		r.problem(place{src: src, line: docs[1].Line, col: docs[1].Column},
			"a second document begins here", "one file holds one document; split it and use include")
		return node{}, false
	}
	if len(docs) == 0 || docs[0].Content[0].ShortTag() == "!!null" {
		r.problem(top, "the file is empty", emptyHint)
		return node{}, false
	}
	y := docs[0].Content[0]
	m := measurer{known: map[*yaml.Node]extent{}}
	if e := m.measure(y, 1); m.bad != nil || e.nodes > maxNodes {
		if m.bad == nil {
			m.bad, m.what = y, fmt.Sprintf("holds more than %d values, with every alias counted as what it means", maxNodes)
			m.hint = "repeat less, or split the file with include"
		}
		r.problem(place{src: src, line: m.bad.Line, col: m.bad.Column}, m.what, m.hint)
		return node{}, false
	}
	return r.node(y, top), true
}

const emptyHint = "name a process: processes: {web: {command: [bin/web]}}; gosup init writes an example"

// parseYAML returns up to two documents.
func parseYAML(data []byte) (docs []*yaml.Node, err error) {
	defer func() {
		// The library panics on its own inconsistencies, which odd placements
		// of comments can bring about; a bad file must not end the daemon.
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: %v", p)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(data))
	for len(docs) < 2 {
		var doc yaml.Node
		switch err := d.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return docs, nil
		case err != nil:
			return nil, err
		}
		docs = append(docs, &doc)
	}
	return docs, nil
}

// badBytes finds what no YAML file may hold, with its exact place; the
// library would name none.
func badBytes(top place, data []byte) (at place, what, hint string, bad bool) {
	if len(data) > maxFileBytes {
		return top, fmt.Sprintf("the file is larger than %d KiB", maxFileBytes>>10), "split it with include", true
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return top, "the file is encoded as UTF-16", "save it as UTF-8", true
	}
	at = top
	for i := 0; i < len(data); {
		c, size := utf8.DecodeRune(data[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			return at, fmt.Sprintf("the byte 0x%02x is not UTF-8", data[i]), "save the file as UTF-8", true
		case c == '\n':
			at.line, at.col = at.line+1, 0
		case c < ' ' && c != '\t' && c != '\r' || c == 0x7f:
			return at, fmt.Sprintf("the control character 0x%02x is not allowed", c),
				`write it as an escape in double quotes, such as "\x1b"`, true
		}
		at.col++
		i += size
	}
	return at, "", "", false
}

// extent is how much a node is when its aliases are followed.
type extent struct {
	nodes  int // at most maxNodes+1
	height int // 1 for a scalar
}

// measurer adds up a document without expanding it: each anchor once.
type measurer struct {
	known map[*yaml.Node]extent
	// The first node that breaks a limit, and how.
	bad        *yaml.Node
	what, hint string
}

func (m *measurer) fail(y *yaml.Node, what, hint string) {
	if m.bad == nil {
		m.bad, m.what, m.hint = y, what, hint
	}
}

func (m *measurer) measure(y *yaml.Node, depth int) extent {
	if y.Kind == yaml.AliasNode {
		e, ok := m.known[y.Alias]
		if !ok {
			// Anchors stand before their aliases, so this one is still open.
			m.fail(y, fmt.Sprintf("the alias *%s stands inside of what it means", y.Value), "take it out")
		}
		m.checkDepth(y, depth+e.height-1)
		return e
	}
	m.checkDepth(y, depth)
	e := extent{nodes: 1}
	for _, c := range y.Content {
		if m.bad != nil {
			return e
		}
		ce := m.measure(c, depth+1)
		e.nodes = min(e.nodes+ce.nodes, maxNodes+1)
		e.height = max(e.height, ce.height)
	}
	e.height++
	if y.Anchor != "" {
		m.known[y] = e
	}
	return e
}

func (m *measurer) checkDepth(y *yaml.Node, depth int) {
	if depth > maxDepth {
		m.fail(y, fmt.Sprintf("is nested deeper than %d levels", maxDepth), "flatten it")
	}
}

// syntaxProblem says in which line a file is no YAML, and why.
func syntaxProblem(top place, data []byte, err error) (at place, what, hint string) {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if rest, ok := strings.CutPrefix(msg, "line "); ok {
		if number, text, ok := strings.Cut(rest, ": "); ok {
			line, _ = strconv.Atoi(number)
			msg = text
		}
	}
	lines := bytes.Split(data, []byte("\n"))
	if name, ok := strings.CutPrefix(msg, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		line = lineOf(lines, "*"+name)
		return position(top, lines, line), "the alias *" + name + " has no anchor before it",
			"write &" + name + " where it is defined"
	}
	if strings.HasPrefix(msg, "did not find expected") {
		line = stuckLine(data)
	}
	// A tab in the indentation shows as whatever the parser met next, on that
	// line or the one after.
	for _, n := range []int{line, line + 1, line - 1} {
		if n >= 1 && n <= len(lines) && tabIndented(lines[n-1]) {
			return position(top, lines, n), "the line is indented with a tab", "YAML takes only spaces there"
		}
	}
	at = position(top, lines, line)
	if text := lines[at.line-1]; bytes.Contains(text, []byte("${")) && bytes.ContainsAny(text, "[{") && flowError(msg) {
		return at, "is no valid YAML: " + msg, "between [ ] or { } put what holds ${…} in quotes"
	}
	return at, "is no valid YAML: " + msg,
		"look at the indentation, quotes and brackets here and in the lines before"
}

// flowError reports whether a message is about what stands in brackets.
func flowError(msg string) bool {
	return strings.HasSuffix(msg, "or '}'") || strings.HasSuffix(msg, "or ']'") || strings.HasSuffix(msg, "node content")
}

// stuckLine returns the line that the parser had read when it gave up. For
// an unexpected token the library itself names the line where the enclosing
// block began, which may be hundreds of lines before.
func stuckLine(data []byte) int {
	read := &byteReader{data: data}
	defer func() { _ = recover() }() // as in parseYAML; the error is known already
	var doc yaml.Node
	for d := yaml.NewDecoder(read); d.Decode(&doc) == nil; {
	}
	// What was read beyond the token is its lookahead: a few characters.
	seen := bytes.TrimRight(data[:read.off], " \r\n")
	return 1 + bytes.Count(seen, []byte("\n"))
}

// byteReader yields one byte at a time, so that off tells how far a parser got.
type byteReader struct {
	data []byte
	off  int
}

func (b *byteReader) Read(p []byte) (int, error) {
	if b.off == len(b.data) {
		return 0, io.EOF
	}
	n := copy(p[:min(1, len(p))], b.data[b.off:])
	b.off += n
	return n, nil
}

func tabIndented(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("\t")) && len(bytes.TrimSpace(line)) > 0
}

func lineOf(lines [][]byte, text string) int {
	for i, l := range lines {
		if bytes.Contains(l, []byte(text)) {
			return i + 1
		}
	}
	return 1
}

// position returns the place of the first character of a line.
func position(top place, lines [][]byte, line int) place {
	top.line = min(max(line, 1), len(lines))
	text := lines[top.line-1]
	top.col = 1 + len(text) - len(bytes.TrimLeft(text, " "))
	return top
}
