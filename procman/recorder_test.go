package procman

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"gosup/tree"
)

func TestRecorderKeepsTheLast(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := newRecorder(dir, slog.New(slog.DiscardHandler))
	for run := range 25 {
		r.add(tree.Crash{Process: "api/web", Run: uint64(run), Output: fmt.Appendf(nil, "\xff last words %d", run)})
	}
	r.close()
	m := &Manager{recorder: newRecorder(dir, slog.New(slog.DiscardHandler))}
	defer m.recorder.close()
	got, err := m.Crashes("api/web")
	if err != nil || len(got) != keptCrashes {
		t.Fatalf("got %d records, %v, want %d", len(got), err, keptCrashes)
	}
	for i, c := range got {
		if want := uint64(25 - keptCrashes + i); c.Run != want || string(c.Output) != fmt.Sprintf("\xff last words %d", want) {
			t.Errorf("record %d is of run %d with %q, want run %d", i, c.Run, c.Output, want)
		}
	}
	if got, err := m.Crashes("other"); err != nil || len(got) != 0 {
		t.Errorf("of a process without crashes: got %v, %v", got, err)
	}
}

// A shutdown does not wait for the pause between two rounds of writing.
func TestRecorderEndsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t.TempDir(), slog.New(slog.DiscardHandler))
		begin := time.Now()
		for run := range 2 {
			r.add(tree.Crash{Process: "web", Run: uint64(run)})
			synctest.Wait() // the first is written, the second waits
		}
		r.close()
		if took := time.Since(begin); took != 0 {
			t.Errorf("closing took %v", took)
		}
		if got, err := r.read("web"); err != nil || len(got) != 2 {
			t.Errorf("got %d records, %v, want 2", len(got), err)
		}
	})
}

func TestRecorderSetsCorruptFilesAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "crashes", "web.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRecorder(dir, slog.New(slog.DiscardHandler))
	r.add(tree.Crash{Process: "web", Run: 7})
	until(t, "the record is written", func() bool {
		got, err := r.read("web")
		return err == nil && len(got) == 1 && got[0].Run == 7
	})
	r.close()
	if b, err := os.ReadFile(file + ".corrupt"); err != nil || string(b) != "[{" {
		t.Errorf("the corrupt file: got %q, %v", b, err)
	}
}

func TestRecorderWithoutADisk(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := &Manager{recorder: newRecorder(file, slog.New(slog.DiscardHandler))} // its folder cannot be made
	for run := range 15 {
		m.recorder.add(tree.Crash{Process: "web", Run: uint64(run)})
	}
	m.recorder.close()
	if got, _ := m.Crashes("web"); len(got) != keptCrashes || got[0].Run != 5 {
		t.Errorf("got %d records, want the last %d", len(got), keptCrashes)
	}
}
