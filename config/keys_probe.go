package config

import (
	"errors"
	"maps"
	"net"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gosup/policy"
	"gosup/spec"
)

// probe is the http:, exec: and tcp: of what asks how something is, while it
// is read. Which of them is meant, the mapping around it knows.
type probe struct {
	http httpProbe
	exec execProbe
	tcp  tcpProbe
}

type httpProbe struct {
	spec.HTTPProbe
	at places
}

type execProbe struct {
	command  command
	degraded []int
	at       places
}

type tcpProbe struct {
	spec.TCPProbe
	at places
}

// The status codes that HTTP has room for (RFC 9110 section 15).
const firstStatus, lastStatus = 100, 999

func defaultProbe() probe {
	return probe{
		http: httpProbe{
			HTTPProbe: spec.HTTPProbe{Method: "GET", Status: policy.Ranges{{First: 200, Last: 299}}},
			at:        places{},
		},
		exec: execProbe{at: places{}},
		tcp:  tcpProbe{at: places{}},
	}
}

// probeKeys are the rows of every mapping that holds a probe.
func probeKeys() []key[probe] {
	return []key[probe]{
		{
			name: "http", kind: mappingKind("http_probe"), aka: []string{"httpget", "http_get", "url"},
			doc: "Ask by an HTTP request.",
			set: func(r *reader, n node, to *probe) { r.tables.http.read(r, n, &to.http, to.http.at) },
		},
		{
			name: "exec", kind: mappingKind("exec_probe"), aka: []string{"command", "test", "cmd"},
			doc: "Ask by running a command: exit code 0 is healthy.",
			set: func(r *reader, n node, to *probe) { r.tables.exec.read(r, n, &to.exec, to.exec.at) },
		},
		{
			name: "tcp", kind: mappingKind("tcp_probe"), aka: []string{"tcpsocket", "tcp_socket", "port"},
			doc: "Ask by opening a connection.",
			set: func(r *reader, n node, to *probe) { r.tables.tcp.read(r, n, &to.tcp, to.tcp.at) },
		},
	}
}

// lift returns the rows of a part as rows of the whole.
func lift[Part, Whole any](keys []key[Part], part func(*Whole) *Part) []key[Whole] {
	var out []key[Whole]
	for _, k := range keys {
		out = append(out, key[Whole]{
			name: k.name, kind: k.kind, def: k.def, doc: k.doc, aka: k.aka,
			set: func(r *reader, n node, to *Whole) { k.set(r, n, part(to)) },
		})
	}
	return out
}

func httpTable() table[httpProbe] {
	return table[httpProbe]{
		name: "http_probe",
		doc: "One HTTP request. At most 64 KiB of the answer's body are read. Redirects are followed on the same host." +
			" A body with a JSON content type that says `{\"status\":\"degraded\",\"reason\":\"…\"}` is believed.",
		keys: []key[httpProbe]{
			{
				name: "url", kind: stringKind("URL"), aka: []string{"address", "path", "endpoint"},
				doc: "What to ask for: `http://…`, `https://…`, or `unix:///path/of/socket:/path/of/url`.",
				set: func(r *reader, n node, to *httpProbe) {
					if v, ok := r.url(n); ok {
						to.URL = v
					}
				},
			},
			{
				name: "method", kind: literalKind("method", &subschema{Type: types{"string"}}), def: "GET",
				doc: "The method of the request.",
				set: func(r *reader, n node, to *httpProbe) {
					if v, ok := r.method(n); ok {
						to.Method = v
					}
				},
			},
			{
				name: "headers", kind: namesKind("mapping of names to values", "", wordSchema(), "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"), def: "{}",
				doc: "Headers of the request.",
				set: func(r *reader, n node, to *httpProbe) { to.Headers = r.headers(n, to.Headers) },
			},
			rangesKey("status", "200-299", "The status codes of a healthy answer, such as `200-299` or `200,204,300-399`.",
				func(h *httpProbe) *policy.Ranges { return &h.Status }),
			rangesKey("degraded_status", "", "The status codes of a degraded answer; they win over `status`.",
				func(h *httpProbe) *policy.Ranges { return &h.DegradedStatus }),
			patternKey("body", "A regular expression (RE2) that the body of a healthy answer matches.",
				func(h *httpProbe) *string { return &h.Body }),
			boolKey("tls_skip_verify", "false", "Take any certificate of an https server.",
				func(h *httpProbe) *bool { return &h.TLSSkipVerify }),
		},
	}
}

