package control

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gosup/spec"
)

// authority issues certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = a.issue("ca", template)
	return a
}

// leaf issues a certificate for 127.0.0.1, for servers and clients, and returns
// where it and its key are.
func (a *authority) leaf(name string) spec.TLS {
	a.issue(name, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return spec.TLS{Cert: a.path(name + ".pem"), Key: a.path(name + ".key")}
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) issue(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
	a.write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), 0o600)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// write makes a file and returns where it is.
func (a *authority) write(name, text string, mode os.FileMode) string {
	a.t.Helper()
	if err := os.WriteFile(a.path(name), []byte(text), mode); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Chmod(a.path(name), mode); err != nil {
		a.t.Fatal(err)
	}
	return a.path(name)
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func TestLoadSecurityRefuses(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	good, other := a.leaf("good"), a.leaf("other")
	text := a.write("text", "no PEM", 0o644)
	for _, test := range []struct {
		name string
		set  spec.Supervisor
		want string
	}{
		{"no cert", spec.Supervisor{TLS: spec.TLS{Cert: a.path("none"), Key: good.Key}}, "supervisor.tls: read cert " + a.path("none")},
		{"a key of another", spec.Supervisor{TLS: spec.TLS{Cert: good.Cert, Key: other.Key}}, "does not match"},
		{"no PEM", spec.Supervisor{TLS: spec.TLS{Cert: text, Key: good.Key}}, "PEM"},
		{"no client_ca", spec.Supervisor{TLS: spec.TLS{Cert: good.Cert, Key: good.Key, ClientCA: a.path("none")}}, "supervisor.tls.client_ca: open"},
		{"client_ca is none", spec.Supervisor{TLS: spec.TLS{Cert: good.Cert, Key: good.Key, ClientCA: text}}, "holds no certificate"},
		{"no tokens file", spec.Supervisor{TokensFile: a.path("none")}, "supervisor.tokens_file: open"},
		{"others can read", spec.Supervisor{TokensFile: a.write("group", "secret", 0o640)}, "of mode 0640 (chmod 0600 "},
		{"everybody can read", spec.Supervisor{TokensFile: a.write("world", "secret", 0o604)}, "of mode 0604"},
		{"no token", spec.Supervisor{TokensFile: a.write("empty", "\n# nothing\n \n", 0o600)}, "holds no token (openssl rand -hex 32 makes one)"},
		{"a space", spec.Supervisor{TokensFile: a.write("space", "good\nnot good\n", 0o600)}, ":2: a token has printable"},
		{"too large", spec.Supervisor{TokensFile: a.write("large", strings.Repeat("x\n", 40_000), 0o600)}, "is larger than"},
		{"a folder", spec.Supervisor{TokensFile: a.dir}, "is no regular file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := LoadSecurity(test.set); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	file := a.write("tokens", "# of the deployment\r\n\r\n  a-token-of-good-length  \nshort\n", 0o600)
	s, err := LoadSecurity(spec.Supervisor{TokensFile: file})
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]int{"a-token-of-good-length": 3, "short": 4, "": 0, "Short": 0, "# of the deployment": 0, "shor": 0} {
		if got := s.find(word); got != want {
			t.Errorf("%q is of line %d, want %d", word, got, want)
		}
	}
	if got := s.WeakTokens(); !slices.Equal(got, []int{4}) {
		t.Errorf("weak tokens in lines %v, want 4", got)
	}
}

// What a client meets on a TCP address: the three paths for everybody, and the
// API only encrypted and with a token.
func TestTCP(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	server := a.leaf("server")
	tokens := a.write("tokens", "first-token-of-this-test\nsecond-token-of-this-test\n", 0o600)
	for _, test := range []struct {
		name  string
		set   spec.Supervisor
		open  string // what /livez answers, as status or error
		api   string // what the API answers without a token
		token string // and with one
	}{
		{"plain", spec.Supervisor{}, "200", "404", "404"},
		{"tokens in plain text", spec.Supervisor{TokensFile: tokens}, "200", "404", "404"},
		{"encrypted", spec.Supervisor{TLS: server}, "200", "404", "404"},
		{"encrypted, with tokens", spec.Supervisor{TLS: server, TokensFile: tokens}, "200", "401", "200"},
		{"with certificates of clients", spec.Supervisor{TLS: spec.TLS{Cert: server.Cert, Key: server.Key, ClientCA: a.path("ca.pem")}, TokensFile: tokens},
			"refused", "refused", "refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := serve(t, newFake(running(1, "web")))
			p := w.serveTCP(t, a, test.set)
			for path, want := range map[string]string{
				"/livez": test.open, "/readyz": test.open, "/metrics": test.open,
				"/v1/processes": test.api, "/v1/openapi.json": test.api, "POST /v1/actions/stop": test.api,
			} {
				if got := p.ask(t, path, "", nil); got != want {
					t.Errorf("%s: %s, want %s", path, got, want)
				}
			}
			for _, path := range []string{"/v1/processes", "POST /v1/actions/stop"} {
				if got := p.ask(t, path, "second-token-of-this-test", nil); got != test.token {
					t.Errorf("%s with a token: %s, want %s", path, got, test.token)
				}
				if got := p.ask(t, path, "second-token-of-this-tesT", nil); got != test.api {
					t.Errorf("%s with a wrong token: %s, want %s", path, got, test.api)
				}
			}
		})
	}
}

// With client_ca, who has a certificate of it is served, and needs a token all
// the same.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	a, stranger := newAuthority(t), newAuthority(t)
	server, client, foreign := a.leaf("server"), a.leaf("client"), stranger.leaf("foreign")
	set := spec.Supervisor{TLS: server, TokensFile: a.write("tokens", "a-token-of-this-very-test\n", 0o600)}
	set.TLS.ClientCA = a.path("ca.pem")
	p := serve(t, newFake(running(1, "web"))).serveTCP(t, a, set)
	load := func(files spec.TLS) *tls.Certificate {
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			t.Fatal(err)
		}
		return &pair
	}
	for _, test := range []struct {
		name, path, token string
		cert              *tls.Certificate
		want              string
	}{
		{"open", "/livez", "", load(client), "200"},
		{"no token", "/v1/version", "", load(client), "401"},
		{"token", "/v1/version", "a-token-of-this-very-test", load(client), "200"},
		{"token without certificate", "/v1/version", "a-token-of-this-very-test", nil, "refused"},
		{"of another authority", "/livez", "", load(foreign), "refused"},
	} {
		if got := p.ask(t, test.path, test.token, test.cert); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// What Secure says holds from then on: other tokens, and a connection that was
// made in plain text stays without the API.
func TestSecureAnew(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	w := serve(t, newFake(running(1, "web")))
	p := w.serveTCP(t, a, spec.Supervisor{})
	early := p.dial(t)
	if got := status(t, early, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"); got != "200" {
		t.Fatalf("a plain connection: %s", got)
	}
	first := spec.Supervisor{TLS: a.leaf("first"), TokensFile: a.write("one", "the-first-token-of-all\n", 0o600)}
	p.secure(t, first)
	if got := p.ask(t, "/v1/version", "the-first-token-of-all", nil); got != "200" {
		t.Errorf("with the first token: %s", got)
	}
	if got := status(t, early, "GET /v1/version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer the-first-token-of-all\r\n\r\n"); got != "404" {
		t.Errorf("the API in plain text: %s", got)
	}
	first.TokensFile = a.write("two", "the-second-token-of-all\n", 0o600)
	p.secure(t, first)
	if got := p.ask(t, "/v1/version", "the-first-token-of-all", nil); got != "401" {
		t.Errorf("with a token that is none any more: %s", got)
	}
	if got := p.ask(t, "/v1/version", "the-second-token-of-all", nil); got != "200" {
		t.Errorf("with the second token: %s", got)
	}
}
