package logs

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// fifo is the daemon's end of a stream: a named FIFO, or an unnamed pipe where
// names cannot be made. Both ends are always held, since a FIFO without a
// writer would report its end for ever.
type fifo struct {
	fd  int // for reading, non-blocking
	wfd int // an unnamed pipe's other end, blocking; else -1
	ino uint64
}

func (f *fifo) named() bool { return f.wfd < 0 }

// makeFIFODir makes the folder that FIFOs live in. Nobody else needs to enter
// it: who opens /dev/stdout again passes the file's own mode only.
func makeFIFODir(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a folder of ours", path)
	}
	return unix.Access(path, unix.W_OK|unix.X_OK)
}

// removeFIFODir removes the folder if it is empty.
func removeFIFODir(path string) { os.Remove(path) }

// fifoPath is where the FIFO of a stream lives: a process's name may hold
// slashes, the folder is flat.
func fifoPath(dir, name, ext string) string {
	flat := flatten.Replace(name)
	if len(flat) > maxFlat {
		h := fnv.New64a()
		h.Write([]byte(name))
		flat = fmt.Sprintf("%s-%x", flat[:maxFlat-17], h.Sum64())
	}
	return filepath.Join(dir, flat+ext)
}

var flatten = strings.NewReplacer("%", "%25", "/", "%2F")

// maxFlat is how long the name of a FIFO may be, without .out or .err.
const maxFlat = unix.NAME_MAX - 4

// openFIFO opens a FIFO for an owner, making it if there is none, and says
// whether it was made.
func openFIFO(path string, owner Owner) (f *fifo, made bool, err error) {
	for range 3 {
		err := unix.Mkfifo(path, 0o600)
		made = err == nil
		if err != nil && err != unix.EEXIST {
			return nil, false, &os.PathError{Op: "mkfifo", Path: path, Err: err}
		}
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == unix.ENOENT {
			continue
		}
		var st unix.Stat_t
		if err == nil {
			err = unix.Fstat(fd, &st)
		}
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
			return &fifo{fd: fd, wfd: -1, ino: st.Ino}, made, own(fd, &st, owner)
		}
		if fd >= 0 {
			unix.Close(fd)
		}
		// The folder is ours alone, so what is there is left over and no
		// stranger's.
		if err := os.Remove(path); err != nil {
			return nil, false, err
		}
	}
	return nil, false, &os.PathError{Op: "open", Path: path, Err: os.ErrExist}
}

// openPipe makes an unnamed pipe in place of a FIFO.
func openPipe(owner Owner) (*fifo, error) {
	fds, err := newPipe()
	if err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, os.NewSyscallError("fcntl", err)
	}
	f := &fifo{fd: fds[0], wfd: fds[1]}
	var st unix.Stat_t
	if unix.Fstat(f.fd, &st) == nil {
		f.ino = st.Ino
		own(f.fd, &st, owner) // for /dev/stdout only, so no reason to fail
	}
	return f, nil
}

// own gives the FIFO to the user that the process runs as.
func (f *fifo) own(owner Owner) error {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	return own(f.fd, &st, owner)
}

// own gives an open file to a user, if it is not theirs and we can.
func own(fd int, st *unix.Stat_t, owner Owner) error {
	uid, gid := owner.UID, owner.GID
	if uid == int(st.Uid) {
		uid = -1
	}
	if gid == int(st.Gid) {
		gid = -1
	}
	if uid < 0 && gid < 0 || os.Geteuid() != 0 {
		return nil
	}
	return os.NewSyscallError("fchown", unix.Fchown(fd, uid, gid))
}

// childFile opens the FIFO once more, by its name, blocking, for a child. The child gets
// it for reading too: it then holds a reader itself, and neither SIGPIPE nor a
// lost byte follows when the daemon dies.
func (f *fifo) childFile(name string) (*os.File, error) {
	// By its name first, since /proc may be missing; by /proc where somebody
	// has removed the name, and for a pipe, which has none.
	if fd := f.again(name); f.named() && fd >= 0 {
		return os.NewFile(uintptr(fd), "output"), nil
	}
	if fd := f.again(fmt.Sprintf("/dev/fd/%d", f.fd)); fd >= 0 {
		return os.NewFile(uintptr(fd), "output"), nil
	}
	if f.named() {
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	}
	fd, err := unix.FcntlInt(uintptr(f.wfd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	return os.NewFile(uintptr(fd), "output"), nil
}

// again opens the FIFO by a name; -1 if that is not possible or leads elsewhere.
func (f *fifo) again(name string) int {
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return -1
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Ino != f.ino || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		unix.Close(fd)
		return -1
	}
	return fd
}

// queued is how many bytes wait to be read.
func (f *fifo) queued() int {
	n, err := unix.IoctlGetInt(f.fd, ioctlQueued)
	if err != nil {
		return 0
	}
	return n
}

// close closes the daemon's ends.
func (f *fifo) close() {
	unix.Close(f.fd)
	if f.wfd >= 0 {
		unix.Close(f.wfd)
	}
}
