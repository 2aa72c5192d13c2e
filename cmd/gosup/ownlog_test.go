package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/control"
)

func TestLogInWords(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 7, 24, 50, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		level   slog.Level
		message string
		attrs   []any
		want    string
	}{
		{"a change of state", slog.LevelInfo, "state",
			[]any{"process", "web", "from", "running", "state", "backoff", "pid", 77, "reason", "restart 1 of 5, after: exited with code 7"},
			"07:24:50 web: running → backoff, restart 1 of 5, after: exited with code 7 (pid 77)\n"},
		{"of the daemon", slog.LevelInfo, "daemon", []any{"state", "stopping", "reason", "shutdown by SIGTERM"},
			"07:24:50 daemon stopping, shutdown by SIGTERM\n"},
		{"of a group", slog.LevelWarn, "group", []any{"process", "api", "state", "failed", "reason", "5 restarts within 60s"},
			"07:24:50 warning: api: group failed, 5 restarts within 60s\n"},
		{"a reload", slog.LevelInfo, "reload", []any{"reason", "reload by SIGHUP", "detail", "1 new"},
			"07:24:50 reload, reload by SIGHUP, 1 new\n"},
		{"an error", slog.LevelError, "control socket lost", []any{"err", fmt.Errorf("accept: broken")},
			"07:24:50 error: control socket lost, err: accept: broken\n"},
		{"what could steer the terminal", slog.LevelWarn, "reload", []any{"problem", "a\x1b[2J\nb"},
			"07:24:50 warning: reload, problem: a^[[2J b\n"},
		{"below the level", slog.LevelDebug, "request", nil, ""},
	} {
		var out bytes.Buffer
		h := &wordHandler{out: &out, level: slog.LevelInfo, screen: &screen{terminal: true}}
		if h.Enabled(context.Background(), tt.level) {
			r := slog.NewRecord(at, tt.level, tt.message, 0)
			r.Add(tt.attrs...)
			if err := h.Handle(context.Background(), r); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(tt.want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// sluice is a writer that lets nothing through until it is opened.
type sluice struct {
	open chan struct{}
	mu   sync.Mutex
	got  bytes.Buffer
}

func (s *sluice) Write(p []byte) (int, error) {
	<-s.open
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.Write(p)
}

func TestBacklogDropsAndCounts(t *testing.T) {
	t.Parallel()
	out := &sluice{open: make(chan struct{})}
	b := newBacklog(out)
	go b.work(func(lost int) { fmt.Fprintf(b, "lost %d\n", lost) })
	line := strings.Repeat("x", 1023) + "\n"
	const lines = 3 * backlogBytes / 1024
	for range lines {
		if n, err := b.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
	}
	close(out.open)
	b.close()
	kept := strings.Count(out.got.String(), line)
	// What the writer had taken before it got stuck has made room once more.
	if kept < backlogBytes/1024 || kept > 2*backlogBytes/1024 {
		t.Errorf("%d lines were kept of %d", kept, lines)
	}
	lost := 0 // told in as many lines as there were gaps
	for line := range strings.Lines(out.got.String()) {
		var n int
		if _, err := fmt.Sscanf(line, "lost %d", &n); err == nil {
			lost += n
		}
	}
	if lost != lines-kept {
		t.Errorf("%d lines are told to be lost, want %d", lost, lines-kept)
	}
}

// A stderr that nobody reads costs lines of gosup's log, not supervision.
func TestStderrThatNobodyReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := "processes: {a: {command: 'true', restart: {strategy: delayed, delay: 1ms, max_restarts: unlimited}}}"
	if err := os.WriteFile(filepath.Join(dir, "gosup.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	s := startSupervisorIn(t, dir, []string{"sh", "-c", "exec gosup run 2>pipe"})
	// A pipe holds 64 KiB, and the log of a restart is 300 bytes or more.
	var p control.Process
	if !eventually(func() bool { p = s.status("a"); return p.TotalRestarts > 500 }) {
		t.Fatalf("stuck after %d restarts", p.TotalRestarts)
	}
	go io.Copy(io.Discard, reader) // ends with reader; the end need not wait
	s.end(syscall.SIGTERM, 0)
}
