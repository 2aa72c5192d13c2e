package procman

import (
	"context"
	"log/slog"
	"runtime"

	"gosup/tree"
)

// reporter writes the history to gosup's own log. It keeps nothing: it reads
// on where it was. It has a goroutine of its own because finding the words
// takes longer than a step of the loop.
type reporter struct {
	m    *Manager
	done chan struct{}
	seen uint64 // the last note that is written, or was by an earlier daemon
}

func newReporter(m *Manager) *reporter {
	r := &reporter{m: m, done: make(chan struct{}), seen: m.history.last()}
	go r.work() // ends when Run has returned and all is written
	return r
}

// wait waits until all is written, but no longer than ctx.
func (r *reporter) wait(ctx context.Context) {
	select {
	case <-r.done:
	case <-ctx.Done():
	}
}

func (r *reporter) work() {
	defer close(r.done)
	seen := r.seen
	for {
		err := r.m.EventsChanged(context.Background(), seen)
		// What has been decided is to be done first, then told.
		runtime.Gosched()
		notes, gap := r.m.Events(seen)
		if gap && seen > 0 {
			r.m.log.Warn("log fell behind", slog.Uint64("lost", notes[0].Seq-seen-1))
		}
		for i := range notes {
			r.report(&notes[i])
			seen = notes[i].Seq
		}
		if err != nil {
			return
		}
	}
}

// report writes one note.
func (r *reporter) report(n *tree.Noted) {
	level := slog.LevelInfo
	switch {
	case n.Type == tree.NoteRequest:
		level = slog.LevelDebug
	case n.To == "failed" && (n.Type == tree.NoteState || n.Type == tree.NoteGroup):
		level = slog.LevelWarn
	case n.To == "backoff" && n.Cause != nil && n.Cause.Kind == tree.CauseRestart:
		level = slog.LevelWarn // something went wrong, and is being mended
	}
	log := r.m.log
	if !log.Enabled(context.Background(), level) {
		return
	}
	record := slog.NewRecord(n.Wall, level, n.Type.String(), 0)
	if n.Process != "" {
		record.AddAttrs(slog.String("process", n.Process))
	}
	if n.From != "" && n.From != n.To {
		record.AddAttrs(slog.String("from", n.From))
	}
	if n.To != "" {
		record.AddAttrs(slog.String("state", n.To))
	}
	if n.PID != 0 {
		record.AddAttrs(slog.Int("pid", n.PID))
	}
	if words := n.Cause.String(); words != "" {
		record.AddAttrs(slog.String("reason", words))
	}
	if n.Detail != "" {
		record.AddAttrs(slog.String("detail", n.Detail))
	}
	// The log is the last place to say that the log cannot be written.
	_ = log.Handler().Handle(context.Background(), record)
}
