package control

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
)

// Peer is who is at the other end: of a unix socket the process that has
// connected, as the kernel knows it from that moment, and of a TCP connection
// an address.
type Peer struct {
	UID    uint32     // of TCP: nobody
	PID    int        // 0 if it lives in another pid namespace or is not known
	Groups []uint32   // primary and supplementary
	Addr   netip.Addr // of TCP; not valid for a unix socket
}

// nobody is a user that nobody can be: (uid_t)-1, see chown(2).
const nobody = math.MaxUint32

// String names the peer as events do: "uid 1000" or "192.0.2.7".
func (p Peer) String() string {
	if p.remote() {
		return p.Addr.String()
	}
	return "uid " + strconv.FormatUint(uint64(p.UID), 10)
}

func (p Peer) remote() bool { return p.Addr.IsValid() }

// owner is who is answerable for a client. Limits hold for all clients of one.
type owner struct {
	uid uint32
	net netip.Prefix
}

// owner returns the user, or the address; of IPv6 the network, whose addresses
// are one machine's to choose.
func (p Peer) owner() owner {
	o := owner{uid: p.UID}
	if p.remote() {
		bits := p.Addr.BitLen()
		if p.Addr.Is6() {
			bits = 64
		}
		o.net, _ = p.Addr.Prefix(bits) // such lengths are right
	}
	return o
}

// remotePeer returns who has connected by TCP.
func remotePeer(conn net.Conn) (Peer, error) {
	a, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return Peer{}, fmt.Errorf("a connection of %v, not of TCP", conn.RemoteAddr())
	}
	return Peer{UID: nobody, Addr: a.AddrPort().Addr().Unmap().WithZone("")}, nil
}

// localPeer returns who has connected by a unix socket.
func localPeer(conn net.Conn) (Peer, error) {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return Peer{}, fmt.Errorf("a connection of %v, not of a unix socket", conn.RemoteAddr())
	}
	return peerOf(u)
}

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
