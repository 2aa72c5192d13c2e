package logs

import (
	"regexp"
	"strings"
	"testing"

	"gosup/spec"
)

// TestWatcher: lines are found however they arrive, and only whole ones.
func TestWatcher(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxExpected)
	tests := []struct {
		name    string
		pattern string
		chunks  []string
		want    int // the chunk with which it is found; -1 for never
	}{
		{"one chunk", "^ready$", []string{"starting\nready\nmore\n"}, 0},
		{"torn anywhere", "^ready$", []string{"starting\nre", "a", "dy", "\n"}, 3},
		{"no newline", "^ready$", []string{"ready"}, -1},
		{"carriage return", "^ready$", []string{"ready\r\n"}, 0},
		{"not over two lines", "re.*ady", []string{"re\nady\n"}, -1},
		{"the beginning of a long line", "^xx", []string{long[:100], long}, 1},
		{"not the rest of one", "late$", []string{long, "late\n", "lat", "er\n"}, -1},
		{"the line after a long one", "^ready$", []string{long + "yyy\nready\n"}, 0},
		{"binary", "ready", []string{"\x00\xff ready \xfe\n"}, 0},
		{"an empty line", "^$", []string{"x\n", "\n"}, 1},
	}
	for _, tt := range tests {
		found := 0
		e := &expectation{pattern: regexp.MustCompile(tt.pattern), found: func() { found++ }}
		var w watcher
		got := -1
		for i, chunk := range tt.chunks {
			if w.look(e, []byte(chunk)) && got < 0 {
				got = i
			}
			if len(w.part) > maxExpected {
				t.Fatalf("%s: %d bytes are kept", tt.name, len(w.part))
			}
		}
		if got != tt.want || (found == 1) != (got >= 0) {
			t.Errorf("%s: found with chunk %d, want %d; told %d times", tt.name, got, tt.want, found)
		}
	}
}

// TestExpectTheCurrentRun: only lines of the run that it was asked for count,
// of either stream.
func TestExpectTheCurrentRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, format := range []spec.Format{spec.FormatRaw, spec.FormatJSON} {
		cfg := w.config("web")
		cfg.Format = format
		s := w.open("web", cfg)
		found := make(chan int, 4)
		s.Mark(1)
		s.Expect(regexp.MustCompile("^nothing"), func() { found <- 1 })
		w.run(s, "both 3")
		s.Mark(2)
		w.run(s, "both 3")
		s.Mark(3)
		s.Expect(regexp.MustCompile("^err 2"), func() { found <- 3 })
		w.run(s, "both 9")
		if len(found) != 1 || <-found != 3 {
			t.Errorf("found %d times, want once, in run 3", len(found)+1)
		}
		if s.expected.Load() != nil {
			t.Error("something is still expected")
		}
		if err := s.Close(true); err != nil {
			t.Error(err)
		}
	}
}
