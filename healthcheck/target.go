package healthcheck

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// target is where a request goes.
type target struct {
	network string   // tcp or unix
	address string   // host:port, or the path of a socket
	url     *url.URL // http or https; of http://localhost/… behind a socket
}

var errBadURL = errors.New("not probed: the URL is not http://…, https://… or unix:///path:/url")

// parseTarget reads an HTTPProbe's URL. Its errors do not repeat the URL: it
// may hold a password.
func parseTarget(s string) (*target, error) {
	if rest, ok := strings.CutPrefix(s, "unix://"); ok {
		return parseUnix(rest)
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errBadURL
	}
	return tcpTarget(u), nil
}

// parseUnix reads what follows unix://, the path of a socket (with @ before
// it in the abstract namespace) and after a colon the path of a URL.
func parseUnix(s string) (*target, error) {
	path, ref, found := strings.Cut(s, ":/")
	if path == "" || path[0] != '/' && path[0] != '@' || len(path) == 1 {
		return nil, errBadURL
	}
	if !found {
		path = strings.TrimSuffix(path, ":")
	}
	u, err := url.Parse("http://localhost/" + ref)
	if err != nil {
		return nil, errBadURL
	}
	return &target{network: "unix", address: path, url: u}, nil
}

func tcpTarget(u *url.URL) *target {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return &target{network: "tcp", address: net.JoinHostPort(u.Hostname(), port), url: u}
}

// follow returns where a redirect leads, or why it is not followed: a probe
// asks the host that it was told to ask, and never less securely.
func (t *target) follow(location string) (next *target, why string) {
	u, err := t.url.Parse(location)
	if err != nil {
		return nil, "redirect to an invalid URL"
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, "redirect to scheme " + u.Scheme + " not followed"
	case !strings.EqualFold(u.Hostname(), t.url.Hostname()):
		return nil, "redirect to host " + u.Hostname() + " not followed"
	case t.url.Scheme == "https" && u.Scheme == "http":
		return nil, "redirect from https to http not followed"
	case t.network == "unix" && u.Host != t.url.Host || t.network == "unix" && u.Scheme != "http":
		return nil, "redirect away from the socket not followed"
	}
	u.User = t.url.User
	if t.network == "unix" {
		return &target{network: t.network, address: t.address, url: u}, ""
	}
	return tcpTarget(u), ""
}
