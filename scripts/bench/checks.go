//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// checksCases measure HTTP checks, one a second of each of n processes: what
// CPU the daemon takes for one, and how evenly they come.
func checksCases(b *bench) []kase {
	var out []kase
	sizes := []int{200, 1000}
	if b.quick {
		sizes = []int{4}
	}
	for i, n := range sizes {
		name := fmt.Sprintf("%s HTTP checks a second", thousands(n))
		out = append(out, kase{
			name: name,
			once: true,
			can:  func(t *tool) bool { return t.checks != nil },
			run:  func(b *bench, t *tool) error { return b.checks(t, name, n, []float64{0.6, 0.4}[i]) },
		})
	}
	return out
}

func (b *bench) checks(t *tool, name string, n int, most float64) error {
	server, err := newServer()
	if err != nil {
		return err
	}
	defer server.close()
	p := place{procs: stampers(n)}
	s, err := b.startWith(t, p, server.checkedBy(t))
	if err != nil {
		return err
	}
	defer s.close()
	// Every process is checked at least twice before anything counts.
	for deadline := now() + 60e9; !server.allSeen(n, 2); pause(5e7) {
		if s.over() || now() > deadline {
			return errors.New("not every process was checked" + s.lastWords())
		}
	}
	server.reset()
	u, seconds, err := watch(s.daemons(), max(b.window(), 3e9))
	if err != nil {
		return err
	}
	hits, gaps := server.result()
	if len(gaps) == 0 {
		return fmt.Errorf("only %d checks came in, none twice for one process", hits)
	}
	b.add(row{name: name + ", daemon CPU for each", unit: "ms", target: target{most: most}}, t.name, float64(u.cpuNS)/1e6/float64(hits))
	b.add(row{name: name + ", checks that came", unit: "/s"}, t.name, float64(hits)/seconds)
	b.add(row{name: name + ", gap of one process's, p99", unit: "ms", target: target{most: 1020}}, t.name, quantile(gaps, 0.99))
	return nil
}

// server answers GET /ID with 200 and remembers when. It is no HTTP server: it
// knows just enough to answer a check, and so takes little from the machine.
type server struct {
	listener net.Listener
	mu       sync.Mutex
	last     map[int]time.Time // by ID
	seen     map[int]int
	gaps     []float64 // in ms
	hits     int
}

func newServer() (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{listener: l}
	s.reset()
	go func() { // ends with the listener
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn) // ends with the connection
		}
	}()
	return s, nil
}

func (s *server) close() { s.listener.Close() }

// serve answers one request after the other until the client has no more.
func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		request, err := r.ReadString('\n')
		if err != nil {
			return
		}
		for line := request; line != "\r\n"; {
			if line, err = r.ReadString('\n'); err != nil {
				return
			}
		}
		fields := strings.Fields(request)
		if len(fields) < 2 {
			return
		}
		if id, err := strconv.Atoi(fields[1][strings.LastIndexByte(fields[1], '/')+1:]); err == nil {
			s.hit(id)
		}
		if _, err := conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")); err != nil {
			return
		}
	}
}

func (s *server) hit(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := time.Now()
	if last, ok := s.last[id]; ok {
		s.gaps = append(s.gaps, float64(at.Sub(last))/1e6)
	}
	s.last[id] = at
	s.seen[id]++
	s.hits++
}

// allSeen reports whether each ID below n was asked for so many times.
func (s *server) allSeen(n, times int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range n {
		if s.seen[id] < times {
			return false
		}
	}
	return true
}

func (s *server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.seen, s.gaps, s.hits = map[int]time.Time{}, map[int]int{}, nil, 0
}

func (s *server) result() (hits int, gapsMS []float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits, s.gaps
}

// checkedBy returns the command that makes the tool check this server.
func (s *server) checkedBy(t *tool) func(*place) (*exec.Cmd, error) {
	return func(p *place) (*exec.Cmd, error) {
		return t.checks(p, "http://"+s.listener.Addr().String()+"/check")
	}
}
