package control

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// peerOfFD follows unix(4), LOCAL_PEERCRED: the user and up to 16 groups.
func peerOfFD(fd int) (Peer, error) {
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return Peer{}, fmt.Errorf("credentials of the peer: %w", err)
	}
	p := Peer{UID: cred.Uid, Groups: cred.Groups[:cred.Ngroups]}
	if pid, err := unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID); err == nil {
		p.PID = pid
	}
	return p, nil
}

// shorten returns path, or says that it does not fit into a socket's address.
func shorten(path string) (short string, done func(), err error) {
	if len(path) > maxSocketPath {
		return "", nil, fmt.Errorf("the path has more than %d bytes, too long for a socket (set another socket)", maxSocketPath)
	}
	return path, func() {}, nil
}
