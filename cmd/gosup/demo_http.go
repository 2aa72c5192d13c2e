package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
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
	l, err := net.Listen("tcp", d.http)
	if err != nil {
		return fmt.Errorf("--http: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", d.answerHealth)
	mux.HandleFunc("/error", d.count(http.StatusInternalServerError))
	mux.HandleFunc("/", d.count(http.StatusOK))
	d.say("http on %s", l.Addr())
	go http.Serve(l, mux)
	return nil
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
