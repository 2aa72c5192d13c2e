package healthcheck

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gosup/policy"
	"gosup/spec"
)

// within returns a context that ends after d, and with the test.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// get is a probe as a file without further keys gives it.
func get(url string) *spec.HTTPProbe {
	return &spec.HTTPProbe{URL: url, Method: "GET", Status: policy.Ranges{{First: 200, Last: 299}}}
}

func check(t *testing.T, got Result, verdict Verdict, reason string) {
	t.Helper()
	if got.Verdict != verdict || got.Reason != reason {
		t.Errorf("got %s %q, want %s %q", got.Verdict, got.Reason, verdict, reason)
	}
	if got.Latency <= 0 {
		t.Errorf("latency %v", got.Latency)
	}
}

func TestHTTPJudgesAnswers(t *testing.T) {
	t.Parallel()
	plain, jsonType := "text/plain; charset=utf-8", "application/json"
	tests := []struct {
		name        string
		status      int
		contentType string
		body        string
		probe       func(*spec.HTTPProbe)
		verdict     Verdict
		reason      string
	}{
		{name: "ok", status: 200, verdict: Healthy},
		{name: "last of the range", status: 299, verdict: Healthy},
		{name: "no content", status: 204, verdict: Healthy},
		{name: "unavailable", status: 503, verdict: Unhealthy, reason: "HTTP 503 Service Unavailable"},
		{name: "its plain text says why", status: 503, contentType: plain, body: "db is down\nstack\n",
			verdict: Unhealthy, reason: "HTTP 503 Service Unavailable: db is down"},
		{name: "its JSON says why", status: 500, contentType: jsonType, body: `{"reason":"no disk"}`,
			verdict: Unhealthy, reason: "HTTP 500 Internal Server Error: no disk"},
		{name: "HTML says nothing", status: 404, contentType: "text/html", body: "<h1>no</h1>",
			verdict: Unhealthy, reason: "HTTP 404 Not Found"},
		{name: "unheard-of status", status: 799, verdict: Unhealthy, reason: "HTTP 799"},
		{name: "several ranges", status: 304, verdict: Healthy, probe: func(p *spec.HTTPProbe) {
			p.Status = policy.Ranges{{First: 200, Last: 200}, {First: 204, Last: 204}, {First: 300, Last: 399}}
		}},
		{name: "outside of them", status: 201, verdict: Unhealthy, reason: "HTTP 201 Created", probe: func(p *spec.HTTPProbe) {
			p.Status = policy.Ranges{{First: 200, Last: 200}, {First: 204, Last: 204}}
		}},
		{name: "degraded by status", status: 429, verdict: Degraded, reason: "HTTP 429 Too Many Requests",
			probe: func(p *spec.HTTPProbe) { p.DegradedStatus = policy.Ranges{{First: 429, Last: 429}} }},
		{name: "degraded within the healthy range", status: 203, verdict: Degraded,
			reason: "HTTP 203 Non-Authoritative Information",
			probe:  func(p *spec.HTTPProbe) { p.DegradedStatus = policy.Ranges{{First: 203, Last: 203}} }},
		{name: "degraded by itself", status: 200, contentType: "application/json; charset=utf-8",
			body: `{"status":"degraded","reason":"queue is long"}`, verdict: Degraded, reason: "queue is long"},
		{name: "degraded by itself, says no more", status: 200, contentType: "application/health+json",
			body: `{"status":"degraded","reason":7}`, verdict: Degraded, reason: "reported by itself"},
		{name: "the same as text is not believed", status: 200, contentType: plain,
			body: `{"status":"degraded"}`, verdict: Healthy},
		{name: "broken JSON", status: 200, contentType: jsonType, body: `{"status":"degraded"`, verdict: Healthy},
		{name: "JSON of another shape", status: 200, contentType: jsonType, body: `["degraded"]`, verdict: Healthy},
		{name: "a bad status is worse than its JSON", status: 503, contentType: jsonType,
			body: `{"status":"degraded","reason":"slow"}`, verdict: Unhealthy, reason: "HTTP 503 Service Unavailable: slow"},
		{name: "body matches", status: 200, body: "all is well", verdict: Healthy,
			probe: func(p *spec.HTTPProbe) { p.Body = `\bwell$` }},
		{name: "body does not match", status: 200, body: "all is ill", verdict: Unhealthy, reason: `body does not match \bwell$`,
			probe: func(p *spec.HTTPProbe) { p.Body = `\bwell$` }},
		{name: "pattern is none", status: 200, verdict: Unknown, reason: "not probed: body: error parsing regexp: missing closing ): `(`",
			probe: func(p *spec.HTTPProbe) { p.Body = `(` }},
		{name: "reason is cleaned", status: 200, contentType: jsonType,
			body: `{"status":"degraded","reason":"\u001b[2J\nboo"}`, verdict: Degraded, reason: "\ufffd[2J boo"},
		{name: "HEAD", status: 200, verdict: Healthy, probe: func(p *spec.HTTPProbe) { p.Method = "HEAD" }},
	}
	var p Prober
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.contentType != "" {
					w.Header().Set("Content-Type", tt.contentType)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer srv.Close()
			probe := get(srv.URL + "/healthz")
			if tt.probe != nil {
				tt.probe(probe)
			}
			check(t, p.HTTP(t.Context(), probe, 10*time.Second), tt.verdict, tt.reason)
		})
	}
}

