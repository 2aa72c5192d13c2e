package config

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"

	"gopkg.in/yaml.v3"
)

// dotenv is one environment file: its variables, each once, in order.
type dotenv struct {
	vars []variable
	ok   bool
}

// envFileList reads the value of an env_files key.
func (r *reader) envFileList(n node) ([]envFile, bool) {
	items, ok := r.items(n, form{"a list of paths", "such as [.env]"})
	if !ok {
		return nil, false
	}
	out := []envFile{}
	for _, item := range items {
		s, ok := optionalInFlow(item)
		if !ok {
			s, ok = r.str(item, form{"a path", "such as .env"})
		}
		if !ok {
			continue
		}
		path, optional := strings.CutPrefix(s, "?")
		if path == "" {
			r.problem(item.at, "names no file", "such as .env, or ?.env if it may be missing")
			continue
		}
		out = append(out, envFile{
			path: absolute(item.at.src.dir, path), shown: shownPath(item.at.src, path),
			optional: optional, at: item.at,
		})
	}
	return out, true
}

// optionalInFlow returns the word that [?.env] holds. It is a plain one, since
// no space is after the ?, but the library takes it for {.env: }.
func optionalInFlow(n node) (string, bool) {
	if !n.mapping() || len(n.y.Content) != 2 {
		return "", false
	}
	key, value := n.y.Content[0], n.y.Content[1]
	word := "?" + key.Value
	plain := key.Kind == yaml.ScalarNode && key.Style == 0 && value.ShortTag() == "!!null" && value.Value == ""
	return word, plain && n.at.src.hasAt(n.at.line, n.at.col, word)
}

// variables returns what environment files say, the later over the earlier.
func (r *reader) variables(files []envFile) []variable {
	var out []variable
	for _, f := range files {
		if r.full() {
			break
		}
		d, known := r.envFiles[f.path]
		if !known {
			d = r.readEnvFile(f)
		}
		// Whether it may be missing is a matter of each mention.
		if known && !d.ok && !f.optional {
			d = r.readEnvFile(f)
		}
		out = overlay(out, d.vars)
	}
	return out
}

func (r *reader) readEnvFile(f envFile) dotenv {
	d := dotenv{}
	data, err := r.disk.read(f.path, r.opt.OnlyRoot)
	switch {
	case f.optional && errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, fs.ErrNotExist):
		r.problem(f.at, f.shown+" does not exist", "create it, or put a ? before it if it may be missing")
	case err != nil:
		r.read(f.at, f.path, f.shown)
	default:
		src := r.source(f.shown, f.path)
		if len(data) > maxFileBytes {
			r.problem(place{src: src, line: 1, col: 1}, "the file is larger than 1 MiB", "split it")
			break
		}
		d.ok = true
		p := dotenvParser{r: r, src: src, rest: data, line: 1}
		p.parse()
		d.vars = p.vars
	}
	r.envFiles[f.path] = d
	return d
}

// dotenvParser reads lines of the form KEY=value:
//
//	# a comment
//	PLAIN=everything up to the end of the line   # or to a comment
//	export SINGLE='as it is, over several lines even'
//	DOUBLE="with \n, \r, \t, \", \$ and \\"
//
// Nothing is expanded in values: they are secrets as a rule, and a password
// with a $ in it must arrive as it is. For the same reason no message quotes
// any part of the file.
type dotenvParser struct {
	r    *reader
	src  *source
	rest []byte
	line int
	vars []variable
	seen map[string]int // index in vars
}

func (p *dotenvParser) problem(line int, what, hint string) {
	p.r.problem(place{src: p.src, line: line, col: 1}, what, hint)
}

func (p *dotenvParser) parse() {
	p.seen = map[string]int{}
	p.rest = bytes.TrimPrefix(p.rest, []byte("\ufeff"))
	for len(p.rest) > 0 {
		line := p.line
		text := strings.Trim(p.peekLine(), " \t\r")
		if text == "" || text[0] == '#' {
			p.skipLine()
			continue
		}
		name, _, ok := strings.Cut(text, "=")
		name = strings.Trim(name, " \t")
		if after, ok := strings.CutPrefix(name, "export"); ok && strings.TrimLeft(after, " \t") != after {
			name = strings.TrimLeft(after, " \t")
		}
		if !ok || !dotenvName(name) {
			p.problem(line, "is not of the form KEY=value", "a comment begins with #; put a value of several lines in quotes")
			p.skipLine()
			continue
		}
		p.rest = p.rest[bytes.IndexByte(p.rest, '=')+1:]
		value, ok := p.value(line)
		switch {
		case !ok:
		case strings.ContainsRune(value, 0):
			p.problem(line, "holds a NUL byte", "remove it")
		default:
			p.put(name, value)
		}
	}
}

func dotenvName(s string) bool {
	return variableName(strings.NewReplacer(".", "_", "-", "_").Replace(s))
}

func (p *dotenvParser) put(name, value string) {
	if i, ok := p.seen[name]; ok {
		p.vars[i].entry = name + "=" + value
		return
	}
	p.seen[name] = len(p.vars)
	p.vars = append(p.vars, variable{name, name + "=" + value})
}

func (p *dotenvParser) peekLine() string {
	text, _, _ := bytes.Cut(p.rest, []byte("\n"))
	return string(text)
}

func (p *dotenvParser) skipLine() {
	_, p.rest, _ = bytes.Cut(p.rest, []byte("\n"))
	p.line++
}

// value returns what follows a =, and goes on to the next line.
func (p *dotenvParser) value(line int) (string, bool) {
	if begin := bytes.TrimLeft(p.rest, " \t"); len(begin) > 0 && (begin[0] == '"' || begin[0] == '\'') {
		p.rest = begin
		return p.quoted(line)
	}
	text := p.peekLine()
	p.skipLine()
	for i := 1; i < len(text); i++ {
		if text[i] == '#' && (text[i-1] == ' ' || text[i-1] == '\t') {
			text = text[:i]
		}
	}
	return strings.Trim(text, " \t\r"), true
}

// quoted returns a value in quotes, which may go over several lines.
func (p *dotenvParser) quoted(line int) (string, bool) {
	quote := p.rest[0]
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		c := p.rest[i]
		if c == '\n' {
			p.line++
		}
		switch {
		case c == quote:
			p.rest = p.rest[i+1:]
			after := strings.Trim(p.peekLine(), " \t\r")
			p.skipLine()
			if after != "" && after[0] != '#' {
				p.problem(line, "goes on after its closing quote", "quote the whole value, or escape quotes in it as \\\"")
				return "", false
			}
			return b.String(), true
		case c == '\\' && quote == '"' && i+1 < len(p.rest) && escaped(p.rest[i+1]) != 0:
			i++
			b.WriteByte(escaped(p.rest[i]))
		default:
			b.WriteByte(c)
		}
	}
	p.rest = nil
	p.problem(line, "has a quote that is not closed", "close it")
	return "", false
}

// escaped returns what a backslash before c makes of it; 0 for nothing: the
// backslash stays then, as in regexps and paths of Windows.
func escaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case '"', '\\', '$', '`':
		return c
	}
	return 0
}
