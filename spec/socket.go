package spec

import (
	"fmt"
	"strings"
)

// Network is the kind of a socket.
type Network uint8

// The kinds of sockets.
const (
	TCP  Network = iota
	UDP          // datagrams
	Unix         // a stream on a path
)

var networkNames = [...]string{"tcp", "udp", "unix"}

// String returns the name that configuration files use.
func (n Network) String() string { return networkNames[n] }

// Socket is one that gosup opens for a process and hands over to it, see
// sd_listen_fds(3).
type Socket struct {
	Name    string // for LISTEN_FDNAMES; DescriptorName
	Network Network
	Address string // host:port, the host an IP address or "" for all; or an absolute path
	Mode    uint32 // permission bits of a path
	UID     int    // whom a path belongs to; -1: gosup's own user
	GID     int    // likewise
}

// String returns the address as configuration files have it.
func (s Socket) String() string { return s.Network.String() + "://" + s.Address }

// AnyPort reports whether the kernel is to choose the port.
func (s Socket) AnyPort() bool { return s.Network != Unix && strings.HasSuffix(s.Address, ":0") }

// words says all of it.
func (s Socket) words() string {
	if s.Network != Unix {
		return s.String()
	}
	words := fmt.Sprintf("%s, mode %04o", s, s.Mode)
	if s.UID >= 0 {
		words += fmt.Sprintf(", user %d", s.UID)
	}
	if s.GID >= 0 {
		words += fmt.Sprintf(", group %d", s.GID)
	}
	return words
}

// MaxDescriptorName is the longest name of a descriptor, in bytes.
const MaxDescriptorName = 255

// DescriptorName reports whether a descriptor can have a name, as sd_notify(3)
// has it: names are handed over in LISTEN_FDNAMES, where colons separate.
func DescriptorName(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == ':' {
			return false
		}
	}
	return s != "" && len(s) <= MaxDescriptorName
}
