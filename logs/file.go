package logs

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gosup/spec"

	"golang.org/x/sys/unix"
)

// logFile is one log file with what was rotated out of it. Streams share it,
// those of one process or of several.
type logFile struct {
	p    *Pump
	path string
	refs int         // streams; guarded by Pump.filesMu
	many atomic.Bool // several streams write here, so that their lines could mix

	mu      sync.Mutex // guards what follows; held over disk I/O
	owner   int        // the user that may own the file, beside root and us
	cfg     rotation
	dir     *dir
	fd      int // -1 while it is not open
	dev     uint64
	ino     uint64
	size    int64
	start   int64         // where the last line begins, if mid; else size
	checked time.Duration // when the path was last seen to lead here; this and the others since the pump began
	seq     uint64        // number of the live file, 1 for the first that was opened
	older   []uint64      // numbers of file.1, file.2, …, as far as they were live here
	gone    uint64        // the highest number of a file that was removed
	rolls   int           // how often files were given the next number
	expired time.Duration // when old files were last looked for
	index   indexer
	readers map[*follower]struct{} // woken after each write

	bad    error         // why nothing can be written; nil if it can
	again  time.Duration // when that is tried again
	noRoll time.Duration // rotation has failed and is not tried before this
	lost   *lost         // nil if nothing was

	mid   bool // the file ends within a line
	over  bool // nothing was written since a run has ended
	moved bool // the path does not lead here any more, or a reopening was asked for
	skip  bool // the rest of a line is to be dropped of which the beginning was
}

// rotation is what of a configuration concerns a log file.
type rotation struct {
	maxSize  int64
	maxFiles int
	maxAge   time.Duration
	format   spec.Format
	compress spec.Compression
	block    bool
}

// base is the file's name in its folder.
func (f *logFile) base() string { return f.path[strings.LastIndexByte(f.path, '/')+1:] }

// checkEvery is how often a path is looked at while it is being written to.
const checkEvery = time.Second

// acquireFile gives the log file of a path, with its rotation set as in cfg. One
// that is there is opened, for a daemon that was killed may have left something
// to mend in it. One that is not is made when there is something to write:
// making a file is what costs most at the start of a process, and many never
// write a word.
func (p *Pump) acquireFile(path string, cfg spec.Logs, owner Owner) *logFile {
	path = filepath.Clean(path)
	p.filesMu.Lock()
	f := p.files[path]
	if f == nil {
		f = &logFile{p: p, path: path, fd: -1}
		p.files[path] = f
	}
	f.refs++
	f.many.Store(f.refs > 1)
	p.filesMu.Unlock()

	f.mu.Lock()
	defer f.mu.Unlock()
	f.cfg = rotation{cfg.MaxSizeBytes, cfg.MaxFiles, cfg.MaxAge, cfg.Format, cfg.Compress, cfg.BlockOnFull}
	f.owner = owner.UID
	if f.fd >= 0 {
		return f
	}
	now := p.now()
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	if err == nil {
		err = f.open(now)
	} else {
		err = f.checkDir()
	}
	if err != nil {
		f.fail(err, now)
	}
	return f
}

// checkDir says now what would later keep the file from being made. It makes
// the folder.
func (f *logFile) checkDir() error {
	path := filepath.Dir(f.path)
	if unix.Access(path, unix.W_OK|unix.X_OK) == nil {
		return nil
	}
	d, err := f.p.acquireDir(path)
	if err != nil {
		return err
	}
	f.p.releaseDir(d)
	if err := unix.Access(path, unix.W_OK|unix.X_OK); err != nil {
		return &os.PathError{Op: "write to folder", Path: path, Err: err}
	}
	return nil
}

// releaseFile gives a log file back.
func (p *Pump) releaseFile(f *logFile) {
	p.filesMu.Lock()
	f.refs--
	f.many.Store(f.refs > 1)
	last := f.refs == 0
	if last && p.files[f.path] == f {
		delete(p.files, f.path)
	}
	p.filesMu.Unlock()
	if last {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.tell(f.p.now())
		f.close()
	}
}

// open opens the live file. The caller holds mu.
func (f *logFile) open(now time.Time) error {
	d, err := f.p.acquireDir(filepath.Dir(f.path))
	if err != nil {
		return err
	}
	fd, st, err := openLog(d.fd, f.base(), f.owner, 0)
	if err != nil {
		f.p.releaseDir(d)
		return &os.PathError{Op: "open log", Path: f.path, Err: err}
	}
	f.adopt(d, fd, st, now)
	f.expire(now)
	return nil
}

// adopt makes an open file the live one.
func (f *logFile) adopt(d *dir, fd int, st *unix.Stat_t, now time.Time) {
	f.dir, f.fd, f.size = d, fd, 0
	f.dev, f.ino = uint64(st.Dev), st.Ino
	f.seq++
	f.index = indexer{}
	f.moved = false
	f.checked = f.p.since(now)
	f.resize(st.Size)
	f.wake(false)
}

// resize takes note of a size that is not of our own making.
func (f *logFile) resize(size int64) {
	if size < f.size {
		f.index.stale = true
	}
	f.size, f.start, f.mid = size, size, false
	if size == 0 {
		return
	}
	var last [1]byte
	n, err := unix.Pread(f.fd, last[:], size-1)
	f.mid = err == nil && n == 1 && last[0] != '\n'
}

// close closes the live file. The caller holds mu.
func (f *logFile) close() {
	if f.fd >= 0 {
		unix.Close(f.fd)
		f.p.releaseDir(f.dir)
	}
	f.fd, f.dir = -1, nil
}

