package logs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gosup/spec"
)

// crash is how the daemons of the crash test write their log.
type crash struct {
	format   spec.Format
	maxSize  int64
	compress spec.Compression
}

func (c crash) config(dir string) spec.Logs {
	return spec.Logs{
		Output: spec.OutputFile, File: filepath.Join(dir, "log", "web.log"), Format: c.format,
		MaxSizeBytes: c.maxSize, MaxFiles: 2000, Compress: c.compress,
	}
}

// daemon is a pump in a process of its own, which ends only by being killed.
func daemon(dir string, c crash) {
	p, err := NewPump(Options{RuntimeDir: filepath.Join(dir, "run")})
	if err != nil {
		panic(err)
	}
	if _, err := p.Open("web", c.config(dir), Owner{-1, -1}); err != nil {
		panic(err)
	}
	os.Stdin.Read(make([]byte, 1))
}

// TestKilledDaemonLosesNothing kills the daemon at random instants while a
// process writes lines in chunks that end anywhere, and expects each line
// exactly once, whole and in order.
func TestKilledDaemonLosesNothing(t *testing.T) {
	t.Parallel()
	kills := 30
	if testing.Short() || raced {
		kills = 12
	}
	for name, c := range map[string]crash{
		"raw":                 {spec.FormatRaw, 1 << 20, spec.CompressNone},
		"raw, in bulk":        {spec.FormatRaw, 4 << 20, spec.CompressNone},
		"text":                {spec.FormatText, 1 << 20, spec.CompressNone},
		"json":                {spec.FormatJSON, 1 << 20, spec.CompressNone},
		"raw, often rotated":  {spec.FormatRaw, 30 << 10, spec.CompressNone},
		"text, often rotated": {spec.FormatText, 30 << 10, spec.CompressNone},
		"raw, rotated, gzip":  {spec.FormatRaw, 200 << 10, spec.CompressGzip},
		"json, rotated, zstd": {spec.FormatJSON, 200 << 10, spec.CompressZstd},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			cfg := c.config(w.dir)
			s := w.open("web", cfg)
			out, _, err := s.ChildFiles()
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			w.Close() // leaves the FIFO

			stop := make(chan struct{})
			written := make(chan int)
			most := 5000
			if c.maxSize > 1<<20 {
				most = 200_000 // more at once than a FIFO usually holds: see bulk
			}
			go func() { written <- writeNumbers(out, most, stop) }()
			for range kills {
				w.killDaemon(c)
			}
			close(stop)
			// The pump must go on for the writer to come to its end.
			w.start()
			s = w.open("web", cfg)
			n := <-written
			s.Drain()
			w.expectNumbers(cfg, n)
		})
	}
}

// killDaemon starts a daemon, waits until it has written something, and kills
// it at some instant.
func (w *world) killDaemon(c crash) {
	w.Helper()
	cmd := w.command(fmt.Sprintf("daemon %s %d %d %d", w.dir, c.format, c.maxSize, c.compress))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		w.Fatal(err)
	}
	defer stdin.Close()
	before := w.logged()
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	enough := rand.Int64N(min(8*c.maxSize, 300_000))
	if c.maxSize > 1<<20 {
		enough *= 20
	}
	eventually(w, "the daemon writes", func() bool { return w.logged() > before+enough })
	if err := cmd.Process.Kill(); err != nil {
		w.Fatal(err)
	}
	cmd.Wait()
}

// logged is how much is in all log files.
func (w *world) logged() (n int64) {
	files, _ := filepath.Glob(filepath.Join(w.dir, "log", "web.log*"))
	for _, f := range files {
		if st, err := os.Stat(f); err == nil {
			n += st.Size()
		}
	}
	return n
}

// writeNumbers writes numbered lines until it is stopped, at most so many bytes at
// once, and returns how many lines.
func writeNumbers(out *os.File, most int, stop chan struct{}) int {
	rnd := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for n := 0; ; n++ {
		select {
		case <-stop:
			out.Write(b.Bytes())
			return n
		default:
		}
		fmt.Fprintf(&b, "%d %s\n", n, strings.Repeat("x", n%100))
		if size := 1 + rnd.IntN(most); b.Len() > size {
			out.Write(b.Next(size))
		}
	}
}

// expectNumbers checks that n numbered lines are in a log, each once.
func (w *world) expectNumbers(cfg spec.Logs, n int) {
	w.Helper()
	next := 0
	err := w.Read(w.Context(), []Source{{"web", cfg}}, all, func(r Record) error {
		if want := fmt.Sprintf("%d %s", next, strings.Repeat("x", next%100)); string(r.Line) != want {
			return fmt.Errorf("got %.40q, want %.40q", r.Line, want)
		}
		next++
		return nil
	})
	if err != nil {
		w.Error(err)
	}
	if next != n {
		w.Errorf("%d lines, want %d", next, n)
	}
}
