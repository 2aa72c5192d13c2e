package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
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
	styleGood     style = "32"
	styleWarn     style = "33"
	styleBad      style = "31"
	styleFaint    style = "2"
	styleHead     style = "1"
	styleSelected style = "7"
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

// table prints rows under heads, aligned. On a terminal no line is longer than
// that is wide.
func (s *screen) table(heads []string, rows [][]cell) {
	widths := s.measure(heads, rows)
	if s.width > 0 {
		fit(widths, s.width)
	}
	head := make([]cell, len(heads))
	for i, h := range heads {
		head[i] = cell{h, styleHead}
	}
	s.row(head, widths)
	for _, row := range rows {
		s.row(row, widths)
	}
}

// measure makes all cells fit to be printed and returns how wide the columns
// want to be.
func (s *screen) measure(heads []string, rows [][]cell) []int {
	widths := make([]int, len(heads))
	for i, h := range heads {
		widths[i] = columns(h)
	}
	for _, row := range rows {
		for i := range row {
			row[i].text = s.line(row[i].text)
			widths[i] = max(widths[i], columns(row[i].text))
		}
	}
	return widths
}

// gap is what stands between two columns.
const gap = 2

// The least that columns are cut to before any is left out.
const (
	lastFloor  = 16
	otherFloor = 6
)

// fit makes columns narrower until they fit into a width: the last one, which
// says most, then the widest of the others. Where that is not enough, those at
// the end become 0: they are left out.
func fit(widths []int, width int) {
	last := len(widths) - 1
	over := gap*last - width
	for _, w := range widths {
		over += w
	}
	cut := min(over, widths[last]-lastFloor)
	if cut > 0 {
		widths[last] -= cut
		over -= cut
	}
	for over > 0 && last > 0 {
		i := 0
		for j := range last {
			if widths[j] > widths[i] {
				i = j
			}
		}
		if widths[i] <= otherFloor {
			break
		}
		widths[i]--
		over--
	}
	for ; over > 0 && last > 0; last-- {
		over -= widths[last] + gap
		widths[last] = 0
	}
	if over > 0 {
		widths[0] = width
	}
}

func (s *screen) row(row []cell, widths []int) {
	for i, c := range row {
		text := shorten(c.text, widths[i])
		s.out.WriteString(s.paint(text, c.style))
		if i+1 == len(row) || widths[i+1] == 0 {
			break
		}
		for range widths[i] - columns(text) + gap {
			s.out.WriteByte(' ')
		}
	}
	s.out.WriteByte('\n')
}

// columns returns how much room text takes on a terminal.
func columns(text string) int {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return ansi.StringWidth(text)
		}
	}
	return len(text)
}

// shorten cuts text to room columns.
func shorten(text string, room int) string {
	if columns(text) <= room {
		return text
	}
	return ansi.Truncate(text, room, "…")
}
