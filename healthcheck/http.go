package healthcheck

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"gosup/spec"
)

// The limits of an HTTP probe.
const (
	maxBody      = 64 << 10    // bytes of a body that are read; the rest is not asked for
	maxHead      = 64 << 10    // bytes of an answer before its body
	maxFraming   = 4 * maxBody // bytes that may come with a body, its chunks' framing included
	maxRedirects = 3
	maxInterim   = 5 // 1xx answers before the one that counts
)

// Prober asks. It keeps compiled patterns and buffers between probes and no
// more. The zero value is ready; all methods may be called at once.
type Prober struct {
	readers  sync.Pool // *bufio.Reader
	patterns patterns
}

// HTTP sends one request, following at most three redirects on the same host,
// and judges the answer. In this order: a status in DegradedStatus is
// degraded; one not in Status is unhealthy; a JSON body that says
// {"status":"degraded","reason":"…"} is degraded; a body that Body does not
// match is unhealthy; everything else is healthy. It returns at the latest
// after the timeout, or when ctx is done, and no proxy is used.
func (p *Prober) HTTP(ctx context.Context, probe *spec.HTTPProbe, timeout time.Duration) Result {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r := p.ask(ctx, probe, timeout)
	r.Latency = time.Since(begin)
	return r
}

func (p *Prober) ask(ctx context.Context, probe *spec.HTTPProbe, timeout time.Duration) Result {
	t, err := parseTarget(probe.URL)
	if err != nil {
		return result(Unknown, err.Error())
	}
	method := probe.Method
	for hop := 0; ; hop++ {
		req, err := request(method, t, probe.Headers)
		if err != nil {
			return result(Unknown, err.Error())
		}
		a, err := p.exchange(ctx, t, req, probe.TLSSkipVerify)
		if err != nil {
			return failed(ctx, timeout, err)
		}
		if !a.redirects() || probe.Status.Has(a.status) || probe.DegradedStatus.Has(a.status) {
			return p.judge(probe, a)
		}
		next, why := t.follow(a.location)
		if why == "" && hop == maxRedirects {
			why = "too many redirects"
		}
		if why != "" {
			return result(Unhealthy, fmt.Sprintf("HTTP %d: %s", a.status, why))
		}
		t, method = next, redirectMethod(method, a.status)
	}
}

// request makes the request for t.
func request(method string, t *target, headers []spec.Header) (*http.Request, error) {
	req, err := http.NewRequest(method, t.url.String(), nil)
	if err != nil {
		// The error's text holds the URL, which may hold a password.
		return nil, errors.New("not probed: invalid method or URL")
	}
	req.Close = true
	req.Header.Set("User-Agent", "gosup")
	req.Header.Set("Accept", "*/*")
	if u := t.url.User; u != nil {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	seen := map[string]bool{}
	for _, h := range headers {
		key := http.CanonicalHeaderKey(h.Name)
		switch {
		case key == "Host":
			req.Host = h.Value
		case seen[key]:
			req.Header.Add(key, h.Value)
		default: // ours gives way
			req.Header.Set(key, h.Value)
		}
		seen[key] = true
	}
	return req, nil
}

// exchange opens a connection, sends req and reads what comes back. The
// connection is closed when it returns.
func (p *Prober) exchange(ctx context.Context, t *target, req *http.Request, skipVerify bool) (*answer, error) {
	raw, err := dial(ctx, t.network, t.address)
	if err != nil {
		return nil, err
	}
	// It is this one that is closed, also under TLS: a farewell to a peer that
	// does not read could take seconds.
	defer raw.Close()
	// A context's end wakes whatever the connection waits for. That costs no
	// goroutine unless it happens.
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	conn := raw
	if t.url.Scheme == "https" {
		secure := tls.Client(raw, &tls.Config{ServerName: t.url.Hostname(), InsecureSkipVerify: skipVerify})
		if err := secure.Handshake(); err != nil {
			return nil, &failure{securing, t.address, err}
		}
		conn = secure
	}
	if err := req.Write(conn); err != nil {
		return nil, &failure{waiting, t.address, err}
	}
	return p.receive(conn, t, req)
}

// receive reads the answer, at most maxBody bytes of its body.
func (p *Prober) receive(conn io.Reader, t *target, req *http.Request) (*answer, error) {
	limit := &limitedReader{from: conn, left: maxHead}
	br, ok := p.readers.Get().(*bufio.Reader)
	if !ok {
		br = bufio.NewReader(nil)
	}
	br.Reset(limit)
	defer func() {
		br.Reset(nil)
		p.readers.Put(br)
	}()
	resp, err := http.ReadResponse(br, req)
	for n := 0; err == nil && resp.StatusCode/100 == 1 && resp.StatusCode != http.StatusSwitchingProtocols; n++ {
		if n == maxInterim {
			return nil, &failure{waiting, t.address, errTooLong}
		}
		resp, err = http.ReadResponse(br, req)
	}
	if err != nil {
		return nil, &failure{waiting, t.address, limit.cause(err)}
	}
	limit.left = maxFraming
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, &failure{reading, t.address, limit.cause(err)}
	}
	return &answer{
		status:      resp.StatusCode,
		contentType: resp.Header.Get("Content-Type"),
		location:    resp.Header.Get("Location"),
		body:        body,
	}, nil
}

// redirectMethod is the method of the request that follows a redirect, as
// RFC 9110 section 15.4 has it.
func redirectMethod(method string, status int) string {
	keeps := status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
	if keeps || method == http.MethodHead {
		return method
	}
	return http.MethodGet
}

// limitedReader is an io.LimitedReader that remembers what stopped it.
type limitedReader struct {
	from io.Reader
	left int
	err  error
}

func (l *limitedReader) Read(b []byte) (int, error) {
	if l.left <= 0 {
		l.err = errTooLong
		return 0, l.err
	}
	n, err := l.from.Read(b[:min(len(b), l.left)])
	l.left -= n
	l.err = err
	return n, err
}

// cause returns why reading failed. A parser that was cut off may complain of
// the torn line instead: "malformed HTTP response" for a timeout.
func (l *limitedReader) cause(err error) error {
	if l.err != nil && l.err != io.EOF {
		return l.err
	}
	return err
}

// patterns keeps compiled regexps by their source. A reload brings new ones;
// past maxPatterns all are forgotten, and those in use come back.
type patterns struct {
	mu       sync.Mutex
	compiled map[string]*regexp.Regexp
}

const maxPatterns = 1024

func (p *patterns) compile(source string) (*regexp.Regexp, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if re := p.compiled[source]; re != nil {
		return re, nil
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, err
	}
	if p.compiled == nil || len(p.compiled) == maxPatterns {
		p.compiled = map[string]*regexp.Regexp{}
	}
	// The key is copied: source may be a slice of a whole configuration file.
	p.compiled[strings.Clone(source)] = re
	return re, nil
}
