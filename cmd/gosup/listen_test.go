package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// listensOn returns the n-th address that gosup has listened on.
func (s *supervisor) listensOn(n int) string {
	s.t.Helper()
	said := regexp.MustCompile(`msg=listen address=(\S+)`)
	var found [][]string
	if !eventually(func() bool {
		text, _ := os.ReadFile(s.stderr)
		found = said.FindAllStringSubmatch(string(text), n)
		return len(found) == n
	}) {
		s.t.Fatalf("it listens on no %d addresses", n)
	}
	return found[n-1][1]
}

// fetchURL returns the status and the body of an answer; 0 without one.
func fetchURL(c *http.Client, url, token string) (int, string) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

func newHTTPClient(t *testing.T, config *tls.Config) *http.Client {
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func (s *supervisor) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// TestListen: what is served on the TCP address is what runs.
func TestListen(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, `
supervisor: {listen: "127.0.0.1:0"}
processes:
  web: {command: [gosup, demo]}
  job: {command: [gosup, demo, --exit-code, "0", --crash-after, 1ms], type: oneshot}
  later: {command: [gosup, demo], autostart: false}
`)
	s.wait("exited", "job")
	if !eventually(func() bool { return s.log("web") != "" }) {
		t.Fatal("web writes nothing")
	}
	c := newHTTPClient(t, nil)
	base := "http://" + s.listensOn(1)
	var body string
	get := func(path string, want int) func() bool {
		return func() (ok bool) {
			var code int
			code, body = fetchURL(c, base+path, "")
			return code == want
		}
	}
	if !eventually(get("/readyz", 200)) {
		t.Errorf("not ready: %s", body)
	}
	if !get("/livez", 200)() {
		t.Errorf("not alive: %s", body)
	}
	s.act("stop", "web")
	if !get("/readyz", 503)() || body != "web stopped\n" {
		t.Errorf("with a process that was stopped: %s", body)
	}
	if !get("/v1/version", 404)() {
		t.Errorf("the API in plain text: %s", body)
	}
	// What is measured is true within a second.
	want := `gosup_process_exits_total{process="web",cause="stopped"} 1`
	if !eventually(func() bool { return get("/metrics", 200)() && strings.Contains(body, want) }) {
		t.Errorf("no %s in\n%s", want, body)
	}
	for _, want := range []string{
		`gosup_process_state{process="job",state="exited"} 1`, `gosup_process_exits_total{process="job",cause="exited"} 1`,
		`gosup_process_starts_total{process="later"} 0`, "process_resident_memory_bytes ", `gosup_loop_latency_seconds_count `,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if regexp.MustCompile(`gosup_process_log_bytes_total\{process="web"\} 0\n`).MatchString(body) {
		t.Error("the output of web is not counted")
	}
	s.end(syscall.SIGTERM, 0)
	if code, _ := fetchURL(c, base+"/livez", ""); code != 0 {
		t.Errorf("somebody answers after the end: %d", code)
	}
}

// TestListenTaken: an address that somebody has is an error at the start, and
// refuses a reload.
func TestListenTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file := "supervisor: {listen: '" + l.Addr().String() + "'}\nprocesses: {web: {command: [gosup, demo]}}\n"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gosup.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := startProgram(dir, "gosup", os.Environ(), []string{"gosup", "run"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	code, err := p.code()
	said, _ := os.ReadFile(p.stderr)
	want := "gosup: supervisor.listen: " + l.Addr().String() + " is in use (end what listens there, or name another port)\n"
	if err != nil || code != 1 || string(said) != want {
		t.Errorf("exit code %d, %v: %s, want %s", code, err, said, want)
	}
	if _, err := os.Stat(filepath.Join(dir, ".gosup/run/gosup.sock")); err == nil {
		t.Error("the socket was left behind")
	}

	s := startSupervisor(t, "processes: {web: {command: [gosup, demo]}}")
	pid := s.wait("running", "web")[0].PID
	plan := s.rewrite(strings.Replace(file, "web:", "other:", 1))
	if !plan.Rejected || !strings.Contains(strings.Join(plan.Problems, "\n"), "is in use") {
		t.Errorf("a reload to an address that is taken: %+v", plan)
	}
	if now := s.status("web"); now.PID != pid {
		t.Errorf("the refused reload has changed web: %+v", now)
	}
}

// TestListenReload: a reload takes another address, other certificates and
// other tokens.
func TestListenReload(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, "supervisor: {listen: '127.0.0.1:0'}\nprocesses: {web: {command: [gosup, demo]}}\n")
	first := s.listensOn(1)
	cert, key, roots := certificate(t)
	s.write("cert.pem", cert)
	s.write("key.pem", key)
	s.write("tokens", "the-first-token-of-all\n")
	pid := s.wait("running", "web")[0].PID
	reload := func() {
		t.Helper()
		if plan := s.rewrite(`
supervisor: {listen: "localhost:0", tls: {cert: cert.pem, key: key.pem}, tokens_file: tokens}
processes: {web: {command: [gosup, demo]}}
`); plan.Rejected {
			t.Fatalf("%+v", plan)
		}
	}
	reload()
	base := "https://" + s.listensOn(2)
	c := newHTTPClient(t, &tls.Config{RootCAs: roots, ServerName: "example.com"})
	if code, body := fetchURL(newHTTPClient(t, nil), "http://"+first+"/livez", ""); code != 0 {
		t.Errorf("the first address answers: %d %s", code, body)
	}
	if code, body := fetchURL(c, base+"/livez", ""); code != 200 {
		t.Errorf("the second address: %d %s", code, body)
	}
	if code, body := fetchURL(c, base+"/v1/processes", "the-first-token-of-all"); code != 200 || !strings.Contains(body, `"name":"web"`) {
		t.Errorf("the API: %d %s", code, body)
	}
	s.write("tokens", "the-second-token-of-all\n")
	reload()
	if code, _ := fetchURL(c, base+"/v1/version", "the-first-token-of-all"); code != 401 {
		t.Errorf("with a token that is gone: %d", code)
	}
	if code, _ := fetchURL(c, base+"/v1/version", "the-second-token-of-all"); code != 200 {
		t.Errorf("with a new token: %d", code)
	}
	if now := s.status("web"); now.PID != pid {
		t.Errorf("the reloads have restarted web: %+v", now)
	}
}

// certificate returns that of httptest, which is for example.com, in PEM.
func certificate(t *testing.T) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	pair := server.TLS.Certificates[0]
	secret, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), roots
}

