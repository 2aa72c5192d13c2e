package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gosup/spec"

	"golang.org/x/sys/unix"
)

// smallDisk makes a file system of a given size, and the log folder on it.
func (w *world) smallDisk(size int) {
	w.Helper()
	dir := filepath.Join(w.dir, "log")
	os.Mkdir(dir, 0o755)
	if err := unix.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		w.Skipf("a small file system cannot be mounted: %v", err)
	}
	w.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
}

func TestFullDiskDrops(t *testing.T) {
	for _, format := range []spec.Format{spec.FormatRaw, spec.FormatText, spec.FormatJSON} {
		t.Run(format.String(), func(t *testing.T) {
			w := newWorld(t)
			w.smallDisk(256 << 10)
			cfg := w.config("web")
			cfg.Format = format
			s := w.open("web", cfg)
			w.run(s, "lines 20000") // 2 MB; the process ends all the same
			if s.Stats().Dropped == 0 {
				t.Error("nothing was dropped")
			}
			if got := w.read(w.path("web")); !strings.HasSuffix(got, "\n") && format != spec.FormatRaw {
				t.Errorf("torn at the end: %q", got[len(got)-50:])
			}
			if err := os.Truncate(w.path("web"), 0); err != nil {
				t.Fatal(err)
			}
			w.clock.advance(retryDelay)
			w.write(s, "rest of a line\nafter\n")
			var got []string
			w.Read(t.Context(), []Source{{"web", cfg}}, all, func(r Record) error {
				got = append(got, string(r.Line))
				return nil
			})
			if len(got) < 2 || !strings.HasPrefix(got[0], "gosup: ") || !strings.Contains(got[0], "no space left") || got[len(got)-1] != "after" {
				t.Errorf("got %.100q", got)
			}
		})
	}
}

func TestFullDiskKeepsWholeLines(t *testing.T) {
	w := newWorld(t)
	w.smallDisk(256 << 10)
	cfg := w.config("web")
	s := w.open("web", cfg)
	w.run(s, "lines 20000")
	written := map[string]bool{}
	for line := range strings.Lines(lines(20000)) {
		written[line] = true
	}
	n := 0
	for line := range strings.Lines(w.read(w.path("web"))) {
		n++
		if !written[line] {
			t.Errorf("torn: %q", line)
		}
	}
	if n < 1000 {
		t.Errorf("%d lines only", n)
	}
}

// noTee stands for raw in a sandbox that has no tee(2).
const noTee = spec.FormatPrefix

func TestFullDiskBlocks(t *testing.T) {
	for _, format := range []spec.Format{spec.FormatRaw, spec.FormatText, spec.FormatJSON, noTee} {
		t.Run(format.String(), func(t *testing.T) {
			w := newWorld(t)
			if format == noTee {
				format = spec.FormatRaw
				w.plain.Store(true)
			}
			w.smallDisk(256 << 10)
			filler := filepath.Join(w.dir, "log", "filler")
			if err := os.WriteFile(filler, make([]byte, 200<<10), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := w.config("web")
			cfg.Format, cfg.BlockOnFull = format, true
			s := w.open("web", cfg)
			cmd := w.begin(s, "lines 1000") // 90 KB
			eventually(t, "stalled", func() bool { return s.Stats().Stalled })
			s.Drain() // does not wait for the disk
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "all written", func() bool {
				s.Drain()
				return s.Stats().Bytes == uint64(len(lines(1000)))
			})
			var got strings.Builder
			w.Read(t.Context(), []Source{{"web", cfg}}, all, func(r Record) error {
				got.Write(r.Line)
				got.WriteByte('\n')
				return nil
			})
			if got.String() != lines(1000) {
				t.Error("what was written is not complete")
			}
			if s.Stats().Dropped > 0 {
				t.Errorf("%d bytes dropped", s.Stats().Dropped)
			}
		})
	}
}

// TestFullDiskKeepsTheEndOfARun has a run end within a line when the disk is
// full, and the next begin when it is not.
func TestFullDiskKeepsTheEndOfARun(t *testing.T) {
	w := newWorld(t)
	w.smallDisk(128 << 10)
	cfg := w.config("web")
	cfg.Format, cfg.BlockOnFull = spec.FormatText, true
	s := w.open("web", cfg)
	w.write(s, "first\n")
	filler := filepath.Join(w.dir, "log", "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is larger than it should be")
	}
	w.write(s, strings.Repeat("x", 5000)+" no newline") // more than what is left in the last block
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	w.write(s, "next\n")
	eventually(t, "all written", func() bool { return strings.HasSuffix(w.read(w.path("web")), " stdout next\n") })
	if got := w.got(Query{Lines: 2}, Source{"web", cfg}); !strings.HasSuffix(got[0], "x no newline") || got[1] != "web stdout next" {
		t.Errorf("got %.60q", got)
	}
	if s.Stats().Dropped > 0 {
		t.Errorf("%d bytes dropped", s.Stats().Dropped)
	}
}

func TestHalfOfAChunkOnAFullDiskIsTakenBack(t *testing.T) {
	w := newWorld(t)
	w.smallDisk(128 << 10)
	cfg := w.config("web")
	cfg.BlockOnFull = true
	s := w.open("web", cfg)
	cmd := w.begin(s, "lines 5000")
	defer cmd.Wait()
	defer cmd.Process.Kill()
	eventually(t, "stalled", func() bool { return s.Stats().Stalled })
	if got, want := uint64(len(w.read(w.path("web")))), s.Stats().Bytes; got != want {
		t.Errorf("%d bytes in the file, %d taken from the process", got, want)
	}
}
