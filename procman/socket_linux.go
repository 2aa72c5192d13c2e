package procman

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"gosup/logs"
	"gosup/spec"
)

// openSocket opens a socket and lets it listen. For one on a path it returns
// which file that is, for removeSocket.
func openSocket(s spec.Socket) (fd int, file fileID, err error) {
	switch s.Network {
	case spec.Unix:
		fd, file, err = openPath(s)
	case spec.UDP:
		fd, err = openPort(s.Address, unix.SOCK_DGRAM)
	default:
		fd, err = openPort(s.Address, unix.SOCK_STREAM)
	}
	if err != nil {
		return -1, file, fmt.Errorf("listen on %s: %w", s, err)
	}
	return fd, file, nil
}

// openPort opens a socket on an address and port. The host "" is every address
// of the machine, IPv4 and IPv6, where there is IPv6.
func openPort(address string, kind int) (int, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return -1, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return -1, err
	}
	if host == "" {
		fd, err := listenAt(&unix.SockaddrInet6{Port: port}, unix.AF_INET6, kind, 0)
		if err != unix.EAFNOSUPPORT && err != unix.EADDRNOTAVAIL {
			return fd, hinted(err)
		}
		fd, err = listenAt(&unix.SockaddrInet4{Port: port}, unix.AF_INET, kind, 0)
		return fd, hinted(err)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return -1, err
	}
	if ip.Is4() {
		fd, err := listenAt(&unix.SockaddrInet4{Port: port, Addr: ip.As4()}, unix.AF_INET, kind, 0)
		return fd, hinted(err)
	}
	to := &unix.SockaddrInet6{Port: port, Addr: ip.As16()}
	if zone := ip.Zone(); zone != "" {
		link, err := net.InterfaceByName(zone)
		if err != nil {
			return -1, fmt.Errorf("%w (name an interface of this machine behind the %%)", err)
		}
		to.ZoneId = uint32(link.Index)
	}
	fd, err := listenAt(to, unix.AF_INET6, kind, 1)
	return fd, hinted(err)
}

// listenAt opens one socket. Its backlog is as long as the kernel allows, see
// net.core.somaxconn: what arrives during a restart waits there.
func listenAt(to unix.Sockaddr, family, kind, v6only int) (_ int, err error) {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, v6only); err != nil {
			return -1, err
		}
	}
	if kind == unix.SOCK_STREAM && family != unix.AF_UNIX {
		// Connections of the last daemon may still be closing. Not for datagrams:
		// there it would let others take them.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return -1, err
		}
	}
	if err := unix.Bind(fd, to); err != nil {
		return -1, err
	}
	if kind == unix.SOCK_STREAM {
		if err := unix.Listen(fd, math.MaxInt32); err != nil {
			return -1, err
		}
	}
	return fd, nil
}

// hinted says what to do about an error.
func hinted(err error) error {
	switch err {
	case nil:
		return nil
	case unix.EADDRINUSE:
		return fmt.Errorf("%w (stop what listens there, or choose another address)", err)
	case unix.EADDRNOTAVAIL:
		return fmt.Errorf("%w (it is no address of this machine)", err)
	case unix.EACCES:
		return fmt.Errorf("%w (ports below 1024 are for root and CAP_NET_BIND_SERVICE)", err)
	default:
		return err
	}
}

// openPath opens a socket on a path. Somebody else may own the folder, and
// everybody may know when gosup starts: so the socket is made, and given its
// owner and mode, in a folder that nobody but gosup can enter, and linked to
// its place after that. At no moment has it other rights, what is in its place
// is never overwritten, and nothing but it is ever changed.
func openPath(s spec.Socket) (_ int, file fileID, err error) {
	folder, err := logs.OpenFolder(filepath.Dir(s.Address), true)
	if err != nil {
		return -1, file, err
	}
	defer unix.Close(folder)
	name := filepath.Base(s.Address)
	if err := makeRoom(folder, name); err != nil {
		return -1, file, err
	}
	den, leave, err := makeDen(folder)
	if err != nil {
		return -1, file, err
	}
	defer leave()
	// By way of /proc the path is short enough for a socket's address, whatever it is.
	made := nameFor(s.Address)
	fd, err := listenAt(&unix.SockaddrUnix{Name: inFolder(den, made)}, unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, file, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	defer unix.Unlinkat(den, made, 0)
	if s.UID >= 0 && s.UID != os.Geteuid() || s.GID >= 0 && s.GID != os.Getegid() {
		if err := unix.Fchownat(den, made, s.UID, s.GID, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return -1, file, fmt.Errorf("give it to user %d and group %d: %w", s.UID, s.GID, err)
		}
	}
	if err := unix.Fchmodat(den, made, s.Mode, 0); err != nil {
		return -1, file, fmt.Errorf("give it mode %04o: %w", s.Mode, err)
	}
	if err := unix.Linkat(den, made, folder, name, 0); err != nil {
		if err == unix.EEXIST {
			err = fmt.Errorf("%w (something else has just been put there)", err)
		}
		return -1, file, err
	}
	file, err = fileAt(folder, name)
	return fd, file, err
}

// nameFor returns the name that a socket is made with, which is all that the
// kernel ever tells of its path: by that it is known again.
func nameFor(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:8])
}

// inFolder returns a path of a name in an open folder.
func inFolder(folder int, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(folder) + "/" + name
}

