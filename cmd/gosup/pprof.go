package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"syscall"
)

// servePprof answers the requests of `go tool pprof` on a unix socket that
// only gosup's own user can open, until the daemon ends. POST /debug/break makes
// the daemon's loop panic: how gosup recovers from a fault of its own can be
// tried by that.
func servePprof(path string, breakLoop func()) (stop func(), err error) {
	runtime.MemProfileRate = 64 << 10
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("POST /debug/break", func(http.ResponseWriter, *http.Request) { breakLoop() })
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		_ = os.Remove(path) // left by a daemon that was killed or replaced
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("--pprof: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("--pprof: %w", err)
	}
	go http.Serve(l, mux) // ends with the listener
	return func() { l.Close() }, nil
}
