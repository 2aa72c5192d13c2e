package logs

import (
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"gosup/spec"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// compressor compresses rotated files, one at a time, on a thread of low
// priority that exists while there is something to do.
type compressor struct {
	p    *Pump
	stop atomic.Bool

	mu      sync.Mutex
	idle    sync.Cond // signalled when the worker has ended
	queue   []*logFile
	working bool
}

func newCompressor(p *Pump) *compressor {
	c := &compressor{p: p}
	c.idle.L = &c.mu
	return c
}

// add has the rotated files of a log compressed.
func (c *compressor) add(f *logFile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, queued := range c.queue {
		if queued == f {
			return
		}
	}
	c.queue = append(c.queue, f)
	if !c.working && !c.stop.Load() {
		c.working = true
		go c.work()
	}
}

// work compresses what is queued and ends.
func (c *compressor) work() {
	lowerPriority()
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 && !c.stop.Load() {
		f := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		c.files(f)
		c.mu.Lock()
	}
	c.working = false
	c.idle.Broadcast()
}

// close stops after the current block and waits for that. What is left is
// compressed after the next rotation.
func (c *compressor) close() {
	c.stop.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.working {
		c.idle.Wait()
	}
}

// files compresses all rotated files of a log that are not yet.
func (c *compressor) files(f *logFile) {
	for !c.stop.Load() {
		done, err := c.one(f)
		if errors.Is(err, errStopped) {
			return
		}
		if err != nil {
			c.p.log.Warn("log not compressed", "file", f.path, "err", err)
		}
		if done || err != nil {
			return
		}
	}
}

var errStopped = errors.New("stopped")

// tempSuffix is behind the name of a file that is being compressed. One that
// is left over is overwritten by the next.
const tempSuffix = ".compressing"

// one compresses the newest rotated file that is not compressed; done says that
// there is none. The file may get another number meanwhile, or be removed.
func (c *compressor) one(f *logFile) (done bool, err error) {
	f.mu.Lock()
	if f.dir == nil || f.cfg.compress == spec.CompressNone {
		f.mu.Unlock()
		return true, nil
	}
	method := f.cfg.compress
	at, err := unix.FcntlInt(uintptr(f.dir.fd), unix.F_DUPFD_CLOEXEC, 3)
	src := f.uncompressed()
	f.mu.Unlock()
	if err != nil {
		return true, os.NewSyscallError("dup", err)
	}
	defer unix.Close(at)
	if src == nil {
		unlink(at, f.base()+tempSuffix)
		return true, nil
	}
	defer src.Close()

	temp := f.base() + tempSuffix
	if err := unlink(at, temp); err != nil {
		return true, err
	}
	fd, err := unix.Openat(at, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o640)
	if err != nil {
		return true, &os.PathError{Op: "open", Path: temp, Err: err}
	}
	dst := os.NewFile(uintptr(fd), temp)
	err = c.copy(dst, src, method)
	if err == nil {
		err = finish(dst, src)
	}
	dst.Close()
	if err == nil {
		err = f.replace(src, temp, method)
	}
	if err != nil {
		unlink(at, temp)
	}
	return err != nil, err
}

// uncompressed opens the newest rotated file that is not compressed; nil if
// there is none. The caller holds mu.
func (f *logFile) uncompressed() *os.File {
	for _, g := range rotatedFiles(f.dir.fd, f.base(), f.cfg.maxFiles) {
		if g.suffix != "" {
			continue
		}
		name := rotatedName(f.base(), g.n, "")
		fd, err := unix.Openat(f.dir.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		return os.NewFile(uintptr(fd), name)
	}
	return nil
}

// copy compresses src to dst.
func (c *compressor) copy(dst io.Writer, src io.Reader, method spec.Compression) error {
	var w io.WriteCloser
	var err error
	if method == spec.CompressZstd {
		w, err = zstd.NewWriter(dst, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	} else {
		w, err = gzip.NewWriterLevel(dst, 5)
	}
	if err != nil {
		return err
	}
	buf := make([]byte, chunkBytes)
	for {
		if c.stop.Load() {
			w.Close()
			return errStopped
		}
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				w.Close()
				return err
			}
		}
		if err == io.EOF {
			return w.Close()
		}
		if err != nil {
			w.Close()
			return err
		}
	}
}

// finish gives the compressed file the times of the other, by which it is
// found, and has it on disk before the other is removed.
func finish(dst, src *os.File) error {
	st, err := src.Stat()
	if err != nil {
		return err
	}
	tv := []unix.Timeval{unix.NsecToTimeval(st.ModTime().UnixNano()), unix.NsecToTimeval(st.ModTime().UnixNano())}
	if err := unix.Futimes(int(dst.Fd()), tv); err != nil {
		return os.NewSyscallError("futimes", err)
	}
	return dst.Sync()
}

// replace puts the compressed file in the place of the other, wherever that is
// by now.
func (f *logFile) replace(src *os.File, temp string, method spec.Compression) error {
	var st, at unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dir == nil {
		return errStopped
	}
	for _, g := range rotatedFiles(f.dir.fd, f.base(), f.cfg.maxFiles) {
		name := rotatedName(f.base(), g.n, "")
		if g.suffix != "" || unix.Fstatat(f.dir.fd, name, &at, unix.AT_SYMLINK_NOFOLLOW) != nil || at.Ino != st.Ino || at.Dev != st.Dev {
			continue
		}
		packed := name + compressedSuffix(method)
		if err := unix.Renameat(f.dir.fd, temp, f.dir.fd, packed); err != nil {
			return &os.LinkError{Op: "rename", Old: temp, New: packed, Err: err}
		}
		return unlink(f.dir.fd, name)
	}
	return unlink(f.dir.fd, temp) // it was removed meanwhile
}

func compressedSuffix(method spec.Compression) string {
	if method == spec.CompressZstd {
		return ".zst"
	}
	return ".gz"
}

// lowerPriority makes the calling goroutine's thread give way to all others;
// the thread ends with the goroutine.
func lowerPriority() {
	runtime.LockOSThread()
	setThreadPriority(10)
}
