package config

import (
	"net"
	"strings"

	"gosup/spec"
)

func tlsTable() table[spec.TLS] {
	return table[spec.TLS]{
		name: "tls",
		doc: "The files, in PEM, by which `listen` is encrypted. They are read again by each reload. On the command line they are" +
			" `--tls-cert` and so on, in the environment `GOSUP_TLS_CERT`.",
		keys: []key[spec.TLS]{
			optionalPathKey("cert", "The certificate that `listen` shows, followed by those between it and its root.",
				func(t *spec.TLS) *string { return &t.Cert }),
			optionalPathKey("key", "The private key of that certificate.",
				func(t *spec.TLS) *string { return &t.Key }),
			optionalPathKey("client_ca", "The certificates of those who issue certificates to clients. With it nobody is served on"+
				" `listen` who has none of these.",
				func(t *spec.TLS) *string { return &t.ClientCA }),
		},
	}
}

func listenKey() key[supervisor] {
	return key[supervisor]{
		name: "listen", kind: stringKind("host:port"), def: `""`, aka: []string{"address", "inet_http_server", "bind", "port", "metrics"},
		doc: "The TCP address of `/livez`, `/readyz` and `/metrics`, such as `127.0.0.1:9900`, or `:9900` for all addresses of the" +
			" machine. Empty: none.",
		set: func(r *reader, n node, to *supervisor) {
			if v, ok := r.listenAddress(n); ok {
				to.Listen = v
			}
		},
	}
}

// listenAddress returns one that can be listened on, or "".
func (r *reader) listenAddress(n node) (string, bool) {
	f := form{"an address to listen on", "such as 127.0.0.1:9900, or :9900 for all of the machine"}
	s, ok := r.str(n, f)
	if !ok || s == "" {
		return "", ok
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || port != "0" && !isPort(port) || strings.ContainsAny(host, " \t/") {
		r.wrong(n, f)
		return "", false
	}
	return s, true
}

// optionalPathKey is like pathKey, but for a path that may be "".
func optionalPathKey[T any](name, doc string, field func(*T) *string) key[T] {
	return key[T]{name: name, kind: stringKind("path"), def: `""`, doc: doc, set: func(r *reader, n node, to *T) {
		v, ok := r.str(n, form{"a path", `write "" for none`})
		switch {
		case ok && v == "":
			*field(to) = ""
		case ok:
			*field(to) = absolute(n.at.src.dir, v)
		}
	}}
}

// checkListen looks at what the keys about the TCP address mean together.
func (r *reader) checkListen(s *supervisor) {
	t := s.TLS
	switch {
	case t.Cert != "" && t.Key == "":
		r.problem(s.tlsAt["cert"], "has no key beside it", "set tls.key to the file of its private key")
	case t.Key != "" && t.Cert == "":
		r.problem(s.tlsAt["key"], "has no cert beside it", "set tls.cert to the file of its certificate")
	case t.ClientCA != "" && t.Cert == "":
		r.problem(s.tlsAt["client_ca"], "has no cert beside it", "set tls.cert and tls.key: without them nothing is encrypted")
	case s.Listen == "" && t.Cert != "":
		r.warning(s.tlsAt["cert"], "changes nothing without listen", "set supervisor.listen, or remove tls")
	case s.Listen == "" && s.TokensFile != "":
		r.warning(s.at["tokens_file"], "changes nothing without listen", "set supervisor.listen, or remove it")
	case s.TokensFile != "" && t.Cert == "":
		r.warning(s.at["tokens_file"], "changes nothing without tls: the API is not served in plain text", "set supervisor.tls, or remove it")
	}
}
