package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// demoHealth is the answer of /healthz.
type demoHealth struct {
	Status string `json:"status"` // healthy, degraded, unhealthy
	Reason string `json:"reason"`
}

// show makes status the health that /healthz shows from now on.
func (d *demo) show(status string, after time.Duration) {
	d.health.Store(&demoHealth{Status: status, Reason: fmt.Sprintf("told to be %s after %v", status, after)})
	d.say("%s", status)
}

// serve starts the HTTP server of --http. It ends with the process.
func (d *demo) serve() error {
	l, err := d.listener()
	if err != nil {
		return fmt.Errorf("--http: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", d.answerHealth)
	mux.HandleFunc("/error", d.count(http.StatusInternalServerError))
	mux.HandleFunc("/", d.count(http.StatusOK))
	d.say("http on %s", l.Addr())
	d.web = &demoServer{listener: l, ended: make(chan struct{})}
	d.web.Handler, d.web.ConnState = mux, d.web.count
	go func() { // ends when the listener is closed
		defer close(d.web.ended)
		d.web.Serve(l)
	}()
	return nil
}

// demoServer is an HTTP server that can end without losing a request.
type demoServer struct {
	http.Server
	listener net.Listener
	ended    chan struct{}  // closed when nothing more is accepted
	conns    sync.WaitGroup // that were accepted and are not closed
}

func (s *demoServer) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed:
		s.conns.Done()
	}
}

// drainLimit is how long the end of a demo waits for requests that were begun.
const drainLimit = 5 * time.Second

// drain answers what was accepted. What comes now is for who serves the socket
// next. Server.Shutdown would not do: it drops a request that it reads after it
// was called, also on a connection that was accepted before.
func (s *demoServer) drain() {
	if s == nil {
		return
	}
	s.listener.Close()
	s.SetKeepAlivesEnabled(false)
	answered := make(chan struct{})
	go func() { // ends with the demo, at the latest
		<-s.ended
		s.conns.Wait()
		close(answered)
	}()
	select {
	case <-answered:
	case <-time.After(drainLimit):
	}
}

// listener returns what --http names: an address, or a socket that the demo was
// handed.
func (d *demo) listener() (net.Listener, error) {
	name, handed := strings.CutPrefix(d.http, "fd://")
	if !handed {
		return net.Listen("tcp", d.http)
	}
	f := d.handed[name]
	if f == nil {
		return nil, fmt.Errorf("no socket %q was handed over (give the process sockets: {%s: …})", name, name)
	}
	return net.FileListener(f)
}

func (d *demo) answerHealth(w http.ResponseWriter, _ *http.Request) {
	h := d.health.Load()
	w.Header().Set("Content-Type", "application/json")
	if h.Status == "unhealthy" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(h)
}

// count returns the handler that counts a request and answers it with status.
func (d *demo) count(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		n := d.requests.Add(1)
		if status >= http.StatusInternalServerError {
			d.errors.Add(1)
		}
		body := fmt.Sprintf("hello from gosup demo, request %d\n", n)
		// With its length the answer is whole once it is flushed; the end of a
		// chunked one would come after this function.
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		io.WriteString(w, body)
		if n == d.crashAfterRequests {
			// The client has its answer before the demo ends.
			http.NewResponseController(w).Flush()
			close(d.crowded)
		}
	}
}
