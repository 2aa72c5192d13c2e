package control

import (
	"testing"
)

func TestAccess(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		access Access
		peer   Peer
		want   bool
	}{
		{"root", Access{UID: 1000, GID: -1}, Peer{UID: 0}, true},
		{"the user", Access{UID: 1000, GID: -1}, Peer{UID: 1000}, true},
		{"another", Access{UID: 1000, GID: -1}, Peer{UID: 1001, Groups: []uint32{0, 1000}}, false},
		{"member by primary group", Access{UID: 1000, GID: 50}, Peer{UID: 1001, Groups: []uint32{50}}, true},
		{"member by supplementary group", Access{UID: 1000, GID: 50}, Peer{UID: 1001, Groups: []uint32{7, 8, 50}}, true},
		{"no member", Access{UID: 1000, GID: 50}, Peer{UID: 1001, Groups: []uint32{51}}, false},
		{"no group is not group -1", Access{UID: 1000, GID: -1}, Peer{UID: 1001, Groups: []uint32{1<<32 - 1}}, false},
	} {
		if got := test.access.allows(test.peer); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestGateAdmit(t *testing.T) {
	t.Parallel()
	limits := Limits{Clients: 8, PerUID: 4, Root: 2, Stranger: 1}
	// A place is written as the letter of its user (r is root, s a stranger)
	// and, where it is not idle, its merit.
	for _, test := range []struct {
		name   string
		places string
		comes  byte
		want   string
	}{
		{"room", "a b", 'a', "a b a"},
		{"own idle one goes first", "b aA a aL a", 'a', "b aA aL a a"},
		{"then the own one that is answered", "b aA aL aA aA", 'a', "b aL aA aA a"},
		{"own places are all kept", "aL aL aL aL", 'a', ""},
		{"another has room", "aL aL aL aL", 'b', "aL aL aL aL b"},
		{"places of root are kept", "aA aA a b b b", 'c', "aA aA b b b c"},
		{"root takes them", "aA aA a b b b", 'r', "aA aA a b b b r"},
		{"root displaces others", "rL rL rL a b b b b", 'r', "rL rL rL b b b b r"},
		{"root is refused where all is kept", "rL rL rL rL aL aL bL bL", 'r', ""},
		{"stranger displaces a stranger", "a s", 's', "a s"},
		{"strangers take no places of others", "aA aA a b b b", 's', "aA aA a b b b s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := &gate{limits: limits}
			for i := 0; i < len(test.places); i++ {
				switch p := test.places[i]; p {
				case ' ':
				case 'A':
					g.clients[len(g.clients)-1].merit = asked
				case 'L':
					g.clients[len(g.clients)-1].merit = long
				default:
					g.clients = append(g.clients, newcomer(p))
				}
			}
			_, ok := g.admit(newcomer(test.comes))
			if want := test.want != ""; ok != want {
				t.Fatalf("let in: %v, want %v", ok, want)
			}
			if got := places(g); ok && got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func newcomer(letter byte) *client {
	c := &client{peer: Peer{UID: uint32(letter)}, stranger: letter == 's'}
	if letter == 'r' {
		c.peer.UID = 0
	}
	return c
}

func places(g *gate) string {
	text := ""
	for _, c := range g.clients {
		letter := string(rune(c.peer.UID))
		if c.peer.UID == 0 {
			letter = "r"
		}
		text += " " + letter + [...]string{idle: "", asked: "A", long: "L"}[c.merit]
	}
	return text[1:]
}

func TestGateLong(t *testing.T) {
	t.Parallel()
	g := &gate{limits: Limits{Clients: 16, PerUID: 8, Root: 2}}
	taken := func(letter byte) (n int) {
		for range 20 {
			c := newcomer(letter)
			g.clients = append(g.clients, c)
			if g.set(c, long) == nil {
				n++
			}
		}
		return n
	}
	if n := taken('a'); n != 4 {
		t.Errorf("one user stays with %d, want half of its 8", n)
	}
	if n := taken('b'); n != 2 {
		t.Errorf("all others stay with %d, want 2: half of 16, without those of root, less the 4 taken", n)
	}
	if n := taken('r'); n != 2 {
		t.Errorf("root stays with %d, want the 2 that are left of half of 16", n)
	}
}
