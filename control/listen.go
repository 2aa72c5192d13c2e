package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is where and for whom the daemon listens.
type Socket struct {
	Path string      // absolute
	Mode os.FileMode // permission bits
	GID  int         // group of the socket; -1: the daemon's own
}

// InUseError says that another daemon answers on the socket.
type InUseError struct {
	Path string
	PID  int // 0 if it cannot be known
}

func (e *InUseError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("socket %s is in use", e.Path)
	}
	return fmt.Sprintf("socket %s is in use by pid %d", e.Path, e.PID)
}

// Listen opens the socket. A socket that nobody answers on is what a daemon
// left that was killed: it is replaced. Anything else at that place is not
// touched. The error is an *InUseError if somebody answers there.
//
// The socket gets its mode and group before it gets its name, so at no moment
// can anybody connect who should not.
//
// Closing the listener removes the socket, unless another has taken its place.
func Listen(s Socket) (net.Listener, error) {
	dir := filepath.Dir(s.Path)
	if err := prepareDir(dir); err != nil {
		return nil, err
	}
	if err := checkFree(s.Path); err != nil {
		return nil, err
	}
	// Nobody else can look into a folder of this mode, so it does not matter
	// which mode the umask gives to the socket for the first moment.
	tmp, err := os.MkdirTemp(dir, ".s")
	if err != nil {
		return nil, fmt.Errorf("make socket %s: %w", s.Path, err)
	}
	defer os.Remove(tmp)
	made := filepath.Join(tmp, "s")
	l, err := listenAt(made)
	if err != nil {
		return nil, fmt.Errorf("make socket %s: %w", s.Path, err)
	}
	info, err := s.publish(made)
	if err != nil {
		l.Close()
		os.Remove(made)
		return nil, fmt.Errorf("make socket %s: %w", s.Path, err)
	}
	return &socketListener{UnixListener: l, path: s.Path, info: info}, nil
}

// publish gives the socket its rights and then its name.
func (s Socket) publish(made string) (fs.FileInfo, error) {
	if s.GID >= 0 {
		if err := os.Chown(made, -1, s.GID); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(made, s.Mode.Perm()); err != nil {
		return nil, err
	}
	info, err := os.Lstat(made)
	if err != nil {
		return nil, err
	}
	return info, os.Rename(made, s.Path)
}

// prepareDir makes the folder if need be and refuses one in which others
// could put a socket of their own in our place.
func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder of the socket: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("folder of the socket: %w", err)
	}
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("folder of the socket %s: others can write to it (chmod o-w %s)", dir, dir)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("folder of the socket %s: it belongs to uid %d (use a folder of your own)", dir, st.Uid)
	}
	return nil
}

// checkFree reports whether there is nothing at the path, or a socket that
// nobody answers on.
func checkFree(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is not a socket (remove it, or set another socket)", path)
	}
	conn, err := dialAt(path, time.Second)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err != nil {
		// A full backlog or a lack of rights: somebody lives there.
		return fmt.Errorf("socket %s is in use: %w", path, err)
	}
	defer conn.Close()
	inUse := &InUseError{Path: path}
	if p, err := peerOf(conn); err == nil {
		inUse.PID = p.PID
	}
	return inUse
}

// socketListener removes its socket when it is closed.
type socketListener struct {
	*net.UnixListener
	path string
	info fs.FileInfo
}

func (l *socketListener) Close() error {
	// Removed first: who finds the socket finds somebody who answers.
	if info, err := os.Lstat(l.path); err == nil && l.info != nil && os.SameFile(info, l.info) {
		os.Remove(l.path)
	}
	return l.UnixListener.Close()
}

// Keep returns a descriptor of a listener that Listen has returned, for Inherit
// in the program that is executed next. From then on closing the listener does
// not remove the socket: who connects meanwhile waits.
func Keep(l net.Listener) (int, error) {
	s, ok := l.(*socketListener)
	if !ok {
		return -1, errors.New("keep socket: it is none of ours")
	}
	f, err := s.File()
	if err != nil {
		return -1, fmt.Errorf("keep socket: %w", err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1, fmt.Errorf("keep socket: %w", err)
	}
	s.info = nil
	return fd, nil
}

// Inherit goes on with a listener of the daemon that has executed this program.
func Inherit(fd int, path string) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), path)
	if f == nil {
		return nil, fmt.Errorf("inherit socket: descriptor %d is none", fd)
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("inherit socket: %w", err)
	}
	u, ok := l.(*net.UnixListener)
	info, err := os.Lstat(path)
	if !ok || err != nil {
		l.Close()
		return nil, fmt.Errorf("inherit socket: descriptor %d is not that of %s", fd, path)
	}
	u.SetUnlinkOnClose(false)
	return &socketListener{UnixListener: u, path: path, info: info}, nil
}

// maxSocketPath is what fits into a socket's address beside its final zero
// (unix(7)).
const maxSocketPath = len(syscall.RawSockaddrUnix{}.Path) - 1

func listenAt(path string) (*net.UnixListener, error) {
	short, done, err := shorten(path)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, bare(err)
	}
	l.SetUnlinkOnClose(false)
	return l, nil
}

func dialAt(path string, timeout time.Duration) (*net.UnixConn, error) {
	short, done, err := shorten(path)
	if err != nil {
		return nil, err
	}
	defer done()
	conn, err := net.DialTimeout("unix", short, timeout)
	if err != nil {
		return nil, bare(err)
	}
	return conn.(*net.UnixConn), nil
}

// bare strips the address that package net adds, which is not the one that
// people know.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