// TestHostileByTCP: a crowd by network, that says nothing, half of something or
// far too much, keeps no crashed process down, and no client of the socket out.
// gosup has few descriptors, and the crowd may not have them.
func TestHostileByTCP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const file = `
supervisor: {listen: "127.0.0.1:0"}
processes:
  web: {command: [gosup, demo], restart: {strategy: immediate, max_restarts: unlimited}}
`
	if err := os.WriteFile(filepath.Join(dir, "gosup.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startSupervisorIn(t, dir, []string{"sh", "-c", "ulimit -n 256; exec gosup run"})
	address := s.listensOn(1)
	junk := []string{
		"", "GET /met", "\x16\x03\x01\x02", strings.Repeat("\x00", 100_000), "GET / HTTP/9.9\r\n\r\n",
		"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{",
		"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" + strings.Repeat("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", 100), // whose answers nobody reads
	}
	over := make(chan struct{})
	var crowd sync.WaitGroup
	defer crowd.Wait()
	defer close(over)
	for i := range 100 {
		crowd.Go(func() { // ends with over
			for {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					return
				}
				conn.SetDeadline(time.Now().Add(time.Second))
				io.WriteString(conn, junk[i%len(junk)])
				one := make([]byte, 1)
				conn.Read(one) // until it is let go, or has had enough
				conn.Close()
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	for range 5 {
		before := s.wait("running", "web")[0]
		if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if !eventually(func() bool { now := s.status("web"); return now.Run > before.Run && now.State == "running" }) {
			t.Fatalf("it stays down: %+v", s.status("web"))
		}
	}
	s.end(syscall.SIGTERM, 0)
}
