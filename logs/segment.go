package logs

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// shelf is a log with its rotated files, as it was when it was looked at.
type shelf struct {
	base  string
	at    int      // the folder; -1 once closed
	file  *logFile // whose numbers go on; nil if no process writes to it
	rolls int      // of file, then
	list  []segment
	live  *os.File // nil if there is none
	seq   uint64   // of the live file
}

// shelf looks at a log. With a follower, that one is told of all that is
// written from then on.
func (p *Pump) shelf(path string, maxFiles int, f *follower) (*shelf, error) {
	path = filepath.Clean(path)
	p.filesMu.Lock()
	file := p.files[path]
	p.filesMu.Unlock()
	s := &shelf{base: filepath.Base(path), at: -1, file: file}
	if file != nil {
		file.mu.Lock()
		defer file.mu.Unlock()
		s.rolls, s.seq = file.rolls, file.seq
		if f != nil {
			file.follow(f)
			f.ended.Store(file.over)
		}
	}
	var err error
	s.at, err = openDir(filepath.Dir(path), false)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	return s, s.look(maxFiles)
}

// look lists the files, oldest first, and opens the live one.
func (s *shelf) look(maxFiles int) error {
	s.list = rotatedFiles(s.at, s.base, maxFiles)
	slices.Reverse(s.list)
	f, err := openToRead(s.at, s.base)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open log", Path: s.base, Err: err}
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	s.live = f
	s.list = append(s.list, segment{size: st.Size(), mod: st.ModTime()})
	return nil
}

// openToRead opens a regular file for reading.
func openToRead(at int, name string) (*os.File, error) {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// opened is a segment that can be read.
type opened struct {
	*os.File
	packed bool
	size   int64 // as far as it is to be read
	times  index
	mine   bool // to be closed when it has been read
}

// open opens a segment: by the number that it has by now. os.ErrNotExist says
// that it has been removed meanwhile.
func (s *shelf) open(g segment) (*opened, error) {
	if g.n == 0 {
		return &opened{File: s.live, size: g.size, times: readIndex(s.at, s.indexName())}, nil
	}
	n := g.n
	if s.file != nil {
		s.file.mu.Lock()
		defer s.file.mu.Unlock()
		n += s.file.rolls - s.rolls
	}
	for _, suffix := range suffixes {
		f, err := openToRead(s.at, rotatedName(s.base, n, suffix))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		o := &opened{File: f, packed: suffix != "", size: g.size, mine: true}
		if !o.packed {
			st, err := f.Stat()
			if err != nil {
				f.Close()
				return nil, err
			}
			o.size = st.Size()
		}
		o.times = readIndex(s.at, rotatedName(s.base, n, ""))
		return o, nil
	}
	return nil, os.ErrNotExist
}

// indexName names what the index of the file is called after that was live.
func (s *shelf) indexName() string {
	if s.file == nil {
		return s.base
	}
	s.file.mu.Lock()
	defer s.file.mu.Unlock()
	return rotatedName(s.base, s.file.rolls-s.rolls, "")
}

// close closes what is open.
func (s *shelf) close() {
	if s.live != nil {
		s.live.Close()
	}
	if s.at >= 0 {
		unix.Close(s.at)
	}
	s.live, s.at = nil, -1
}

// from returns a reader of the content from an offset on. In a packed file
// that must be 0.
func (o *opened) from(off int64) (io.Reader, func(), error) {
	if !o.packed {
		return io.NewSectionReader(o.File, off, o.size-off), func() {}, nil
	}
	return unpack(io.NewSectionReader(o.File, 0, 1<<62))
}

// unpack decompresses, whatever the method was.
func unpack(r *io.SectionReader) (io.Reader, func(), error) {
	var magic [2]byte
	if _, err := r.ReadAt(magic[:], 0); err != nil {
		return nil, nil, err
	}
	if magic == [2]byte{0x1f, 0x8b} {
		z, err := gzip.NewReader(r)
		return z, func() {}, err
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return nil, nil, err
	}
	return z, z.Close, nil
}

// close closes the file if nobody else needs it.
func (o *opened) close() {
	if o.mine {
		o.File.Close()
	}
}
