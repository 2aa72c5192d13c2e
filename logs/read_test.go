package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gosup/spec"

	"github.com/google/go-cmp/cmp"
)

// all asks for everything.
var all = Query{Lines: -1}

// got reads back and returns "process stream line" for each record, without
// what is empty.
func (w *world) got(q Query, from ...Source) []string {
	w.Helper()
	var list []string
	err := w.Read(context.Background(), from, q, func(r Record) error {
		list = append(list, show(r))
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return list
}

func show(r Record) string {
	s := strings.Join(strings.Fields(r.Process+" "+r.Stream), " ") + " " + string(r.Line)
	if r.Partial {
		s += "…"
	}
	return s
}

func TestReadBackEveryFormat(t *testing.T) {
	t.Parallel()
	for _, format := range []spec.Format{spec.FormatRaw, spec.FormatText, spec.FormatJSON} {
		for _, compress := range []spec.Compression{spec.CompressNone, spec.CompressGzip, spec.CompressZstd} {
			t.Run(format.String()+"/"+compress.String(), func(t *testing.T) {
				w := newWorld(t)
				cfg := w.config("web")
				cfg.Format, cfg.Compress = format, compress
				cfg.MaxSizeBytes, cfg.MaxFiles = 200_000, 100
				s := w.open("web", cfg)
				w.run(s, "lines 20000")
				if compress != spec.CompressNone {
					w.compressed(w.path("web"))
				}
				if s.Stats().Rotations < 5 {
					t.Errorf("%d rotations", s.Stats().Rotations)
				}
				var text strings.Builder
				err := w.Read(t.Context(), []Source{{"web", cfg}}, all, func(r Record) error {
					text.Write(r.Line)
					text.WriteByte('\n')
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(lines(20000), text.String()); diff != "" {
					t.Error(diff)
				}
				want := []string{}
				for i := 19990; i < 20000; i++ {
					want = append(want, fmt.Sprintf("line %08d %s", i, strings.Repeat("x", i%150)))
				}
				got := w.got(Query{Lines: 10}, Source{"web", cfg})
				for i := range got {
					got[i] = strings.TrimPrefix(strings.TrimPrefix(got[i], "web "), "stdout ")
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// compressed waits until all rotated files of a log are compressed.
func (w *world) compressed(path string) {
	w.Helper()
	eventually(w, "compressed", func() bool {
		_, err := os.Stat(path + ".1")
		_, temp := os.Stat(path + tempSuffix)
		return os.IsNotExist(err) && os.IsNotExist(temp)
	})
}

func TestReadTheLastLinesThatMatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("web")
	cfg.Format = spec.FormatText
	cfg.MaxSizeBytes, cfg.MaxFiles = 50_000, 100
	s := w.open("web", cfg)
	w.run(s, "both 5000")
	from := Source{"web", cfg}
	got := w.got(Query{Lines: 3, Stream: "stderr", Grep: regexp.MustCompile("00$")}, from)
	want := []string{"web stderr err 4700", "web stderr err 4800", "web stderr err 4900"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := w.got(Query{Lines: 0}, from); len(got) > 0 {
		t.Errorf("no lines: got %v", got)
	}
	if got := w.got(Query{Lines: 20_000}, from); len(got) != 10_000 {
		t.Errorf("more lines than there are: got %d", len(got))
	}
}

func TestReadSinceAndUntil(t *testing.T) {
	t.Parallel()
	for _, format := range []spec.Format{spec.FormatRaw, spec.FormatText, spec.FormatJSON} {
		for _, compress := range []spec.Compression{spec.CompressNone, spec.CompressZstd} {
			t.Run(format.String()+"/"+compress.String(), func(t *testing.T) {
				w := newWorld(t)
				cfg := w.config("web")
				cfg.Format, cfg.Compress = format, compress
				cfg.MaxSizeBytes, cfg.MaxFiles = 13_000, 100
				s := w.open("web", cfg)
				for i := range 1000 {
					w.write(s, fmt.Sprintf("%04d %s\n", i, strings.Repeat("x", 100)))
					w.clock.advance(time.Second)
				}
				if compress != spec.CompressNone {
					w.compressed(w.path("web"))
				}
				at := func(i int) time.Time { return noon.Add(time.Duration(i) * time.Second) }
				from := Source{"web", cfg}
				for _, first := range []int{0, 1, 499, 500, 998, 999} {
					got := w.got(Query{Lines: -1, Since: at(first)}, from)
					if len(got) != 1000-first {
						t.Errorf("since %d: %d lines, want %d", first, len(got), 1000-first)
					}
					got = w.got(Query{Lines: -1, Until: at(first)}, from)
					if len(got) != first+1 {
						t.Errorf("until %d: %d lines, want %d", first, len(got), first+1)
					}
				}
				got := w.got(Query{Lines: -1, Since: at(700), Until: at(710)}, from)
				if len(got) != 11 || !strings.Contains(got[0], " 0700 ") {
					t.Errorf("between: %d lines, the first %.20q", len(got), got)
				}
				if got := w.got(Query{Lines: 5, Since: at(998)}, from); len(got) != 2 {
					t.Errorf("last 5 since the last 2: got %d", len(got))
				}
			})
		}
	}
}

func TestReadMergesProcessesByTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.config("a"), w.config("b")
	b.Format = spec.FormatJSON
	a.StderrFile = w.path("a.err")
	sa, sb := w.open("a", a), w.open("b", b)
	for i := range 3 {
		w.write(sa, fmt.Sprintf("a%d\n", i))
		w.clock.advance(time.Second)
		w.writeErr(sa, fmt.Sprintf("e%d\n", i))
		w.clock.advance(time.Second)
		w.write(sb, fmt.Sprintf("b%d\n", i))
		w.clock.advance(time.Second)
	}
	got := w.got(all, Source{"a", a}, Source{"b", b})
	want := []string{
		"a stdout a0", "a stderr e0", "b stdout b0",
		"a stdout a1", "a stderr e1", "b stdout b1",
		"a stdout a2", "a stderr e2", "b stdout b2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = w.got(Query{Lines: 3}, Source{"a", a}, Source{"b", b})
	want = []string{"b stdout b0", "a stderr e1", "b stdout b1", "a stdout a2", "a stderr e2", "b stdout b2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func (w *world) writeErr(s *Sink, text string) {
	w.Helper()
	stdout, stderr, err := s.ChildFiles()
	if err != nil {
		w.Fatal(err)
	}
	defer stdout.Close()
	defer stderr.Close()
	if _, err := stderr.WriteString(text); err != nil {
		w.Fatal(err)
	}
	s.Drain()
}

func TestLastLinesOfAHugeFileReadOnlyItsEnd(t *testing.T) {
	w := newWorld(t)
	cfg := w.config("web")
	cfg.MaxSizeBytes = 0
	s := w.open("web", cfg)
	w.write(s, "the beginning\n")
	if err := os.Truncate(w.path("web"), 10<<30); err != nil { // 10 GiB, and no disk used
		t.Fatal(err)
	}
	w.write(s, "\n"+lines(100))
	before := bytesRead(t)
	got := w.got(Query{Lines: 10}, Source{"web", cfg})
	if len(got) != 10 || !strings.Contains(got[0], "00000090") {
		t.Errorf("got %.50q", got)
	}
	if n := bytesRead(t) - before; n > 2<<20 {
		t.Errorf("%d bytes were read", n)
	}
}

// bytesRead is how much this process has read so far.
func bytesRead(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip(err)
	}
	n, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// follow reads in the background until stop is called, which returns what was
// read.
func (w *world) follow(q Query, from ...Source) (records func() []string, stop func() error) {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	q.Follow = true
	lines := make(chan string, 1<<20)
	ready := make(chan error, 1)
	go func() {
		ready <- w.Read(ctx, from, q, func(r Record) error {
			lines <- show(r)
			return nil
		})
	}()
	var list []string
	records = func() []string {
		for {
			select {
			case l := <-lines:
				list = append(list, l)
			default:
				return list
			}
		}
	}
	return records, func() error {
		cancel()
		err := <-ready
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
}

func TestFollowThroughRotations(t *testing.T) {
	t.Parallel()
	for _, compress := range []spec.Compression{spec.CompressNone, spec.CompressGzip} {
		t.Run(compress.String(), func(t *testing.T) {
			w := newWorld(t)
			cfg := w.config("web")
			cfg.Compress = compress
			cfg.MaxSizeBytes, cfg.MaxFiles = 4_000, 1000
			s := w.open("web", cfg)
			w.write(s, "before\n")
			records, stop := w.follow(all, Source{"web", cfg})
			eventually(t, "history", func() bool { return len(records()) == 1 })
			w.run(s, "lines 10000")
			eventually(t, "all lines", func() bool { return len(records()) >= 10001 })
			if err := stop(); err != nil {
				t.Error(err)
			}
			want := "web before\nweb " + strings.ReplaceAll(strings.TrimSuffix(lines(10000), "\n"), "\n", "\nweb ")
			if diff := cmp.Diff(want, strings.Join(records(), "\n")); diff != "" {
				t.Error(diff)
			}
			if n := s.Stats().Rotations; n < 100 {
				t.Errorf("%d rotations", n)
			}
		})
	}
}

func TestFollowAcrossRunsMovesAndTruncation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("web")
	s := w.open("web", cfg)
	w.write(s, "zero, which has no end")
	records, stop := w.follow(all, Source{"web", cfg})
	expect := func(n int, last string) {
		t.Helper()
		eventually(t, last, func() bool { return len(records()) >= n })
		if got := records(); len(got) != n || got[n-1] != "web "+last {
			t.Errorf("got %q, want %d with %q last", got, n, last)
		}
	}
	eventually(t, "followed", func() bool { return w.followed("web") })
	expect(1, "zero, which has no end")
	w.write(s, "one\n")
	expect(2, "one")
	w.write(s, "no newline at the end of a run")
	expect(3, "no newline at the end of a run")
	w.write(s, "two\n")
	expect(4, "two")
	if err := os.Rename(w.path("web"), w.path("moved")); err != nil {
		t.Fatal(err)
	}
	w.Reopen()
	w.write(s, "three\n")
	expect(5, "three")
	if err := os.Truncate(w.path("web"), 0); err != nil {
		t.Fatal(err)
	}
	w.write(s, "4\n")
	expect(6, "4")
	if err := os.Remove(w.path("web")); err != nil {
		t.Fatal(err)
	}
	w.write(s, "five\n")
	expect(7, "five")
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// followed reports whether somebody follows a log.
func (w *world) followed(name string) bool {
	w.filesMu.Lock()
	f := w.files[w.path(name)]
	w.filesMu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.readers) > 0
}

func TestSlowFollowerIsDroppedAndHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("web")
	cfg.MaxSizeBytes, cfg.MaxFiles = 10_000, 2
	s := w.open("web", cfg)
	w.write(s, "first\n")
	inEmit, goOn := make(chan struct{}), make(chan struct{})
	result := make(chan error, 1)
	var got []string
	go func() {
		result <- w.Read(context.Background(), []Source{{"web", cfg}}, Query{Lines: -1, Follow: true}, func(r Record) error {
			got = append(got, show(r))
			if len(got) == 1 {
				close(inEmit)
				<-goOn
			}
			return nil
		})
	}()
	<-inEmit
	w.run(s, "lines 20000") // ends although nobody reads
	close(goOn)
	if err := <-result; !errors.Is(err, ErrSlow) {
		t.Errorf("got %v, want %v", err, ErrSlow)
	}
	if last := got[len(got)-1]; !strings.HasPrefix(last, "web gosup gosup: ") {
		t.Errorf("the last record is %q", last)
	}
}

func TestReadConsoleOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("web")
	cfg.Output = spec.OutputConsole
	s := w.open("web", cfg)
	w.write(s, "one\ntwo\n")
	from := Source{"web", cfg}
	if diff := cmp.Diff([]string{"web two"}, w.got(Query{Lines: 1}, from)); diff != "" {
		t.Error(diff)
	}
	records, stop := w.follow(all, from)
	eventually(t, "history", func() bool { return len(records()) == 2 })
	w.write(s, "three\nfour")
	eventually(t, "more", func() bool { return len(records()) >= 4 })
	if diff := cmp.Diff([]string{"web one", "web two", "web three", "web four"}, records()); diff != "" {
		t.Error(diff)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestRecordAppendJSON(t *testing.T) {
	t.Parallel()
	r := Record{Process: "web", Line: []byte("a\"\x00b\xff")}
	want := `{"time":null,"process":"web","stream":"","line":"a\"\u0000b\ufffd","bytes":"YSIAYv8="}` + "\n"
	if diff := cmp.Diff(want, string(r.AppendJSON(nil))); diff != "" {
		t.Error(diff)
	}
	r = Record{Time: time.Unix(1, 500_000_000), Process: "web", Stream: "stderr", Line: []byte("x"), Partial: true}
	want = `{"time":"1970-01-01T00:00:01.500000Z","process":"web","stream":"stderr","partial":true,"line":"x"}` + "\n"
	if diff := cmp.Diff(want, string(r.AppendJSON(nil))); diff != "" {
		t.Error(diff)
	}
}

func TestReadWhatIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("web")
	cfg.Output = spec.OutputNone
	w.open("web", cfg)
	err := w.Read(t.Context(), []Source{{"web", cfg}}, all, func(Record) error { return nil })
	if !errors.Is(err, ErrNotKept) {
		t.Errorf("got %v", err)
	}
	cfg.Output = spec.OutputFile
	if got := w.got(all, Source{"never", w.config("never")}); len(got) > 0 {
		t.Errorf("a process that never ran: got %q", got)
	}
}
