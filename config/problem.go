package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Problem is one thing that is wrong with a configuration, or unwise.
type Problem struct {
	File    string // as it was given; for a setting of the command line its flag or variable
	Line    int    // from 1; 0 where the problem is with the file as a whole
	Col     int    // from 1, in characters
	Path    string // of the key, such as processes.web.restart.within; "" for none
	What    string // what is wrong, as the end of a sentence about Path
	Hint    string // what to do
	Warning bool   // legal, and unwise
}

// String returns the problem as one line,
// FILE:LINE:COL: path.to.key: what is wrong (what to do).
// What is only a warning says so before the what.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Col)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	if p.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.What)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems is everything that was found in one load, in the order of the
// files and of the lines in them.
type Problems []Problem

// Error returns the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Failed reports whether one of the problems is more than a warning.
func (ps Problems) Failed() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return !p.Warning })
}

// source is one place that values come from: a file, or a setting of the
// command line.
type source struct {
	name    string // as it was given
	dir     string // absolute; what relative paths in it are relative to
	order   int    // in which the sources were read
	main    bool   // the file that was asked for, not an included one
	literal bool   // ${…} in it is left as it is
	data    []byte // the text, for the column of a problem inside a value; may be nil
	looked  offset // where hasAt looked last: from there on the next one is near
}

// offset is a place in a text: its line and column, from 1, and the bytes before it.
type offset struct{ line, col, bytes int }

// place is where a key or a value stands.
type place struct {
	src  *source
	line int
	col  int
	path string
}

// key returns the place with the path of a key below it.
func (p place) key(name string) place {
	if !plainName(name) {
		name = fmt.Sprintf("%q", name)
	}
	if p.path != "" {
		name = p.path + "." + name
	}
	p.path = name
	return p
}

// item returns the place with the path of list item i of it.
func (p place) item(i int) place {
	p.path = fmt.Sprintf("%s[%d]", p.path, i)
	return p
}

// plainName reports whether a key can be written in a path as it is.
func plainName(s string) bool {
	return strings.Trim(s, ".") != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r == ' ' || r == '"' || r == ':' || r == unicode.ReplacementChar || !unicode.IsPrint(r)
	})
}

// maxProblems ends a load that goes wrong everywhere: nobody reads more. As
// many warnings are kept besides.
const maxProblems = 1000

// full reports whether so much is wrong that nothing more need be read. That
// there is much to warn of is no reason: the rest of the file counts.
func (r *reader) full() bool { return r.errors >= maxProblems }

// problem records an error at a place.
func (r *reader) problem(at place, what, hint string) { r.add(at, what, hint, false) }

// warning records at a place what is legal and unwise.
func (r *reader) warning(at place, what, hint string) { r.add(at, what, hint, true) }

func (r *reader) add(at place, what, hint string, warning bool) {
	p := Problem{
		File: oneLine(at.src.name), Line: at.line, Col: at.col, Path: at.path,
		What: oneLine(what), Hint: oneLine(hint), Warning: warning,
	}
	// A mapping that is used by several aliases is read as often; its faults
	// are one each.
	once := p
	once.Path = ""
	count := &r.errors
	if warning {
		count = &r.warnings
	}
	if r.said[once] || *count >= maxProblems {
		return
	}
	*count++
	r.said[once] = true
	r.found = append(r.found, found{Problem: p, order: at.src.order})
}

// oneLine keeps control characters of the file, and of the names of files, off
// the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// found is a problem with the order of its source.
type found struct {
	Problem
	order int
}

// problems returns what was found, in order.
func (r *reader) problems() Problems {
	slices.SortStableFunc(r.found, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	var out Problems
	for _, f := range r.found {
		out = append(out, f.Problem)
	}
	return out
}

func (r *reader) failed() bool {
	return slices.ContainsFunc(r.found, func(f found) bool { return !f.Warning })
}
