package logs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFileIsTakenAway(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		take func(path string) error
		want string // in the file at the end
	}{
		{"deleted", os.Remove, "two\nthree\n"},
		{"moved", func(path string) error { return os.Rename(path, path+".old") }, "two\nthree\n"},
		{"truncated", func(path string) error { return os.Truncate(path, 0) }, "two\nthree\n"},
		{"folder deleted", func(path string) error { return os.RemoveAll(filepath.Dir(path)) }, "two\nthree\n"},
		{"folder moved", func(path string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+"2") }, "two\nthree\n"},
		{"replaced", func(path string) error {
			os.Rename(path, path+".old")
			return os.WriteFile(path, []byte("new\n"), 0o600)
		}, "new\ntwo\nthree\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.open("web", w.config("web"))
			w.write(s, "one\n")
			if err := tt.take(w.path("web")); err != nil {
				t.Fatal(err)
			}
			w.clock.advance(checkEvery)
			w.write(s, "two\n")
			w.write(s, "three\n")
			if got := w.read(w.path("web")); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestFileIsMovedMidStream moves the file away again and again while a process
// writes at full speed: every line is in one of the files, whole and in order.
func TestFileIsMovedMidStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("web")
	cfg.MaxSizeBytes = 0
	s := w.open("web", cfg)
	const written = 300_000
	want := lines(written)
	cmd := w.begin(s, fmt.Sprintf("lines %d", written))
	var moved []string
	for len(moved) < 10 {
		eventually(t, "it is written to", func() bool {
			st, err := os.Stat(w.path("web"))
			return err == nil && st.Size() > 100_000 || s.Stats().Bytes == uint64(len(want))
		})
		to := fmt.Sprintf("%s.moved%d", w.path("web"), len(moved))
		if os.Rename(w.path("web"), to) != nil {
			break // the process was done
		}
		moved = append(moved, to)
		w.clock.advance(checkEvery)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	s.Drain()
	var got strings.Builder
	for _, file := range append(moved, w.path("web")) {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		got.Write(text)
	}
	if got.String() != want {
		t.Errorf("%d bytes in %d files, want %d, all in order", got.Len(), len(moved)+1, len(want))
	}
	if len(moved) < 2 {
		t.Errorf("moved %d times only", len(moved))
	}
}

// TestFileIsSpoiltMidStream deletes, truncates and replaces the file while a
// process writes at full speed: it is not held up, and the log goes on.
func TestFileIsSpoiltMidStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("web")
	cfg.MaxSizeBytes = 0
	s := w.open("web", cfg)
	const written = 100_000
	all := uint64(len(lines(written)))
	cmd := w.begin(s, fmt.Sprintf("lines %d", written))
	for i := range 20 {
		path := w.path("web")
		switch i % 3 {
		case 0:
			os.Remove(path)
		case 1:
			os.Truncate(path, 0)
		case 2:
			os.Remove(path)
			os.Mkdir(path, 0o755)
		}
		w.clock.advance(checkEvery)
		before := s.Stats().Bytes
		eventually(t, "it goes on", func() bool {
			now := s.Stats().Bytes
			return now > before || now == all
		})
		if i%3 == 2 {
			os.Remove(path)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(max(checkEvery, retryDelay))
	w.write(s, "after\n")
	if got := w.read(w.path("web")); !strings.HasSuffix(got, "after\n") {
		t.Errorf("the log ends with %.50q", got[max(0, len(got)-50):])
	}
}

func TestFileBecomesAFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("web", w.config("web"))
	w.write(s, "one\n")
	os.Remove(w.path("web"))
	if err := os.Mkdir(w.path("web"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.write(s, "lost\n")
	if got := s.Stats().Dropped; got != 5 {
		t.Errorf("%d bytes dropped, want 5", got)
	}
	os.Remove(w.path("web"))
	w.clock.advance(retryDelay)
	w.write(s, "two\n")
	want := "gosup: 1 lines (5 bytes) of output are lost here: is a directory\ntwo\n"
	if got := w.read(w.path("web")); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLogFolderThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var said bytes.Buffer
	w.log = slog.New(slog.NewTextHandler(&said, nil))
	if err := os.WriteFile(filepath.Dir(w.path("web")), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := w.open("web", w.config("web"))
	if got := said.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "not a directory") {
		t.Errorf("said %q, want one line before anything is written", got)
	}
	w.run(s, "both 1")
	if got := s.Stats().Dropped; got == 0 {
		t.Error("nothing was dropped")
	}
}

func TestTraps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		lay  func(path, victim string) error
	}{
		{"symlink", func(path, victim string) error { return os.Symlink(victim, path) }},
		{"dangling symlink", func(path, victim string) error { return os.Symlink(victim+".none", path) }},
		{"hard link", func(path, victim string) error { return os.Link(victim, path) }},
		{"fifo", func(path, _ string) error { return unix.Mkfifo(path, 0o600) }},
		{"folder", func(path, _ string) error { return os.Mkdir(path, 0o700) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			victim := filepath.Join(w.dir, "victim")
			if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			os.MkdirAll(filepath.Dir(w.path("web")), 0o755)
			if err := tt.lay(w.path("web"), victim); err != nil {
				t.Fatal(err)
			}
			s := w.open("web", w.config("web"))
			w.run(s, "lines 10000") // the process does not wait
			if got := w.read(victim); got != "mine" {
				t.Errorf("the victim was written to: %.50q", got)
			}
			if _, err := os.Lstat(victim + ".none"); err == nil {
				t.Error("a file was made through the link")
			}
			if got, want := s.Stats().Dropped, uint64(len(lines(10000))); got != want {
				t.Errorf("%d bytes dropped, want %d", got, want)
			}
		})
	}
}

func TestFolderThroughAStrangersLink(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can make a stranger's link")
	}
	for _, stranger := range []bool{false, true} {
		w := newWorld(t)
		elsewhere := filepath.Join(w.dir, "elsewhere")
		os.Mkdir(elsewhere, 0o755)
		link := filepath.Dir(w.path("web"))
		if err := os.Symlink("elsewhere", link); err != nil {
			t.Fatal(err)
		}
		if stranger {
			os.Lchown(link, 65534, 65534)
		}
		w.write(w.open("web", w.config("web")), "some output\n")
		if followed := w.read(filepath.Join(elsewhere, "web.log")) != ""; followed == stranger {
			t.Errorf("a link of a stranger (%v) was followed: %v", stranger, followed)
		}
	}
}
