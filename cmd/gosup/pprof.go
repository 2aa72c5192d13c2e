package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
)

// servePprof answers the requests of `go tool pprof` on a unix socket that
// only gosup's own user can open, until the daemon ends.
func servePprof(path string) (stop func(), err error) {
	runtime.MemProfileRate = 64 << 10
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
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