// makeDen makes a folder in a folder, for gosup alone, and returns it and what
// removes it.
func makeDen(folder int) (den int, leave func(), err error) {
	name := ".gosup-" + rand.Text() // nobody can be there before
	if err := unix.Mkdirat(folder, name, 0o700); err != nil {
		return -1, nil, err
	}
	den, err = unix.Openat(folder, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, nil, err
	}
	leave = func() {
		unix.Close(den)
		_ = unix.Unlinkat(folder, name, unix.AT_REMOVEDIR)
	}
	var st unix.Stat_t
	err = unix.Fstat(den, &st)
	if err == nil && (int(st.Uid) != os.Geteuid() || st.Mode&0o077 != 0) {
		err = fmt.Errorf("%s is somebody else's folder", name)
	}
	if err != nil {
		leave()
		return -1, nil, err
	}
	return den, leave, nil
}

// makeRoom removes a socket on which nobody listens: one that a daemon left
// that was killed. Anything else in its place is an error.
func makeRoom(folder int, name string) error {
	var st unix.Stat_t
	err := unix.Fstatat(folder, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case err == unix.ENOENT:
		return nil
	case err != nil:
		return err
	case st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return errors.New("there is something else than a socket (remove it, or choose another path)")
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// A full backlog, a lack of rights, another kind of socket: somebody lives there.
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: inFolder(folder, name)}); err != unix.ECONNREFUSED {
		return hinted(unix.EADDRINUSE)
	}
	return unix.Unlinkat(folder, name, 0)
}

func fileAt(folder int, name string) (fileID, error) {
	var st unix.Stat_t
	err := unix.Fstatat(folder, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return fileID{uint64(st.Dev), st.Ino}, err
}

// removeSocket removes the path of a socket if it is still that.
func removeSocket(path string, file fileID) {
	folder, err := logs.OpenFolder(filepath.Dir(path), false)
	if err != nil {
		return
	}
	defer unix.Close(folder)
	name := filepath.Base(path)
	if at, err := fileAt(folder, name); err == nil && at == file {
		_ = unix.Unlinkat(folder, name, 0)
	}
}

// fileOf returns which file a path is; the zero value where that cannot be told.
func fileOf(path string) fileID {
	folder, err := logs.OpenFolder(filepath.Dir(path), false)
	if err != nil {
		return fileID{}
	}
	defer unix.Close(folder)
	file, err := fileAt(folder, filepath.Base(path))
	if err != nil {
		return fileID{}
	}
	return file
}

// listensOn reports whether a descriptor is a socket that listens on an
// address, as openSocket opens it.
func listensOn(fd int, s spec.Socket) bool {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return false
	}
	accepts, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return false
	}
	if s.Network == spec.UDP {
		if kind != unix.SOCK_DGRAM {
			return false
		}
	} else if kind != unix.SOCK_STREAM || accepts == 0 {
		return false
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return false
	}
	if path, ok := at.(*unix.SockaddrUnix); ok {
		return s.Network == spec.Unix && filepath.Base(path.Name) == nameFor(s.Address)
	}
	if s.Network == spec.Unix {
		return false
	}
	bound, err := netip.ParseAddrPort(boundTo(fd))
	if err != nil {
		return false
	}
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return false
	}
	ip := bound.Addr()
	return (port == "0" || port == strconv.Itoa(int(bound.Port()))) &&
		(host == ip.String() || host == "" && ip.IsUnspecified())
}

// maxSearched bounds the descriptors of a process among which a socket of it is
// looked for.
const maxSearched = 4096

// fetchSocket returns the socket of an address from among the descriptors of a
// process, see pidfd_getfd(2): the first that has not been taken, for there may
// be several whose ports the kernel has chosen.
func fetchSocket(pid int, s spec.Socket, taken func(fd int) bool) (int, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(pidfd)
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	list, err := os.ReadDir(dir)
	if err != nil {
		return -1, err
	}
	var numbers []int
	for _, entry := range list {
		if n, err := strconv.Atoi(entry.Name()); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for _, number := range numbers[:min(len(numbers), maxSearched)] {
		// Only sockets are fetched: the copy of another file would be one more to
		// close, which may take time.
		if to, err := os.Readlink(dir + "/" + strconv.Itoa(number)); err != nil || !strings.HasPrefix(to, "socket:") {
			continue
		}
		fd, err := unix.PidfdGetfd(pidfd, number, 0)
		if err != nil {
			return -1, err
		}
		if listensOn(fd, s) && !taken(fd) {
			return fd, nil
		}
		unix.Close(fd)
	}
	return -1, errors.New("the process does not have it any more")
}

// boundTo returns the port that the kernel has chosen for a socket, with its
// host; "" where it cannot be told.
func boundTo(fd int) string {
	at, err := unix.Getsockname(fd)
	if err != nil {
		return ""
	}
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(at.Addr), uint16(at.Port)).String()
	default:
		return ""
	}
}

// duplicate returns a second descriptor, which is not handed on by itself.
func duplicate(fd int) (int, error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
}

// describeFD says in a word what a descriptor leads to, and whether it can tell
// that the other end is gone. Others than pipes and sockets are not asked: the
// poll of a file may wait for the server of its file system.
func describeFD(fd int) (kind string, hangs bool) {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return "unknown", false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return "socket", true
	case unix.S_IFIFO:
		return "pipe", true
	case unix.S_IFREG:
		return "file", false
	case unix.S_IFDIR:
		return "folder", false
	case unix.S_IFCHR, unix.S_IFBLK:
		return "device", false
	default:
		return "anonymous", false // an eventfd, a pidfd and the like
	}
}

// sameDescriptor reports whether two descriptors are one to the kernel, see kcmp(2).
// Where that cannot be asked, they are two.
func sameDescriptor(a, b int) bool {
	const file = 0 // KCMP_FILE
	pid := uintptr(os.Getpid())
	n, _, errno := unix.Syscall6(unix.SYS_KCMP, pid, pid, file, uintptr(a), uintptr(b), 0)
	return errno == 0 && n == 0
}
