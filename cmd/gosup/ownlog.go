package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"gosup/spec"
)

// ownLog is gosup's own log.
type ownLog struct {
	*slog.Logger
	lines *backlog
}

// openLog returns a log that goes to f and never makes anybody wait: as text,
// as JSON, or in words where people look at a terminal. Close it.
func openLog(s spec.Supervisor, f *os.File) *ownLog {
	var level slog.Level
	// The file was checked: the name is one that slog knows.
	_ = level.UnmarshalText([]byte(s.LogLevel))
	l := &ownLog{lines: newBacklog(f)}
	opt := &slog.HandlerOptions{Level: level}
	switch {
	case s.LogFormat == "json":
		l.Logger = slog.New(slog.NewJSONHandler(l.lines, opt))
	case isTerminal(f):
		l.Logger = slog.New(&wordHandler{out: l.lines, level: level, screen: &screen{terminal: true, color: colorful(f)}})
	default:
		l.Logger = slog.New(slog.NewTextHandler(l.lines, opt))
	}
	go l.lines.work(func(lost int) { // ends with close
		l.Warn("lines of this log are lost: stderr took no more", "lines", lost)
	})
	return l
}

// close waits for what was logged to be written, but not for long.
func (l *ownLog) close() { l.lines.close() }

const (
	// backlogBytes is how much of the log may wait to be written.
	backlogBytes = 256 << 10
	// backlogPatience is how long the end waits for that.
	backlogPatience = 2 * time.Second
)

// backlog is a writer that never waits. The supervision loop logs, and stderr
// may be a terminal that is stopped or a pipe that nobody reads: lines wait
// then, and are dropped and counted when too many do.
type backlog struct {
	out io.Writer

	mu      sync.Mutex
	pending []byte
	lost    int
	ended   bool

	wake chan struct{} // buffered by one
	done chan struct{} // closed when work has ended
}

func newBacklog(out io.Writer) *backlog {
	return &backlog{out: out, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// Write takes one line. There is never an error.
func (b *backlog) Write(line []byte) (int, error) {
	b.mu.Lock()
	if len(b.pending)+len(line) <= backlogBytes {
		b.pending = append(b.pending, line...)
	} else {
		b.lost++
	}
	b.mu.Unlock()
	b.ring()
	return len(line), nil
}

func (b *backlog) ring() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// work writes what is pending until close. It calls lost with the number of
// lines that were dropped, once writing is possible again.
func (b *backlog) work(lost func(lines int)) {
	defer close(b.done)
	for {
		b.mu.Lock()
		lines, dropped, ended := b.pending, b.lost, b.ended
		b.pending, b.lost = nil, 0
		b.mu.Unlock()
		if len(lines) > 0 {
			_, _ = b.out.Write(lines) // there is nobody to tell
		}
		switch {
		case dropped > 0:
			lost(dropped)
		case len(lines) > 0:
		case ended:
			return
		default:
			<-b.wake
		}
	}
}

func (b *backlog) close() {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.ring()
	select {
	case <-b.done:
	case <-time.After(backlogPatience):
	}
}

// wordHandler writes gosup's own log for people at a terminal, a line each:
//
//	07:24:50 crasher: running → backoff, restart 1 of 5, after: exited with code 7 (pid 31125)
type wordHandler struct {
	out    io.Writer
	level  slog.Level
	screen *screen
	attrs  []slog.Attr
}

// Enabled is of slog.Handler.
func (h *wordHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

// WithAttrs is of slog.Handler.
func (h *wordHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *h
	more.attrs = append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)
	return &more
}

// WithGroup is of slog.Handler. There are no groups in gosup's log.
func (h *wordHandler) WithGroup(string) slog.Handler { return h }

// Handle is of slog.Handler.
func (h *wordHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(h.screen.paint(r.Time.Format(time.TimeOnly), styleFaint) + " ")
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString(h.screen.paint("error: ", styleBad))
	case r.Level >= slog.LevelWarn:
		b.WriteString(h.screen.paint("warning: ", styleWarn))
	}
	told := map[string]string{}
	var rest []slog.Attr
	sort := func(a slog.Attr) bool {
		switch a.Key {
		case "process", "from", "state", "pid", "reason", "detail":
			told[a.Key] = h.screen.line(a.Value.String())
		default:
			rest = append(rest, a)
		}
		return true
	}
	for _, a := range h.attrs {
		sort(a)
	}
	r.Attrs(sort)
	if name := told["process"]; name != "" {
		b.WriteString(h.screen.paint(name, styleHead) + ": ")
	}
	h.tell(&b, r.Message, told)
	for _, a := range rest {
		fmt.Fprintf(&b, ", %s: %s", a.Key, h.screen.line(a.Value.String()))
	}
	b.WriteByte('\n')
	_, err := io.WriteString(h.out, b.String())
	return err
}

// tell writes what happened: a change of state as such, all else by its name.
func (h *wordHandler) tell(b *strings.Builder, message string, told map[string]string) {
	if told["state"] == "" || message != "state" {
		b.WriteString(message)
	}
	if told["from"] != "" {
		b.WriteString(told["from"] + " → ")
	}
	if state := told["state"]; state != "" {
		if message != "state" {
			b.WriteByte(' ')
		}
		b.WriteString(h.screen.paint(state, stateStyle(state)))
	}
	for _, key := range []string{"reason", "detail"} {
		if told[key] != "" {
			b.WriteString(", " + told[key])
		}
	}
	if told["pid"] != "" {
		b.WriteString(" (pid " + told["pid"] + ")")
	}
}
