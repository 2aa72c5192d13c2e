package logs

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// bulky opens a sink whose FIFO is large and that nobody serves but the test.
func bulky(t *testing.T, maxSize int64) (*world, *stream, *os.File) {
	t.Helper()
	w := newWorld(t)
	cfg := w.config("web")
	cfg.MaxSizeBytes, cfg.MaxFiles = maxSize, 100
	s := w.open("web", cfg)
	w.write(s, "begin\n") // the file is there now
	out, _, err := s.ChildFiles()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	st := s.both()[0]
	st.mu.Lock() // so that no worker takes what the test writes
	t.Cleanup(st.mu.Unlock)
	resizePipe(st.fd, 4*chunkBytes)
	st.full = -1
	return w, st, out
}

// What is moved in bulk is in the file, out of the FIFO, and known in the tail.
func TestBulk(t *testing.T) {
	w, st, out := bulky(t, 0)
	text := lines(5000) + "half a line"
	if len(text) < 2*bulkBytes/2 {
		text = strings.Repeat(text, 1+2*bulkBytes/len(text))
	}
	text = text[:min(len(text), 3*chunkBytes)]
	if _, err := out.WriteString(text); err != nil {
		t.Fatal(err)
	}
	n := st.bulk()
	if n != len(text) || st.queued() != 0 || st.passed.Load() != uint64(n+len("begin\n")) {
		t.Fatalf("moved %d of %d, %d are left, %d counted", n, len(text), st.queued(), st.passed.Load())
	}
	if got := w.read(w.path("web")); got != "begin\n"+text {
		t.Errorf("the file has %d bytes", len(got))
	}
	if got := st.sink.Tail(); !bytes.Equal(got, []byte(text[len(text)-tailBytes:])) {
		t.Errorf("the tail is %.60q", got)
	}
	f := st.file
	if f.size != int64(len(text)+6) || f.mid != !strings.HasSuffix(text, "\n") || f.start != int64(6+strings.LastIndexByte(text, '\n')+1) {
		t.Errorf("size %d, mid %v, the last line begins at %d", f.size, f.mid, f.start)
	}
	if flags, err := unix.FcntlInt(uintptr(f.fd), unix.F_GETFL, 0); err != nil || flags&unix.O_APPEND == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
	if n := st.bulk(); n != 0 {
		t.Errorf("moved %d out of an empty FIFO", n)
	}
}

// Bulk leaves the end of a file to who cuts it at a line's end, and everything
// to the usual way that has to be looked at.
func TestBulkHoldsBack(t *testing.T) {
	w, st, out := bulky(t, 2*chunkBytes)
	line := strings.Repeat("x", 99) + "\n"
	if _, err := fmt.Fprint(out, strings.Repeat(line, 3*chunkBytes/len(line))); err != nil {
		t.Fatal(err)
	}
	if n := st.bulk(); n == 0 || n > chunkBytes {
		t.Errorf("moved %d into a file of %d", n, 2*chunkBytes)
	}
	if n := st.bulk(); n != 0 {
		t.Errorf("moved %d beyond the margin", n)
	}
	for name, change := range map[string]func() (undo func()){
		"console":     func() func() { st.toCon = true; return func() { st.toCon = false } },
		"owed":        func() func() { st.owed = true; return func() { st.owed = false } },
		"held":        func() func() { st.held = []byte("x"); return func() { st.held = nil } },
		"no tee":      func() func() { st.p.plain.Store(true); return func() { st.p.plain.Store(false) } },
		"two streams": func() func() { st.file.many.Store(true); return func() { st.file.many.Store(false) } },
		"lost":        func() func() { st.file.lost = &lost{}; return func() { st.file.lost = nil } },
		"skip":        func() func() { st.file.skip = true; return func() { st.file.skip = false } },
		"not busy":    func() func() { st.full = 0; return func() { st.full = -1 } },
	} {
		st.file.cfg.maxSize = 0
		undo := change()
		if n := st.bulk(); n != 0 {
			t.Errorf("%s: moved %d", name, n)
		}
		undo()
	}
	if err := os.Truncate(w.path("web"), 5); err != nil { // by somebody else
		t.Fatal(err)
	}
	n := st.bulk()
	if got := w.read(w.path("web")); n == 0 || len(got) != 5+n || strings.Contains(got, "\x00") {
		t.Errorf("moved %d into a truncated file, which has %d", n, len(got))
	}
}
