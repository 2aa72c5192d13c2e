package logs

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

func TestConsoleColours(t *testing.T) {
	w := newWorld(t)
	w.Close()
	w.color = true
	w.start()
	cfg := w.config("web")
	cfg.Output = spec.OutputConsole
	w.write(w.open("web", cfg), "one\n")
	w.write(w.open("db", cfg), "two\n")
	w.Close()
	want := "\x1b[36mweb |\x1b[0m one\n\x1b[33mdb  |\x1b[0m two\n"
	if got := w.read(w.console.Name()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestConsoleFormats(t *testing.T) {
	for _, tt := range []struct {
		format spec.Format
		want   string
	}{
		{spec.FormatRaw, "one\ntwo"},
		{spec.FormatPrefix, "web | one\nweb | two\n"},
		{spec.FormatJSON, `{"time":"2024-11-23T12:00:00.000000Z","process":"web","stream":"stdout","line":"one"}
{"time":"2024-11-23T12:00:00.000000Z","process":"web","stream":"stdout","line":"two"}
`},
	} {
		t.Run(tt.format.String(), func(t *testing.T) {
			w := newWorld(t)
			cfg := w.config("web")
			cfg.Output, cfg.ConsoleFormat = spec.OutputBoth, tt.format
			s := w.open("web", cfg)
			w.write(s, "one\ntwo")
			w.Close()
			if got := w.read(w.console.Name()); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := w.read(w.path("web")); got != "one\ntwo" {
				t.Errorf("the file has %q", got)
			}
		})
	}
}

// TestStoppedConsole has a console that nobody reads, as a terminal after ^S.
// Who writes there waits; who writes to a file does not; nothing is lost.
func TestStoppedConsole(t *testing.T) {
	w := newWorld(t)
	w.Close()
	r, console, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer console.Close()
	w.console = console
	w.start()
	cfg := w.config("chatty")
	cfg.Output, cfg.ConsoleFormat = spec.OutputConsole, spec.FormatRaw
	chatty := w.open("chatty", cfg)
	cmd := w.begin(chatty, "lines 100000")
	eventually(t, "the console is full", func() bool {
		w.Pump.console.mu.Lock()
		defer w.Pump.console.mu.Unlock()
		return len(w.Pump.console.waiting) > 0
	})
	for i := range 10 {
		name := fmt.Sprintf("file%d", i)
		w.run(w.open(name, w.config(name)), "lines 10000")
		if w.read(w.path(name)) != lines(10000) {
			t.Errorf("%s is not complete", name)
		}
	}
	got := make(chan string)
	go func() {
		data, _ := io.ReadAll(r)
		got <- string(data)
	}()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	chatty.Close(true)
	w.Close()
	console.Close()
	if <-got != lines(100000) {
		t.Error("the console's output is not complete")
	}
}

// TestHangingDisk has as many streams as there are workers hang in their files.
// Others go on all the same.
func TestHangingDisk(t *testing.T) {
	w := newWorld(t)
	for i := range minWorkers {
		name := fmt.Sprintf("hangs%d", i)
		s := w.open(name, w.config(name))
		w.filesMu.Lock()
		f := w.files[w.path(name)]
		w.filesMu.Unlock()
		f.mu.Lock()
		defer f.mu.Unlock()
		stdout, _, err := s.ChildFiles()
		if err != nil {
			t.Fatal(err)
		}
		defer stdout.Close()
		stdout.WriteString("a line\n")
	}
	eventually(t, "all workers hang", func() bool { return w.waiting.Load() == 0 })
	s := w.open("goes", w.config("goes"))
	stdout, _, err := s.ChildFiles()
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	stdout.WriteString("on\n")
	eventually(t, "another worker", func() bool { return w.read(w.path("goes")) == "on\n" })
}

func TestSeveralProcessesInOneFile(t *testing.T) {
	for _, format := range []spec.Format{spec.FormatRaw, spec.FormatJSON} {
		t.Run(format.String(), func(t *testing.T) {
			w := newWorld(t)
			cfg := w.config("all")
			cfg.Format, cfg.MaxSizeBytes, cfg.MaxFiles = format, 1<<20, 100
			var wg sync.WaitGroup
			for i := range 5 {
				s := w.open(fmt.Sprintf("p%d", i), cfg)
				cmd := w.begin(s, "lines 10000")
				wg.Go(func() {
					cmd.Wait()
					s.Drain()
				})
			}
			wg.Wait()
			counts := map[string]int{}
			of := map[string]int{}
			for i := range 5 {
				name := fmt.Sprintf("p%d", i)
				if format == spec.FormatRaw && i > 0 {
					break // whose a raw line is, nobody can tell
				}
				w.Read(t.Context(), []Source{{name, cfg}}, all, func(r Record) error {
					counts[string(r.Line)]++
					of[name]++
					return nil
				})
			}
			for line := range strings.Lines(lines(10000)) {
				if n := counts[strings.TrimSuffix(line, "\n")]; n != 5 {
					t.Fatalf("%q: %d times", line, n)
				}
			}
			if format == spec.FormatJSON && of["p3"] != 10000 {
				t.Errorf("%d lines of p3, want 10000", of["p3"])
			}
		})
	}
}

// TestWithoutTee is the pump in a sandbox that has no tee(2).
func TestWithoutTee(t *testing.T) {
	w := newWorld(t)
	w.plain.Store(true)
	for _, format := range []spec.Format{spec.FormatRaw, spec.FormatText} {
		cfg := w.config(format.String())
		cfg.Format, cfg.MaxSizeBytes, cfg.MaxFiles = format, 100_000, 100
		s := w.open(format.String(), cfg)
		w.run(s, "lines 20000")
		var got strings.Builder
		w.Read(t.Context(), []Source{{format.String(), cfg}}, all, func(r Record) error {
			got.Write(r.Line)
			got.WriteByte('\n')
			return nil
		})
		if got.String() != lines(20000) {
			t.Errorf("%v: not complete", format)
		}
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