func TestHTTPSendsWhatItIsTold(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	t.Setenv("ALL_PROXY", "http://127.0.0.1:1")
	got := make(chan *http.Request, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got <- r }))
	defer srv.Close()
	probe := get(strings.Replace(srv.URL, "//", "//ann:s3cret@", 1) + "/a%20b?q=1")
	probe.Method = "POST"
	probe.Headers = []spec.Header{
		{Name: "host", Value: "example.org"}, {Name: "User-Agent", Value: "probe"},
		{Name: "X-Key", Value: "1"}, {Name: "x-key", Value: "2"}, {Name: "X-Bad", Value: "a\r\nX-Forged: b"},
	}
	var p Prober
	check(t, p.HTTP(t.Context(), probe, 10*time.Second), Healthy, "")
	r := <-got
	line := fmt.Sprintf("%s %s %s %s %s %v", r.Method, r.RequestURI, r.Proto, r.Host, r.UserAgent(), r.Header["X-Key"])
	if want := "POST /a%20b?q=1 HTTP/1.1 example.org probe [1 2]"; line != want {
		t.Errorf("got %q, want %q", line, want)
	}
	if user, password, _ := r.BasicAuth(); user != "ann" || password != "s3cret" {
		t.Errorf("got user %q, password %q", user, password)
	}
	if !r.Close {
		t.Error("the connection was not asked to close")
	}
	if r.Header.Get("X-Forged") != "" {
		t.Error("a header's value smuggled another header")
	}
}

func TestHTTPRedirects(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	defer srv.Close()
	to := func(path, location string, status int) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(status)
		})
	}
	methods := make(chan string, 1)
	mux.HandleFunc("/end", func(w http.ResponseWriter, r *http.Request) { methods <- r.Method })
	to("/relative", "end", 302)
	to("/absolute", srv.URL+"/end", 301)
	to("/keep", "/end", 307)
	to("/chain", "/relative", 303)
	to("/loop", "/loop", 302)
	to("/away", "http://ann:s3cret@example.com/x", 302)
	to("/scheme", "file:///etc/passwd", 302)
	to("/bad", "http://[::1", 302)
	mux.HandleFunc("/nowhere", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(302) })

	tests := []struct {
		path, method string
		verdict      Verdict
		reason       string
		arrives      string
	}{
		{"/relative", "GET", Healthy, "", "GET"},
		{"/absolute", "HEAD", Healthy, "", "HEAD"},
		{"/relative", "POST", Healthy, "", "GET"},
		{"/keep", "POST", Healthy, "", "POST"},
		{"/chain", "GET", Healthy, "", "GET"},
		{"/loop", "GET", Unhealthy, "HTTP 302: too many redirects", ""},
		{"/away", "GET", Unhealthy, "HTTP 302: redirect to host example.com not followed", ""},
		{"/scheme", "GET", Unhealthy, "HTTP 302: redirect to scheme file not followed", ""},
		{"/bad", "GET", Unhealthy, "HTTP 302: redirect to an invalid URL", ""},
		{"/nowhere", "GET", Unhealthy, "HTTP 302 Found", ""},
	}
	var p Prober
	for _, tt := range tests {
		t.Run(tt.method+tt.path, func(t *testing.T) {
			probe := get(srv.URL + tt.path)
			probe.Method = tt.method
			check(t, p.HTTP(t.Context(), probe, 10*time.Second), tt.verdict, tt.reason)
			if tt.arrives != "" {
				if got := <-methods; got != tt.arrives {
					t.Errorf("arrived by %s, want %s", got, tt.arrives)
				}
			}
		})
	}
	expected := get(srv.URL + "/away")
	expected.Status = policy.Ranges{{First: 200, Last: 399}}
	check(t, p.HTTP(t.Context(), expected, 10*time.Second), Healthy, "")
}

func TestFollowNeverGoesLessSecurely(t *testing.T) {
	t.Parallel()
	tests := []struct{ from, location, address, why string }{
		{"http://h/", "https://h/x", "h:443", ""},
		{"http://h:8080/a/b", "../c", "h:8080", ""},
		{"http://H/", "http://h/x", "h:80", ""},
		{"https://h/", "http://h/x", "", "redirect from https to http not followed"},
		{"http://h/", "//other/x", "", "redirect to host other not followed"},
		{"unix:///s:/a", "/b", "/s", ""},
		{"unix:///s:/a", "http://localhost/b", "/s", ""},
		{"unix:///s:/a", "http://localhost:22/b", "", "redirect away from the socket not followed"},
		{"unix:///s:/a", "https://localhost/b", "", "redirect away from the socket not followed"},
	}
	for _, tt := range tests {
		from, err := parseTarget(tt.from)
		if err != nil {
			t.Fatal(err)
		}
		next, why := from.follow(tt.location)
		if why != tt.why {
			t.Errorf("%s to %s: got %q, want %q", tt.from, tt.location, why, tt.why)
		}
		if next != nil && (next.address != tt.address || next.network != from.network) {
			t.Errorf("%s to %s: leads to %s %s, want %s", tt.from, tt.location, next.network, next.address, tt.address)
		}
	}
}

func TestHTTPOverUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	abstract, err := net.Listen("unix", "@gosup-test-"+filepath.Base(filepath.Dir(path))+t.Name())
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s asked for %s", r.Host, r.RequestURI)
	})}
	defer srv.Close()
	go srv.Serve(l)        // ends by srv.Close
	go srv.Serve(abstract) // the same
	var p Prober
	for url, body := range map[string]string{
		"unix://" + path + ":/healthz?x=:/":                  `^localhost asked for /healthz\?x=:/$`,
		"unix://" + path:                                     `^localhost asked for /$`,
		"unix://" + abstract.Addr().String() + ":/healthz":   `^localhost asked for /healthz$`,
		"unix://" + abstract.Addr().String() + ":/a%20b/c:/": `^localhost asked for /a%20b/c:/$`,
	} {
		probe := get(url)
		probe.Body = body
		check(t, p.HTTP(t.Context(), probe, 10*time.Second), Healthy, "")
	}
	gone := path + ".gone"
	check(t, p.HTTP(t.Context(), get("unix://"+gone+":/"), 10*time.Second), Unhealthy, gone+": no such file or directory")
}

func TestHTTPOverTLS(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	plain := httptest.NewServer(srv.Config.Handler)
	defer plain.Close()

	var p Prober
	check(t, p.HTTP(t.Context(), get(srv.URL), 10*time.Second), Unhealthy,
		"tls: failed to verify certificate: x509: certificate signed by unknown authority")
	probe := get(srv.URL)
	probe.TLSSkipVerify = true
	check(t, p.HTTP(t.Context(), probe, 10*time.Second), Healthy, "")
	check(t, p.HTTP(t.Context(), get(strings.Replace(plain.URL, "http:", "https:", 1)), 10*time.Second), Unhealthy,
		"tls: first record does not look like a TLS handshake")
	if got := p.HTTP(t.Context(), get(strings.Replace(srv.URL, "https:", "http:", 1)), 10*time.Second); got.Verdict != Unhealthy {
		t.Errorf("plain HTTP to a TLS port: %+v", got)
	}
}

func TestParseTargetRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "http://", "ftp://h/", "127.0.0.1:80", "unix://", "unix://x", "unix:///", "unix://@",
		"http://u:s3cret@h:x/", "http://[::1/", "unix:///s:/%zz", "://"} {
		got, err := parseTarget(s)
		if err == nil {
			t.Errorf("parseTarget(%q) = %+v, want an error", s, got)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("parseTarget(%q): the error tells a password: %v", s, err)
		}
	}
	var p Prober
	got := p.HTTP(t.Context(), get("http://u:s3cret@h:x/"), time.Second)
	check(t, got, Unknown, errBadURL.Error())
	bad := get("http://u:s3cret@127.0.0.1:1/")
	bad.Method = "G T"
	check(t, p.HTTP(t.Context(), bad, time.Second), Unknown, "not probed: invalid method or URL")
}

func TestPatternsAreBounded(t *testing.T) {
	t.Parallel()
	var p patterns
	for i := range 3 * maxPatterns {
		if _, err := p.compile(fmt.Sprint("x", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p.compiled); n > maxPatterns {
		t.Errorf("%d patterns kept", n)
	}
	a, _ := p.compile("same")
	if b, _ := p.compile("same"); a != b {
		t.Error("a pattern was compiled twice")
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	f.Add([]byte("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 503 No\r\nContent-Type: application/json\r\n\r\n{\"status\":\"degraded\"}"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: \x1b]0;x\x07\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p Prober
		probe := get("http://127.0.0.1/")
		probe.Body = "o+k"
		to, _ := parseTarget(probe.URL)
		req, err := request("GET", to, nil)
		if err != nil {
			t.Fatal(err)
		}
		var r Result
		a, err := p.receive(strings.NewReader(string(data)), to, req)
		if err != nil {
			r = failed(context.Background(), time.Second, err)
		} else {
			if len(a.body) > maxBody {
				t.Errorf("%d bytes of body kept", len(a.body))
			}
			r = p.judge(probe, a)
		}
		if utf8.RuneCountInString(r.Reason) > maxReason || spec.Line(r.Reason, maxReason) != r.Reason {
			t.Errorf("unclean reason %q", r.Reason)
		}
		if r.Verdict == Unknown || r.Verdict != Healthy && r.Reason == "" {
			t.Errorf("got %+v", r)
		}
	})
}

// serve answers every connection with speak until the test ends. Speak gets
// the connection after the request's head was read; it is closed after it.
func serve(t testing.TB, speak func(net.Conn)) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends when the listener is closed
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with speak, which the closing of the connection ends
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					speak(conn)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/"
}
