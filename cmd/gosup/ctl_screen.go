package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// screen is where a command prints: a terminal, for people, or a file or
// pipe, for programs. Only a terminal gets colour, lines cut to its width, and
// text with its control characters made visible, for they come from processes
// and could steer it.
type screen struct {
	out      *bufio.Writer
	terminal bool
	color    bool
	width    int // columns; 0: no limit
}

// style is the middle of an escape sequence, see console_codes(4); "" is none.
type style string

// The styles in use. A style never says anything alone: the words do too.
const (
	styleGood  style = "32"
	styleWarn  style = "33"
	styleBad   style = "31"
	styleFaint style = "2"
	styleHead  style = "1"
)

func newScreen(f *os.File) *screen {
	s := &screen{out: bufio.NewWriterSize(f, 32<<10), color: colorful(f)}
	if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
		s.terminal, s.width = true, int(size.Col)
	}
	return s
}

// paint returns text in a style.
func (s *screen) paint(text string, st style) string {
	if !s.color || st == "" || text == "" {
		return text
	}
	return "\x1b[" + string(st) + "m" + text + "\x1b[0m"
}

// safe returns text as it may be printed: on a terminal, control characters
// but tab and newline are written as ^X, those above ASCII and what is no
// UTF-8 as \x9b.
func (s *screen) safe(text string) string {
	if !s.terminal || strings.IndexFunc(text, unsafeRune) < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case !unsafeRune(r):
			b.WriteString(text[i : i+n])
		case r < 0x80:
			b.WriteByte('^')
			b.WriteByte(byte(r) ^ 0x40)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

// unsafeRune reports whether a terminal might do something else with r than
// show it: control characters, and marks that turn the direction of text,
// which can make one line look like another.
func unsafeRune(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0, r == utf8.RuneError:
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c:
		return true
	}
	return false
}

// line is safe for text that must not be more than one line.
func (s *screen) line(text string) string {
	if strings.ContainsAny(text, "\n\t") {
		text = strings.NewReplacer("\n", " ", "\t", " ").Replace(text)
	}
	return s.safe(text)
}

// cell is one field of a table.
type cell struct {
	text  string
	style style
}

// table prints rows under heads, aligned. On a terminal the last column is cut
// where the line would be too long.
func (s *screen) table(heads []string, rows [][]cell) {
	widths := make([]int, len(heads))
	for i, h := range heads {
		widths[i] = len(h)
	}
	for _, row := range rows {
		for i := range row {
			row[i].text = s.line(row[i].text)
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
	}
	room := 0 // of the last column
	if s.width > 0 {
		room = s.width
		for _, w := range widths[:len(widths)-1] {
			room -= w + 2
		}
		room = max(room, 10)
	}
	head := make([]cell, len(heads))
	for i, h := range heads {
		head[i] = cell{h, styleHead}
	}
	s.row(head, widths, room)
	for _, row := range rows {
		s.row(row, widths, room)
	}
}

func (s *screen) row(row []cell, widths []int, room int) {
	last := len(row) - 1
	for i, c := range row {
		if i == last {
			s.out.WriteString(s.paint(shorten(c.text, room), c.style))
			break
		}
		s.out.WriteString(s.paint(c.text, c.style))
		for range widths[i] - utf8.RuneCountInString(c.text) + 2 {
			s.out.WriteByte(' ')
		}
	}
	s.out.WriteByte('\n')
}

// shorten cuts text to room columns; 0 is no limit.
func shorten(text string, room int) string {
	if room <= 0 || utf8.RuneCountInString(text) <= room {
		return text
	}
	return string([]rune(text)[:room-1]) + "…"
}
