package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gosup/spec"

	"github.com/google/go-cmp/cmp"
)

func TestRawFileHasEveryByte(t *testing.T) {
	w := newWorld(t)
	s := w.open("web", w.config("web"))
	w.run(s, "lines 20000")
	if diff := cmp.Diff(lines(20000), w.read(w.path("web"))); diff != "" {
		t.Error(diff)
	}
	if got, want := s.Stats().Bytes, uint64(len(lines(20000))); got != want {
		t.Errorf("bytes %d, want %d", got, want)
	}
}

func TestBothStreamsKeepTheirOrderInOneFile(t *testing.T) {
	w := newWorld(t)
	s := w.open("group/web", w.config("group/web"))
	w.run(s, "both 3")
	want := "out 0\nerr 0\nout 1\nerr 1\nout 2\nerr 2\n"
	if got := w.read(w.path("group/web")); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStderrFile(t *testing.T) {
	w := newWorld(t)
	cfg := w.config("web")
	cfg.StderrFile = w.path("web.err")
	s := w.open("web", cfg)
	w.run(s, "both 2")
	if got, want := w.read(w.path("web")), "out 0\nout 1\n"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	if got, want := w.read(w.path("web.err")), "err 0\nerr 1\n"; got != want {
		t.Errorf("stderr %q, want %q", got, want)
	}
}

func TestProcessCanOpenItsOutputAgain(t *testing.T) {
	w := newWorld(t)
	s := w.open("web", w.config("web"))
	w.run(s, "reopen")
	if got, want := w.read(w.path("web")), "/dev/stdout\n/dev/stderr\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRotationCutsAtLineEnds(t *testing.T) {
	w := newWorld(t)
	cfg := w.config("web")
	cfg.MaxSizeBytes, cfg.MaxFiles = 100_000, 50
	s := w.open("web", cfg)
	w.run(s, "lines 20000")
	var all string
	for _, path := range logFiles(t, w.path("web")) {
		text := w.read(path)
		if len(text) > 100_000 || !strings.HasSuffix(text, "\n") {
			t.Errorf("%s: %d bytes, ends with %q", path, len(text), text[max(0, len(text)-5):])
		}
		all += text
	}
	if all != lines(20000) {
		t.Error("the files together are not what was written")
	}
	if s.Stats().Rotations < 10 {
		t.Errorf("%d rotations", s.Stats().Rotations)
	}
}

// logFiles lists a log's files from the oldest to the live one.
func logFiles(t *testing.T, path string) []string {
	t.Helper()
	var list []string
	for n := 1; ; n++ {
		found, _ := filepath.Glob(fmt.Sprintf("%s.%d*", path, n))
		found = slices.DeleteFunc(found, func(p string) bool { return !numbered(p, path, n) })
		if len(found) == 0 {
			break
		}
		list = append([]string{found[0]}, list...)
	}
	return append(list, path)
}

// numbered reports whether path is the n-th rotated file of a log, compressed
// or not.
func numbered(path, log string, n int) bool {
	for _, suffix := range suffixes {
		if path == fmt.Sprintf("%s.%d%s", log, n, suffix) {
			return true
		}
	}
	return false
}

func TestOnlyMaxFilesAreKept(t *testing.T) {
	w := newWorld(t)
	cfg := w.config("web")
	cfg.MaxSizeBytes, cfg.MaxFiles = 10_000, 3
	s := w.open("web", cfg)
	w.run(s, "lines 5000")
	if got := len(logFiles(t, w.path("web"))); got != 4 {
		t.Errorf("%d files, want 4", got)
	}
	if !strings.HasSuffix(lines(5000), w.read(w.path("web")+".1")+w.read(w.path("web"))) {
		t.Error("the newest files are not the end of what was written")
	}
}

func TestTailIsTheCurrentRun(t *testing.T) {
	w := newWorld(t)
	s := w.open("web", w.config("web"))
	w.write(s, "first run\n")
	s.Mark(2)
	w.write(s, strings.Repeat("x", 10_000))
	w.write(s, "the end\n")
	got := string(s.Tail())
	if len(got) != 8<<10 || !strings.HasSuffix(got, "xthe end\n") {
		t.Errorf("%d bytes, ending with %q", len(got), got[len(got)-20:])
	}
}

func TestFIFOOutlivesTheDaemon(t *testing.T) {
	w := newWorld(t)
	s := w.open("web", w.config("web"))
	stdout, _, err := s.ChildFiles()
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	stdout.WriteString("before\n")
	w.Close()
	stdout.WriteString("between\n")
	w.start()
	s = w.open("web", w.config("web"))
	stdout.WriteString("after\n")
	s.Drain()
	if got, want := w.read(w.path("web")), "before\nbetween\nafter\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := s.Close(true); err != nil {
		t.Error(err)
	}
	w.Close()
	left, _ := os.ReadDir(filepath.Join(w.dir, "run"))
	if len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestConsolePrefix(t *testing.T) {
	w := newWorld(t)
	cfg := w.config("web")
	cfg.Output = spec.OutputConsole
	w.open("longer", cfg)
	s := w.open("web", cfg)
	w.write(s, "one\ntw")
	w.write(s, "o\n")
	w.Close()
	if got, want := w.read(w.console.Name()), "web    | one\nweb    | tw\nweb    | o\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOutputsWithoutPump(t *testing.T) {
	w := newWorld(t)
	cfg := w.config("web")
	cfg.Output = spec.OutputInherit
	w.run(w.open("a", cfg), "both 1")
	cfg.Output = spec.OutputNone
	w.run(w.open("b", cfg), "both 1")
	if got, want := w.read(w.console.Name()), "out 0\nerr 0\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
