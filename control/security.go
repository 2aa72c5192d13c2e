package control

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"

	"gosup/spec"
)

// Security is how what is served by TCP is protected. The zero value is plain
// text without the API.
type Security struct {
	tls    *tls.Config // nil for plain text
	tokens []secret    // of those who may use the API; none: nobody may
}

// secret is the hash of a token, which all are compared in: so the comparison
// takes as long whatever is compared, and memory holds no secret.
type secret struct {
	hash [sha256.Size]byte
	line int // in the file
	weak bool
}

const (
	maxTokensBytes = 64 << 10
	strongToken    = 16 // characters, from which on a token is not to be guessed
)

// LoadSecurity reads the files that the keys tls and tokens_file name.
func LoadSecurity(s spec.Supervisor) (*Security, error) {
	out := &Security{}
	if s.TLS.Cert != "" {
		config, err := loadTLS(s.TLS)
		if err != nil {
			return nil, err
		}
		out.tls = config
	}
	if s.TokensFile != "" {
		tokens, err := loadTokens(s.TokensFile)
		if err != nil {
			return nil, fmt.Errorf("supervisor.tokens_file: %w", err)
		}
		out.tokens = tokens
	}
	return out, nil
}

// WeakTokens returns the lines of the tokens that are short enough to be
// guessed.
func (s *Security) WeakTokens() (lines []int) {
	for _, t := range s.tokens {
		if t.weak {
			lines = append(lines, t.line)
		}
	}
	return lines
}

func loadTLS(files spec.TLS) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("supervisor.tls: read cert %s and key %s: %w", files.Cert, files.Key, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if files.ClientCA == "" {
		return config, nil
	}
	pem, err := os.ReadFile(files.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("supervisor.tls.client_ca: %w", err)
	}
	config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("supervisor.tls.client_ca: %s holds no certificate in PEM", files.ClientCA)
	}
	return config, nil
}

// loadTokens reads a file of tokens, one a line; empty lines and those that
// begin with # are none.
func loadTokens(path string) ([]secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := checkSecret(f, path); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxTokensBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxTokensBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxTokensBytes)
	}
	var tokens []secret
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		word := strings.TrimSpace(lines.Text())
		switch {
		case word == "", strings.HasPrefix(word, "#"):
		case strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' }):
			return nil, fmt.Errorf("%s:%d: a token has printable ASCII characters, and no space in it", path, n)
		default:
			tokens = append(tokens, secret{hash: sha256.Sum256([]byte(word)), line: n, weak: len(word) < strongToken})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(tokens) == 0 {
		return nil, fmt.Errorf("%s holds no token (openssl rand -hex 32 makes one)", path)
	}
	return tokens, nil
}

// checkSecret refuses a file that others can read or write.
func checkSecret(f *os.File, path string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("others can read or write %s, of mode %04o (chmod 0600 %s)", path, info.Mode().Perm(), path)
	case ok && st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to uid %d (chown it to the user who runs gosup)", path, st.Uid)
	}
	return nil
}

// admit returns the line of the token that a request by TCP for the API has, or
// why it is refused.
func (s *Security) admit(w http.ResponseWriter, r *http.Request) (line int, p *Problem) {
	if r.TLS == nil || s.tls == nil || s.tokens == nil {
		return 0, problemf(CodeNotFound, "set supervisor.tls and supervisor.tokens_file, or use the unix socket",
			"the API is not served on this address")
	}
	scheme, word, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		line = s.find(strings.TrimSpace(word))
	}
	if line == 0 {
		w.Header().Set("WWW-Authenticate", `Bearer realm="gosup"`)
		return 0, problemf(CodeUnauthorized, "send the header Authorization: Bearer TOKEN with one of supervisor.tokens_file",
			"the API needs a token on this address")
	}
	return line, nil
}

// find returns the line of a token, 0 if it is none. However it ends, it looks
// at all of them.
func (s *Security) find(word string) (line int) {
	hash := sha256.Sum256([]byte(word))
	for i := range s.tokens {
		same := subtle.ConstantTimeCompare(hash[:], s.tokens[i].hash[:])
		line = subtle.ConstantTimeSelect(same, s.tokens[i].line, line)
	}
	return line
}

type tokenKey struct{}

// asker names who has sent a request, as events do: "uid 1000", or "token 2
// from 192.0.2.7" for the token of the second line.
func asker(r *http.Request) string {
	who := clientOf(r.Context()).peer.String()
	if line, ok := r.Context().Value(tokenKey{}).(int); ok {
		return fmt.Sprintf("token %d from %s", line, who)
	}
	return who
}

// secureListener encrypts connections as the latest Security says.
type secureListener struct {
	net.Listener
	security *atomic.Pointer[Security]
}

// Accept returns the next client.
func (l *secureListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if config := l.security.Load().tls; config != nil {
		return tls.Server(conn, config), nil
	}
	return conn, nil
}

// ListenTCP opens the TCP address of the key listen.
func ListenTCP(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("supervisor.listen: %s is in use (end what listens there, or name another port)", address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("supervisor.listen: %s needs rights that gosup does not have (name a port above 1023)", address)
	case err != nil:
		return nil, fmt.Errorf("supervisor.listen: %s: %w", address, bare(err))
	}
	return l, nil
}
