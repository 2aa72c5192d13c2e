package control

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"

	"golang.org/x/time/rate"
)

// Access says who is let in.
type Access struct {
	UID int // the user who runs the daemon; root always is let in
	GID int // members of this group too; -1: no group
}

func (a Access) allows(p Peer) bool {
	return p.UID == 0 || int64(p.UID) == int64(a.UID) ||
		a.GID >= 0 && slices.Contains(p.Groups, uint32(a.GID))
}

// Limits bounds what clients can take. LimitsFor makes them.
type Limits struct {
	Clients  int // connections in all
	PerUID   int // of them for one user other than root, or for one address
	Root     int // of them for root alone
	Stranger int // beside them, for those who are told that they are not let in
	Execs    int // connections that have a command executed, each with descriptors of its own
}

// LimitsFor returns the limits for a process that may have so many open files:
// an eighth of them is for clients, and never more than 512.
func LimitsFor(openFiles uint64) Limits {
	n := int(min(max(openFiles/8, 32), 512))
	return Limits{Clients: n, PerUID: n / 2, Root: max(n/16, 4), Stranger: 4, Execs: n / 8}
}

// remote returns the limits of the TCP address: beside those of the socket, so
// that nobody who comes from there takes a place of those who are let in here.
func (l Limits) remote() Limits {
	n := max(l.Clients/4, 16)
	return Limits{Clients: n, PerUID: n / 2}
}

// What is taken by TCP in a second. What a handshake costs, or a request, times
// this, is what a flood of them can cost. The rest waits its turn.
const (
	remotePace  = 200 // connections
	requestPace = 500 // requests
)

// gate is a listener that lets in no more clients than the limits allow.
//
// A request that is answered at once never has to wait for a place: the client
// that came first among those who hold one for no good reason (they have sent
// no whole request yet, or do not read their answer) loses its place to the
// newcomer. So a crowd of half-open connections only ever displaces itself.
// Followers and waiters, who stay for long with good reason, keep their place,
// but may take no more than half of the places.
type gate struct {
	net.Listener
	who    func(net.Conn) (Peer, error)
	lets   func(Peer) bool // in; the others are told that they are not
	limits Limits
	pace   *rate.Limiter // of accepting; nil for none
	busy   []byte        // the answer to whom there is no place for; none for nil

	mu      sync.Mutex
	clients []*client // in the order of arrival
}

// client is a connection that was let in.
type client struct {
	net.Conn
	gate     *gate
	peer     Peer
	stranger bool
	once     sync.Once

	merit merit // guarded by gate.mu
	exec  bool  // has a command executed; guarded by gate.mu
}

// merit is how well a client deserves its place.
type merit uint8

const (
	idle  merit = iota // has sent no whole request
	asked              // is being answered
	long               // follows or waits: keeps its place
)

// newGate returns the gate of a unix socket.
func newGate(l net.Listener, a Access, limits Limits) *gate {
	busy := problemf(CodeBusy, "end some gosup ctl that follows or waits", "too many clients")
	return &gate{Listener: l, who: localPeer, lets: a.allows, limits: limits, busy: cannedAnswer(busy)}
}

// newRemoteGate returns the gate of a TCP address.
func newRemoteGate(l net.Listener, limits Limits) *gate {
	return &gate{
		Listener: l, who: remotePeer, lets: func(Peer) bool { return true }, limits: limits,
		pace: rate.NewLimiter(remotePace, limits.Clients),
	}
}

// Accept returns the next client for whom there is a place.
func (g *gate) Accept() (net.Conn, error) {
	for {
		if g.pace != nil {
			_ = g.pace.Wait(context.Background()) // it only fails with the context
		}
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer, err := g.who(conn)
		if err != nil {
			conn.Close() // it is gone already
			continue
		}
		c := &client{Conn: conn, gate: g, peer: peer, stranger: !g.lets(peer)}
		displaced, ok := g.admit(c)
		if displaced != nil {
			displaced.Close()
		}
		if ok {
			return c, nil
		}
		// It fits into the empty buffer of the socket: nobody has to read it.
		if g.busy != nil {
			conn.Write(g.busy)
		}
		conn.Close()
	}
}

// admit gives c a place, if need be that of another, and reports whether it
// could.
func (g *gate) admit(c *client) (displaced *client, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rivals, most := g.rivals(c)
	if g.count(rivals) >= most {
		at := func(m merit) int {
			return slices.IndexFunc(g.clients, func(o *client) bool { return rivals(o) && o.merit == m })
		}
		i := at(idle)
		if i < 0 {
			i = at(asked)
		}
		if i < 0 {
			return nil, false
		}
		displaced = g.clients[i]
		g.clients = slices.Delete(g.clients, i, i+1)
	}
	g.clients = append(g.clients, c)
	return displaced, true
}

// rivals returns with whom c shares the limit that binds it, and that limit.
func (g *gate) rivals(c *client) (func(*client) bool, int) {
	strangers := func(o *client) bool { return o.stranger }
	sameUser := func(o *client) bool { return !o.stranger && o.peer.owner() == c.peer.owner() }
	others := func(o *client) bool { return !o.stranger && o.peer.UID != 0 }
	all := func(o *client) bool { return !o.stranger }
	switch {
	case c.stranger:
		return strangers, g.limits.Stranger
	case c.peer.UID != 0 && g.count(sameUser) >= g.limits.PerUID:
		return sameUser, g.limits.PerUID
	case c.peer.UID != 0 && g.count(others) >= g.limits.Clients-g.limits.Root:
		return others, g.limits.Clients - g.limits.Root
	default:
		return all, g.limits.Clients
	}
}

func (g *gate) count(of func(*client) bool) (n int) {
	for _, c := range g.clients {
		if of(c) {
			n++
		}
	}
	return n
}

// set changes how well c deserves its place. The error is a *Problem: half of
// the places are kept from those who stay long.
func (g *gate) set(c *client, m merit) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m == long && !g.longAllowed(c) {
		return problemf(CodeBusy, "end some of them", "too many clients follow or wait")
	}
	c.merit = m
	return nil
}

func (g *gate) longAllowed(c *client) bool {
	all := g.count(func(o *client) bool { return o.merit == long })
	if c.peer.UID == 0 {
		return all < g.limits.Clients/2
	}
	mine := g.count(func(o *client) bool { return o.merit == long && o.peer.owner() == c.peer.owner() })
	return all < g.limits.Clients/2-g.limits.Root && mine < g.limits.PerUID/2
}

// executes lets a client have a command executed, until executed. The error is a
// *Problem: there are too many already. Root has as many again for itself.
func (g *gate) executes(c *client) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	root := c.peer.UID == 0
	if g.count(func(o *client) bool { return o.exec && (o.peer.UID == 0) == root }) >= g.limits.Execs {
		return problemf(CodeBusy, "end some of them", "too many commands are being executed")
	}
	c.exec = true
	return nil
}

func (g *gate) executed(c *client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.exec = false
}

// Close gives the place back.
func (c *client) Close() error {
	c.once.Do(func() {
		g := c.gate
		g.mu.Lock()
		defer g.mu.Unlock()
		if i := slices.Index(g.clients, c); i >= 0 {
			g.clients = slices.Delete(g.clients, i, i+1)
		}
	})
	return c.Conn.Close()
}

type clientKey struct{}

// withClient is the ConnContext of the server.
func withClient(ctx context.Context, conn net.Conn) context.Context {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	return context.WithValue(ctx, clientKey{}, conn)
}

func clientOf(ctx context.Context) *client { return ctx.Value(clientKey{}).(*client) }