func execTable() table[execProbe] {
	return table[execProbe]{
		name: "exec_probe",
		doc: "One run of a command, as the process's user, in its directory and environment (that of a dependency: as gosup)." +
			" Its last line of output is the reason.",
		keys: []key[execProbe]{
			{
				name: "command", kind: commandKind(), aka: []string{"cmd", "args", "argv", "run"},
				doc: "What to run, as the `command` of a process. No shell is run.",
				set: func(r *reader, n node, to *execProbe) { to.command = r.command(n) },
			},
			{
				name: "degraded_exit_codes", kind: listKind("list of exit codes", intKind(1, 255).schema), def: "[]",
				doc: "The exit codes that mean degraded. 0 is healthy, every other one unhealthy.",
				set: func(r *reader, n node, to *execProbe) {
					if v, ok := r.exitCodes(n, 1); ok {
						to.degraded = v
					}
				},
			},
		},
	}
}

func tcpTable() table[tcpProbe] {
	return table[tcpProbe]{
		name: "tcp_probe",
		doc:  "One connection, which is closed again.",
		keys: []key[tcpProbe]{
			{
				name: "address", kind: stringKind("host:port"), aka: []string{"port", "host", "url"},
				doc: "Where to connect to, such as `127.0.0.1:5432`.",
				set: func(r *reader, n node, to *tcpProbe) {
					if v, ok := r.address(n); ok {
						to.Address = v
					}
				},
			},
		},
	}
}

