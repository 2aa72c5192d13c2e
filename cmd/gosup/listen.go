package main

import (
	"net"

	"gosup/control"
	"gosup/spec"
)

// port is the TCP address that the daemon listens on, if any, and how what is
// served there is protected.
type port struct {
	listener net.Listener // nil for none
	address  string       // as it is configured; "" for none
	security *control.Security
}

// openPort makes what a definition says of the TCP address. Where that is the
// address of old, its listener is taken over.
func openPort(s spec.Supervisor, old port) (port, error) {
	p := port{listener: old.listener, address: s.Listen, security: &control.Security{}}
	if s.Listen == "" {
		p.listener = nil
		return p, nil
	}
	var err error
	if p.security, err = control.LoadSecurity(s); err != nil {
		return port{}, &exitError{code: exitConfig, err: err}
	}
	if p.listener == nil || old.address != s.Listen {
		p.listener, err = control.ListenTCP(s.Listen)
	}
	return p, err
}

// discard closes what was opened for p and is not used.
func (p port) discard(used port) {
	if p.listener != nil && p.listener != used.listener {
		p.listener.Close()
	}
}

// usePort serves on p from now on, and no longer on what was there before.
func (d *daemon) usePort(p port) {
	old := d.port
	d.port = p
	d.server.Secure(p.security)
	if p.listener != nil && p.listener != old.listener {
		d.log.Info("listen", "address", p.listener.Addr().String())
		go d.servePort(p.listener) // ends with the listener
	}
	old.discard(p)
	if weak := p.security.WeakTokens(); len(weak) > 0 {
		d.log.Warn("tokens_file: short tokens can be guessed (openssl rand -hex 32 makes good ones)", "lines", weak)
	}
}

func (d *daemon) servePort(l net.Listener) {
	if err := d.server.ServeTCP(l); err != nil {
		d.log.Error("listen lost", "err", err)
	}
}
