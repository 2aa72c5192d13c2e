package logs

import (
	"bytes"
	"regexp"
	"sync/atomic"
)

// maxExpected is how much of a line is held against a pattern.
const maxExpected = 4 << 10

// expectation waits for a line of the current run.
type expectation struct {
	pattern *regexp.Regexp
	found   func()
	done    atomic.Bool
}

// Expect calls found once, when a line that the current run has written matches
// pattern; of a long line the first 4 KiB count, and what ends without a newline
// is no line. It is forgotten with the next Mark. found is called on a worker of
// the pump: it must not block. Until then, and where nothing is expected, it
// costs nothing.
func (s *Sink) Expect(pattern *regexp.Regexp, found func()) {
	s.expected.Store(&expectation{pattern: pattern, found: found})
}

// watcher is how far a stream has come with an expectation.
type watcher struct {
	of   *expectation
	part []byte // of a line that has no end yet
	long bool   // its beginning was looked at, the rest does not count
}

// look holds the lines of a chunk against what is expected, and reports whether
// nothing is any more.
func (w *watcher) look(e *expectation, data []byte) bool {
	if w.of != e {
		*w = watcher{of: e}
	}
	for len(data) > 0 && !e.done.Load() {
		line, rest, ended := bytes.Cut(data, []byte{'\n'})
		data = rest
		if !w.long {
			w.part = append(w.part, line[:min(len(line), maxExpected-len(w.part))]...)
		}
		if ended && !w.long || len(w.part) == maxExpected {
			if e.pattern.Match(bytes.TrimSuffix(w.part, []byte{'\r'})) && e.done.CompareAndSwap(false, true) {
				e.found()
			}
			w.part = w.part[:0]
			w.long = true
		}
		if ended {
			w.long = false
		}
	}
	if !e.done.Load() {
		return false
	}
	*w = watcher{}
	return true
}
