package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peerOfFD follows unix(7), SO_PEERCRED, and for the supplementary groups
// SO_PEERGROUPS, which has no manual: it fills an array of gids, or says
// ERANGE and how many bytes it needs. Linux 4.13 has it; before that only the
// primary group is known.
func peerOfFD(fd int) (Peer, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Peer{}, fmt.Errorf("credentials of the peer: %w", err)
	}
	p := Peer{UID: cred.Uid, PID: int(cred.Pid), Groups: []uint32{cred.Gid}}
	more, err := peerGroups(fd)
	if err != nil && !errors.Is(err, unix.ENOPROTOOPT) {
		return Peer{}, fmt.Errorf("groups of the peer: %w", err)
	}
	p.Groups = append(p.Groups, more...)
	return p, nil
}

func peerGroups(fd int) ([]uint32, error) {
	groups := make([]uint32, 32)
	for range 3 {
		size := uint32(len(groups) * 4)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch errno {
		case 0:
			return groups[:size/4], nil
		case unix.ERANGE:
			groups = make([]uint32, size/4)
		default:
			return nil, errno
		}
	}
	return nil, unix.ERANGE
}

// shorten returns a name for path that fits into a socket's address. A longer
// one is reached through a descriptor of its folder; done closes that.
func shorten(path string) (short string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return "", nil, err
	}
	short = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	if len(short) > maxSocketPath {
		dir.Close()
		return "", nil, fmt.Errorf("the name %s is too long for a socket", filepath.Base(path))
	}
	return short, func() { dir.Close() }, nil
}