// reopen has the file opened again by its name, at a line's end.
func (f *logFile) reopen() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.moved = true
	f.again = 0
	if f.fd < 0 || f.mid {
		return // when there is something to write
	}
	now := f.p.now()
	f.close()
	if err := f.open(now); err != nil {
		f.fail(err, now)
	}
}

// append writes the beginning of a chunk in the stream's format and returns how
// much that was: at least 1, unless the error is errStalled. What a full disk
// does not take is dropped or stalled as configured.
func (f *logFile) append(s *stream, k *kit, data []byte, now time.Time) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bad != nil && f.p.since(now) < f.again && !f.blocks(f.bad) {
		return f.drop(s, k, data, now), nil
	}
	if err := f.ready(now); err != nil {
		return f.refuse(s, k, data, now, err)
	}
	if f.skip && !f.lines(s) {
		// The beginning of this line was dropped.
		n := bytes.IndexByte(data, '\n') + 1
		f.skip = n == 0
		if n == 0 {
			n = len(data)
		}
		f.miss(s, data[:n])
		return n, nil
	}
	if err := f.tell(now); err != nil {
		return f.refuse(s, k, data, now, err)
	}
	c := f.next(s, k, data, now)
	s.intend(data[:c.used], c)
	if err := f.write(c.out, now); err != nil {
		s.cancel()
		return f.refuse(s, k, data, now, err)
	}
	s.commit(c)
	return c.used, nil
}

// next encodes what goes into the live file, which it rotates first if that
// must be. The caller holds mu.
func (f *logFile) next(s *stream, k *kit, data []byte, now time.Time) cut {
	for {
		room := int64(math.MaxInt64)
		switch {
		case f.moved:
			room = 0 // only the line that was begun; see ready
		case f.cfg.maxSize > 0 && f.p.since(now) >= f.noRoll:
			room = f.cfg.maxSize - f.size
		}
		c := f.encode(s, k, data, room, f.size == 0 || f.moved, now)
		if c.used > 0 {
			return c
		}
		if err := f.rotate(now); err != nil {
			// The old file stays open and usable: a missed rotation beats
			// a lost line.
			f.p.log.Warn("log not rotated", "file", f.path, "err", err)
			f.noRoll = f.p.since(now) + 10*retryDelay
			continue
		}
		s.sink.rotations.Add(1)
	}
}

// lines reports whether a stream is written line by line: its format has
// lines, or others write into the same file.
func (f *logFile) lines(s *stream) bool {
	return s.format != spec.FormatRaw || f.many.Load() || len(s.part.part) > 0
}

// encode encodes the beginning of a chunk, at most room bytes unless must.
func (f *logFile) encode(s *stream, k *kit, data []byte, room int64, must bool, now time.Time) cut {
	if !f.lines(s) {
		n := cutRaw(data, room, f.mid, must)
		return cut{out: data[:n], used: n}
	}
	var c cut
	c, k.join = s.part.frame(k.output(), k.join, data, room, must, s.encoder(s.format, now))
	k.out, c.framed = c.out, true
	return c
}

// flush ends a line that has no end yet; false if the disk is full and the line
// is kept for later. What is lost of it is counted.
func (f *logFile) flush(s *stream, k *kit, now time.Time) bool {
	if len(s.part.part) == 0 {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	// A raw file has what was written, and so no newline that was not, unless
	// the next line is somebody else's.
	last := s.format != spec.FormatRaw || f.many.Load()
	k.out = s.encoder(s.format, now)(k.output(), s.part.part, last)
	err := f.ready(now)
	if err == nil {
		err = f.tell(now)
	}
	if err == nil {
		s.intend(nil, cut{out: k.out})
		if err = f.write(k.out, now); err != nil {
			s.cancel()
		}
	}
	if err != nil {
		f.fail(err, now)
		if f.blocks(err) {
			return false
		}
		f.missed(s, int64(len(s.part.part)), 1)
		s.keep(cut{})
	}
	s.part = framer{}
	s.settle()
	return true
}

// end tells followers that a run has ended.
func (f *logFile) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	f.wake(true)
}

// ready sees to it that the file can be written to and is the one that its
// path names. The caller holds mu.
func (f *logFile) ready(now time.Time) error {
	if f.fd < 0 {
		return f.open(now)
	}
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return &os.PathError{Op: "stat", Path: f.path, Err: err}
	}
	if st.Size != f.size {
		f.resize(st.Size) // somebody truncated it or wrote to it
	}
	if at := f.p.since(now); at-f.checked >= checkEvery {
		f.checked = at
		var at unix.Stat_t
		if err := unix.Lstat(f.path, &at); err != nil || at.Ino != f.ino || uint64(at.Dev) != f.dev {
			f.moved = true
		}
		if f.p.since(now)-f.expired >= time.Hour {
			f.expire(now)
		}
	}
	// A removed file takes no more, a moved one a line that it has begun.
	if st.Nlink > 0 && (!f.moved || f.mid) {
		return nil
	}
	f.close()
	return f.open(now)
}

// write appends to the file: all of it or nothing. The caller holds mu.
func (f *logFile) write(out []byte, now time.Time) error {
	for done := 0; done < len(out); {
		n, err := unix.Write(f.fd, out[done:])
		if n > 0 {
			done += n
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			f.undo()
			return &os.PathError{Op: "write log", Path: f.path, Err: err}
		}
	}
	if len(out) == 0 {
		return nil
	}
	f.bad, f.over = nil, false
	if f.cfg.format == spec.FormatRaw {
		f.index.note(f.dir, f.base(), f.size, now)
	}
	if i := bytes.LastIndexByte(out, '\n'); i >= 0 {
		f.start = f.size + int64(i) + 1
	}
	f.mid = out[len(out)-1] != '\n'
	f.size += int64(len(out))
	f.wake(false)
	return nil
}
