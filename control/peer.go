package control

import (
	"net"
	"strconv"
)

// Peer is the process at the other end of a unix socket, as the kernel knows
// it from the moment it connected.
type Peer struct {
	UID    uint32
	PID    int      // 0 if it lives in another pid namespace or is not known
	Groups []uint32 // primary and supplementary
}

// String names the peer as events do: "uid 1000".
func (p Peer) String() string { return "uid " + strconv.FormatUint(uint64(p.UID), 10) }

// peerOf asks the kernel who is at the other end.
func peerOf(conn *net.UnixConn) (Peer, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var p Peer
	var peerErr error
	if err := raw.Control(func(fd uintptr) { p, peerErr = peerOfFD(int(fd)) }); err != nil {
		return Peer{}, err
	}
	return p, peerErr
}
