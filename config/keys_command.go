package config

import (
	"errors"
	"slices"
	"strings"

	"github.com/kballard/go-shellquote"
)

// command is what to run, as the file has it.
type command struct {
	words []string // of a list
	line  string   // of a string
	list  bool
	wrong bool  // and that has been said
	at    place // its src is nil if there is none
}

func commandKind() kind {
	one := 1
	return kind{text: "list or string", schema: &subschema{AnyOf: []*subschema{
		{Type: types{"string"}},
		{Type: types{"array"}, Items: wordSchema(), MinItems: &one},
	}}}
}

// command reads a command: of a process or of what runs for it.
func (r *reader) command(n node) command {
	f := form{"a command", "a list such as [bin/web, --port, \"8080\"], or a string"}
	c := command{at: n.at}
	if n.list() {
		items, _ := r.items(n, f)
		c.list = true
		for _, item := range items {
			w, ok := r.text(item)
			c.wrong = c.wrong || !ok
			c.words = append(c.words, w)
		}
	} else {
		s, ok := r.str(n, f)
		c.line, c.wrong = s, !ok
	}
	return c
}

// argv returns the words of a process's command, or records why it has none.
func (r *reader) argv(p *process) []string {
	c := p.command
	switch {
	case !p.shell || c.wrong:
		return r.words(c, "set shell: true")
	case c.list:
		r.problem(c.at, "is a list, and with shell: true it must be a string", "write it as a string, or shell: false")
		return nil
	case strings.TrimSpace(c.line) == "":
		r.problem(c.at, "names no program", "such as bin/web --port 8080")
		return nil
	}
	return []string{"/bin/sh", "-c", c.line}
}

// words returns the words of a command that no shell runs, or records why it
// has none. The hint is how a shell is had.
func (r *reader) words(c command, hint string) []string {
	var words []string
	var err error
	switch {
	case c.wrong:
		return nil
	case c.list:
		words = c.words
	default:
		words, err = shellquote.Split(c.line)
	}
	switch {
	case errors.Is(err, shellquote.UnterminatedEscapeError):
		r.problem(c.at, "ends in a backslash", "remove it, or write two")
		return nil
	case err != nil:
		r.problem(c.at, "has a quote that is not closed", "close it, or write the command as a list")
		return nil
	case len(words) == 0 || words[0] == "":
		such := "such as bin/web --port 8080"
		if c.list {
			such = `such as [bin/web, --port, "8080"]`
		}
		r.problem(c.at, "names no program", such)
		return nil
	case c.list:
		return words
	}
	for _, w := range words {
		if slices.Contains([]string{"|", "||", "&&", "&", ";", ">", ">>", "<", "2>&1", "2>"}, w) {
			r.warning(c.at, "has the word "+w+", which only a shell understands, and none is run", hint)
			break
		}
	}
	return words
}

// shellHint is how a command that is no process's has a shell.
const shellHint = `write [/bin/sh, -c, "…"]`
