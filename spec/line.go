package spec

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns s, which a stranger wrote, as one line that is safe to print,
// log and compare: at most limit runes, line breaks and tabs as spaces, every
// other rune that is not printable (terminal controls, text direction
// overrides, invalid UTF-8) as U+FFFD, no space at either end. What is cut
// ends in "…".
func Line(s string, limit int) string {
	s = strings.TrimLeft(s, " \t\r\n")
	// Text far behind the cut is not looked at: callers may pass megabytes.
	if most := (limit + 1) * 4 * utf8.UTFMax; len(s) > most {
		s = s[:most]
	}
	s = strings.TrimSpace(strings.Map(printable, s))
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	runes := []rune(s)[:max(limit-1, 0)]
	return strings.TrimRight(string(runes), " ") + "…"
}

// printable maps a rune to what may be printed for it.
func printable(r rune) rune {
	switch {
	case unicode.IsPrint(r):
		return r
	case unicode.IsSpace(r) && r != '\u0085' && r != '\u2028' && r != '\u2029':
		return ' '
	default:
		return unicode.ReplacementChar
	}
}
