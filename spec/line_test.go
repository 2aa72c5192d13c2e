package spec

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		limit    int
		want     string
	}{
		{"plain", "connection refused", 40, "connection refused"},
		{"exactly the limit", "abcd", 4, "abcd"},
		{"cut", "abcde", 4, "abc…"},
		{"cut counts runes", "ääääää", 4, "äää…"},
		{"cut leaves no space before the mark", "ab cdef", 4, "ab…"},
		{"line breaks and tabs", " a\r\nb\tc\n", 40, "a  b c"},
		{"terminal escape", "\x1b[31mred\x07", 40, "\ufffd[31mred\ufffd"},
		{"C1 control", "\u009b2J\u0085", 40, "\ufffd2J\ufffd"},
		{"direction override", "a\u202egpj", 40, "a\ufffdgpj"},
		{"invalid UTF-8", "a\xff\xfeb", 40, "a\ufffd\ufffdb"},
		{"NUL", "a\x00b", 40, "a\ufffdb"},
		{"nothing allowed", "abc", 0, "…"},
		{"empty", "", 10, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Line(tt.in, tt.limit); got != tt.want {
				t.Errorf("Line(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
			}
		})
	}
}

func FuzzLine(f *testing.F) {
	f.Add("plain", 10)
	f.Add(strings.Repeat("\u202e", 100), 5)
	f.Add(strings.Repeat(" ", 1000)+"x", 5)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = max(1, min(limit, 1000))
		got := Line(s, limit)
		if n := utf8.RuneCountInString(got); n > limit {
			t.Errorf("Line(%q, %d) has %d runes", s, limit, n)
		}
		if again := Line(got, limit); again != got {
			t.Errorf("Line is not stable: %q, then %q", got, again)
		}
		for _, r := range got {
			if printable(r) != r && r != utf8.RuneError {
				t.Errorf("Line(%q) lets %U through", s, r)
			}
		}
	})
}
