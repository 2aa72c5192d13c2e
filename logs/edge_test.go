//go:build linux

package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosup/spec"
)

func TestBurstJustBeforeTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("web")
	cfg.MaxSizeBytes = 0
	s := w.open("web", cfg)
	runs := 500
	if testing.Short() || raced {
		runs = 25
	}
	for range runs {
		w.run(s, "bytes 1048576")
	}
	st, err := os.Stat(w.path("web"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := st.Size(), int64(runs)<<20; got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
}

func TestVeryLongLine(t *testing.T) {
	mib := 128
	if testing.Short() || raced {
		mib = 16
	}
	for _, format := range []spec.Format{spec.FormatRaw, spec.FormatText, spec.FormatJSON} {
		t.Run(format.String(), func(t *testing.T) {
			w := newWorld(t)
			cfg := w.config("web")
			cfg.Format = format
			cfg.MaxSizeBytes, cfg.MaxFiles = 64<<20, 10
			s := w.open("web", cfg)
			w.run(s, "flood 1")
			before := heap()
			w.run(s, fmt.Sprintf("line %d", mib<<20))
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if grown := int64(m.HeapAlloc) - int64(before); grown > 8<<20 {
				t.Errorf("the heap has grown by %d", grown)
			}
			var long, after int
			err := w.Read(t.Context(), []Source{{"web", cfg}}, Query{Lines: 2}, func(r Record) error {
				if string(r.Line) == "next" {
					after = long
				}
				if n := len(r.Line); n > maxPiece {
					t.Errorf("a piece of %d bytes", n)
				}
				long += bytes.Count(r.Line, []byte{'z'})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if long != mib<<20 || after != long {
				t.Errorf("%d bytes before the next line, %d in all, want %d", after, long, mib<<20)
			}
		})
	}
}

func TestAnyBytes(t *testing.T) {
	t.Parallel()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	text := "nul \x00 cr \r\ntab \t quote \" slash \\ del \x7f\nbad \xff\xc3( cut \xe2\x82\nsnow ☃ 😀\n\n" + string(all) + "\nseparators \u2028\u2029\n"
	for _, format := range []spec.Format{spec.FormatRaw, spec.FormatText, spec.FormatJSON} {
		w := newWorld(t)
		cfg := w.config("web")
		cfg.Format = format
		s := w.open("web", cfg)
		w.write(s, text)
		var got strings.Builder
		w.Read(t.Context(), []Source{{"web", cfg}}, Query{Lines: -1}, func(r Record) error {
			got.Write(r.Line)
			got.WriteByte('\n')
			return nil
		})
		if got.String() != text {
			t.Errorf("%v: read back %q, want %q", format, got.String(), text)
		}
		if format != spec.FormatJSON {
			continue
		}
		for line := range strings.Lines(w.read(w.path("web"))) {
			var v struct{ Time, Process, Stream, Line string }
			if err := json.Unmarshal([]byte(line), &v); err != nil || v.Process != "web" || v.Stream != "stdout" {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
}

func TestGrandchildThatHoldsTheOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("web", w.config("web"))
	stdout, stderr, err := s.ChildFiles()
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	defer stderr.Close()
	until, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer until.Close()
	defer end.Close() // ends the grandchild
	cmd := w.command("grandchild")
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = stdout, stderr, []*os.File{until}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	s.Drain() // does not wait for the grandchild
	w.run(s, "both 1")
	if got, want := w.read(w.path("web")), "parent ends\nout 0\nerr 0\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFarewellBurst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("web")
	cfg.MaxSizeBytes, cfg.MaxFiles = 1<<20, 1000
	s := w.open("web", cfg)
	cmd := w.begin(s, "farewell")
	eventually(t, "it works", func() bool { return s.Stats().Bytes > 100_000 })
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(true); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, path := range logFiles(t, w.path("web")) {
		for line := range strings.Lines(w.read(path)) {
			counts[line]++
		}
	}
	if counts["farewell\n"] != 1<<20/9 || counts["end\n"] != 1 || len(counts) != 3 {
		t.Errorf("%d farewells, %d ends, %d kinds of lines", counts["farewell\n"], counts["end\n"], len(counts))
	}
}

func TestPartialLineOutlivesTheDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("web")
	cfg.Format = spec.FormatText
	s := w.open("web", cfg)
	out, _, err := s.ChildFiles()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	io.WriteString(out, "half a ")
	eventually(t, "it is read", func() bool { return s.Stats().Bytes == 7 })
	w.Close()
	w.start()
	s = w.open("web", cfg)
	io.WriteString(out, "line\n")
	s.Drain()
	if got := w.read(w.path("web")); !strings.HasSuffix(got, " stdout half a line\n") {
		t.Errorf("got %q", got)
	}
}

func TestUnwritableRuntimeFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Close()
	run := filepath.Join(w.dir, "run")
	os.RemoveAll(run)
	if err := os.WriteFile(run, nil, 0o600); err != nil { // no folder can be made there
		t.Fatal(err)
	}
	w.start()
	s := w.open("web", w.config("web"))
	w.run(s, "reopen")
	w.run(s, "lines 1000")
	if got := w.read(w.path("web")); got != "/dev/stdout\n/dev/stderr\n"+lines(1000) {
		t.Errorf("got %.100q", got)
	}
}

func TestProcessOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	w := newWorld(t)
	s, err := w.Open("web", w.config("web"), Owner{65534, 65534})
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(w.dir, "exe") // the test binary is in a folder of root's
	data, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = writeProgram(exe, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	openToAll(t, w.dir)
	stdout, stderr, err := s.ChildFiles()
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	cmd := w.command("reopen")
	cmd.Path, cmd.Dir = exe, "/"
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
	s.Drain()
	if got, want := w.read(w.path("web")), "/dev/stdout\n/dev/stderr\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	st, err := os.Stat(w.path("web"))
	if err != nil || st.Mode().Perm() != 0o640 || st.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("the log is %v of user %d, %v", st.Mode(), st.Sys().(*syscall.Stat_t).Uid, err)
	}
}

// openToAll lets everybody enter a folder and those above it, up to the
// temporary one.
func openToAll(t *testing.T, dir string) {
	for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReconfigureLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("web")
	cfg.MaxFiles = 1000
	s := w.open("web", cfg)
	cmd := w.begin(s, "lines 200000")
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for i := 0; ; i++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			s.Drain()
			var all string
			for _, path := range logFiles(t, w.path("web")) {
				all += w.read(path)
			}
			if all != lines(200000) {
				t.Error("not complete")
			}
			return
		default:
			cfg.MaxSizeBytes = int64(1+i%5) << 20
			cfg.Output = []spec.Output{spec.OutputFile, spec.OutputBoth}[i%2]
			if err := s.Reconfigure(cfg); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestOldFilesExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("web")
	cfg.MaxSizeBytes, cfg.MaxFiles, cfg.MaxAge = 100, 10, 24*time.Hour
	s := w.open("web", cfg)
	w.run(s, "lines 20")
	for n, age := range map[int]time.Duration{1: time.Hour, 2: 23 * time.Hour, 3: 25 * time.Hour, 4: 48 * time.Hour} {
		at := noon.Add(-age)
		if err := os.Chtimes(fmt.Sprintf("%s.%d", w.path("web"), n), at, at); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.advance(time.Hour)
	w.write(s, "more\n")
	if got := len(logFiles(t, w.path("web"))); got != 3 {
		t.Errorf("%d files, want the live one and two", got)
	}
}

// writeProgram writes an executable file by way of another process: while this
// one has it open, a fork for another test would carry the descriptor along,
// and the file could not be executed (ETXTBSY).
func writeProgram(name string, data []byte) error {
	cmd := exec.Command("/bin/sh", "-c", `cat > "$0" && chmod 755 "$0"`, name)
	cmd.Stdin = bytes.NewReader(data)
	return cmd.Run()
}