// url returns what an HTTP probe can ask for.
func (r *reader) url(n node) (string, bool) {
	f := form{"a URL of http, https or unix", "such as http://127.0.0.1:8080/healthz or unix:///run/web.sock:/healthz"}
	s, ok := r.str(n, f)
	if !ok {
		return "", false
	}
	good := false
	if rest, unix := strings.CutPrefix(s, "unix://"); unix {
		socket, path, _ := strings.Cut(rest, ":/")
		_, err := url.Parse("http://localhost/" + path)
		good = err == nil && len(socket) > 1 && (socket[0] == '/' || socket[0] == '@')
		if most := len(syscall.RawSockaddrUnix{}.Path) - 1; good && len(socket) > most {
			r.problem(n.at, "names a socket whose path is "+strconv.Itoa(len(socket))+" bytes long",
				"that of a unix socket may have "+strconv.Itoa(most))
			return "", false
		}
	} else if u, err := url.Parse(s); err == nil {
		good = (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && (u.Port() == "" || isPort(u.Port()))
	}
	if !good {
		r.wrong(n, f)
		return "", false
	}
	return s, true
}

func isPort(s string) bool {
	v, err := strconv.ParseUint(s, 10, 16)
	return err == nil && v > 0
}

// address returns where a TCP probe can connect to.
func (r *reader) address(n node) (string, bool) {
	f := form{"an address", "such as 127.0.0.1:5432"}
	s, ok := r.str(n, f)
	if !ok {
		return "", false
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || !isPort(port) || strings.ContainsAny(host, " \t/") {
		r.wrong(n, f)
		return "", false
	}
	return s, true
}

// token reports whether s is a token of HTTP (RFC 9110 section 5.6.2).
func token(s string) bool {
	const marks = "!#$%&'*+-.^_`|~"
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte(marks, c) < 0 {
			return false
		}
	}
	return s != ""
}

func (r *reader) method(n node) (string, bool) {
	f := form{"a method of HTTP", "such as GET or HEAD"}
	s, ok := r.str(n, f)
	if !ok {
		return "", false
	}
	if !token(s) {
		r.wrong(n, f)
		return "", false
	}
	if upper := strings.ToUpper(s); upper != s {
		r.problem(n.at, "is "+n.describe()+", and methods are in upper case", "write "+upper)
		return "", false
	}
	return s, true
}

// headers returns the headers of base with those of the mapping n over them.
func (r *reader) headers(n node, base []spec.Header) []spec.Header {
	out := slices.Clone(base)
	own := map[string]bool{}
	for _, p := range r.pairs(n, form{"a mapping of headers", "such as {Host: example.org}"}) {
		if !token(p.key) {
			r.problem(p.at, "is no name of a header", "such as Host")
			continue
		}
		name := strings.ToLower(p.key)
		if own[name] {
			r.problem(p.at, "is given twice: the case of its letters does not count", "remove one")
			continue
		}
		own[name] = true
		v, ok := r.text(p.value)
		if !ok {
			continue
		}
		if strings.ContainsFunc(v, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
			r.problem(p.value.at, "holds a control character", "a header is one line")
			continue
		}
		out = slices.DeleteFunc(out, func(h spec.Header) bool { return strings.EqualFold(h.Name, name) })
		out = append(out, spec.Header{Name: p.key, Value: v})
	}
	return out
}

func rangesKey[T any](name, def, doc string, field func(*T) *policy.Ranges) key[T] {
	k := literalKind("status codes", &subschema{Type: types{"string", "integer"}})
	return key[T]{name: name, kind: k, def: def, doc: doc, set: func(r *reader, n node, to *T) {
		f := form{"status codes", "such as 200-299 or 200,204"}
		s, ok := r.scalar(n, f)
		if !ok {
			return
		}
		v, err := policy.ParseRanges(s.text, firstStatus, lastStatus)
		switch {
		case err != nil:
			r.problem(n.at, err.Error(), f.hint)
		case len(v) == 0 && def != "":
			r.problem(n.at, "names no status code", "such as "+def)
		default:
			*field(to) = v
		}
	}}
}

func patternKey[T any](name, doc string, field func(*T) *string) key[T] {
	return key[T]{name: name, kind: stringKind("regular expression"), doc: doc, set: func(r *reader, n node, to *T) {
		if v, ok := r.pattern(n); ok {
			*field(to) = v
		}
	}}
}

// pattern returns the source of a regular expression.
func (r *reader) pattern(n node) (string, bool) {
	s, ok := r.str(n, form{"a regular expression", "put it in single quotes"})
	if !ok {
		return "", false
	}
	_, err := regexp.Compile(s)
	var bad *syntax.Error
	if !errors.As(err, &bad) {
		return s, true
	}
	at, what := n.at, "is no regular expression: "+bad.Code.String()
	if off := strings.Index(n.y.Value, bad.Expr); off >= 0 && bad.Expr != "" {
		at = n.inside(off, len(bad.Expr))
		what += ": " + bad.Expr
	}
	r.problem(at, what, `the syntax is RE2's; in double quotes a \ is written twice`)
	return "", false
}

// periodKey is a duration of at least one.
func periodKey[T any](name, def, doc string, least time.Duration, field func(*T) *time.Duration) key[T] {
	return key[T]{name: name, kind: durationKind(), def: def, doc: doc, set: func(r *reader, n node, to *T) {
		v, ok := r.duration(n)
		switch {
		case ok && v < least:
			r.problem(n.at, "is "+n.describe()+", which is too short", "at least "+short(least))
		case ok:
			*field(to) = v
		}
	}}
}

// probe returns the one probe of a kind; at is the place of its mapping.
func (r *reader) probe(p *probe, kind string, at place) spec.Probe {
	switch kind {
	case "http":
		r.required(p.http.at, "url", at, "such as http://127.0.0.1:8080/healthz")
		v := p.http.HTTPProbe
		return spec.Probe{HTTP: &v}
	case "exec":
		if !r.required(p.exec.at, "command", at, "such as command: [bin/check]") {
			return spec.Probe{}
		}
		return spec.Probe{Exec: &spec.ExecProbe{Argv: r.words(p.exec.command, shellHint), DegradedCodes: p.exec.degraded}}
	case "tcp":
		r.required(p.tcp.at, "address", at, "such as 127.0.0.1:5432")
		v := p.tcp.TCPProbe
		return spec.Probe{TCP: &v}
	}
	return spec.Probe{}
}

// required reports whether a mapping has a key, and records it if not.
func (r *reader) required(keys places, name string, at place, hint string) bool {
	_, ok := keys[name]
	if !ok {
		r.problem(at.key(name), "is missing", hint)
	}
	return ok
}

// clone returns a copy that another layer can be read over.
func (p probe) clone() probe {
	p.http.at, p.exec.at, p.tcp.at = maps.Clone(p.http.at), maps.Clone(p.exec.at), maps.Clone(p.tcp.at)
	return p // its slices are replaced, never changed in place
}

// choose returns which of the keys that exclude each other one layer gives, or
// else the one that a lower layer gave.
func (r *reader) choose(names []string, layer places, before, hint string) string {
	chosen := ""
	for _, name := range names {
		at, ok := layer[name]
		switch {
		case ok && chosen != "":
			r.problem(at, "is given beside "+chosen, hint)
		case ok:
			chosen = name
		}
	}
	if chosen == "" {
		return before
	}
	return chosen
}
