package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"gosup/spec"
)

// maxSockets is how many sockets one process can have.
const maxSockets = 64

// socket is one entry of sockets while it is read.
type socket struct {
	spec.Socket
	user     identity
	group    identity
	at       place // of its name
	listenAt place // the zero place while it has no address
	given    places
}

func socketTable() table[socket] {
	return table[socket]{
		name: "socket",
		doc:  "One socket that gosup opens for a process. The address alone may stand instead of the mapping.",
		keys: []key[socket]{
			{
				name: "listen", kind: stringKind("address"), aka: []string{"address", "listenstream", "listendatagram", "bind", "path", "url"},
				doc: "Where: `tcp://127.0.0.1:8080`, `tcp://[::1]:8080`, `tcp://:8080` for all addresses, `udp://…` likewise, or `unix:///run/web.sock`, relative to the folder of the file." +
					" Port 0 is any free one, which `gosup ctl describe` shows.",
				set: func(r *reader, n node, to *socket) { r.listen(n, to) },
			},
			{
				name: "mode", kind: modeKind(), def: "0600", aka: []string{"socketmode", "socket_mode"},
				doc: "The permissions of a path, in octal.",
				set: func(r *reader, n node, to *socket) {
					if v, ok := r.mode(n, "0600"); ok {
						to.Mode = v
					}
				},
			},
			identityKey("user", "Whom a path belongs to, a name or number. Empty: the user of the process.", nil,
				func(s *socket) *identity { return &s.user }),
			identityKey("group", "The group of a path, a name or number. Empty: the group of the process.", nil,
				func(s *socket) *identity { return &s.group }),
		},
	}
}

// socketKeys are the rows of a process that are about its sockets.
func socketKeys() []key[process] {
	one := &subschema{AnyOf: []*subschema{{Ref: "#/$defs/socket"}, {Type: types{"string"}}}}
	return []key[process]{
		{
			name: "sockets", kind: namesKind("mapping of names to an address", "socket", one, "^[ -9;-~]+$"), def: "{}",
			aka: []string{"socket", "listen", "ports", "fcgi-program", "listenstream"},
			doc: "Sockets that gosup opens before it starts the process, keeps open over restarts and stops, and hands over as descriptors" +
				" 3, 4 and so on with `$LISTEN_FDS`, `$LISTEN_FDNAMES` and `$LISTEN_PID`, as systemd does. All instances share them.",
			set: func(r *reader, n node, to *process) { r.sockets(n, to) },
		},
		boolKey("start_on_connection", "false", "Start it only when somebody connects to one of its `sockets`, or a person starts it.",
			func(p *process) *bool { return &p.onConnection }),
	}
}

// sockets reads a sockets: over that of a process.
func (r *reader) sockets(n node, to *process) {
	all := slices.Clone(to.sockets)
	for _, p := range r.pairs(n, form{"a mapping of names", `such as {http: "tcp://127.0.0.1:8080"}`}) {
		if !spec.DescriptorName(p.key) {
			r.problem(p.at, "is no name of a socket", "printable ASCII characters without a colon, at most 255")
			continue
		}
		i := slices.IndexFunc(all, func(s socket) bool { return s.Name == p.key })
		if i < 0 {
			all = append(all, socket{Socket: spec.Socket{Name: p.key, Mode: 0o600}, given: places{}})
			i = len(all) - 1
		}
		s := &all[i]
		s.at = p.at
		if p.value.mapping() || p.value.null() {
			s.given = maps.Clone(s.given)
			r.tables.socket.read(r, p.value, s, s.given)
		} else {
			r.listen(p.value, s)
		}
		if len(all) > maxSockets {
			r.problem(p.at, fmt.Sprintf("is one socket more than %d", maxSockets), "a process can have so many")
			return
		}
	}
	to.sockets = all
}

// listen reads the address of a socket.
func (r *reader) listen(n node, to *socket) {
	f := form{"the address of a socket", "such as tcp://127.0.0.1:8080, udp://[::1]:53 or unix:///run/web.sock"}
	to.listenAt = n.at
	s, ok := r.str(n, f)
	if !ok {
		return
	}
	network, address, _ := strings.Cut(s, "://")
	switch network {
	case "tcp":
		to.Network = spec.TCP
	case "udp":
		to.Network = spec.UDP
	case "unix":
		to.Network = spec.Unix
		if address == "" || strings.HasPrefix(address, "@") {
			r.wrong(n, f)
			return
		}
		to.Address = absolute(n.at.src.dir, address)
		return
	default:
		r.wrong(n, f)
		return
	}
	to.Address, ok = hostPort(address)
	if !ok {
		f.hint = "write an IP address and a port: 127.0.0.1:8080, [::1]:8080, or :8080 for all addresses"
		r.wrong(n, f)
	}
}

// hostPort brings an IP address with a port into its usual form. All addresses
// of the machine, IPv4 and IPv6, are the host "".
func hostPort(text string) (string, bool) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", false
	}
	if host != "" {
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return "", false
		}
		if host = ip.Unmap().String(); ip == netip.IPv6Unspecified() {
			host = ""
		}
	}
	return net.JoinHostPort(host, strconv.FormatUint(number, 10)), true
}

// sockets returns the sockets of a process.
func (b *builder) sockets(name string, d *process, p pair, user *spec.User) (out []spec.Socket) {
	for _, s := range d.sockets {
		if s.listenAt.src == nil {
			b.r.problem(s.at, "has no address", "such as listen: tcp://127.0.0.1:8080")
			continue
		}
		s.UID, s.GID = -1, -1
		if s.Network == spec.Unix {
			s.UID, s.GID = b.r.owners(&s, user)
		} else {
			s.Mode = 0
			for _, key := range []string{"mode", "user", "group"} {
				if at, ok := s.given[key]; ok {
					b.r.problem(at, "has no effect on "+s.Network.String(), "it is for unix://; remove it")
				}
			}
		}
		if s.Address != "" {
			b.claimSocket(&s, name)
		}
		out = append(out, s.Socket)
	}
	if at, ok := own(d.at, "start_on_connection", p.at.path); ok && d.onConnection && len(d.sockets) == 0 {
		b.r.problem(at, "waits for a connection, and there are no sockets", "give the process sockets")
	}
	if fd := d.readiness; len(out) > 0 && fd != nil && fd.kind == "fd" && fd.fd < firstFD+len(out) {
		b.r.problem(fd.at["fd"], "is the descriptor of a socket", fmt.Sprintf("choose %d or more", firstFD+len(out)))
	}
	return out
}

// owners returns whom the path of a socket is to belong to.
func (r *reader) owners(s *socket, user *spec.User) (uid, gid int) {
	uid, gid = -1, -1
	if user != nil {
		uid, gid = int(user.UID), int(user.GID)
	}
	// A group alone says whose the path is in the end: gosup's user, or the process's.
	u := r.user(&rights{user: s.user, group: s.group})
	switch {
	case u == nil:
	case s.user.text == "":
		gid = int(u.GID)
	default:
		uid, gid = int(u.UID), int(u.GID)
	}
	return uid, gid
}

// claimSocket refuses an address that another process has: connections would
// go to one or the other.
func (b *builder) claimSocket(s *socket, name string) {
	if s.AnyPort() {
		return
	}
	base, address := instanceOf(name), s.String()
	switch owner, taken := b.addresses[address]; {
	case !taken:
		b.addresses[address] = name
	case owner == name:
		b.r.problem(s.listenAt, "is the same address twice", "remove one")
	case instanceOf(owner) != base:
		b.r.problem(s.listenAt, "is an address of "+owner+" already", "only instances of one process share a socket")
	}
}
