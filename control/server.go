package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
)

// deadlines are those of a connection. Who follows or waits is not bound by
// them as long as it reads what it is sent.
type deadlines struct {
	header time.Duration // for the head of a request
	read   time.Duration // for a whole request
	write  time.Duration // for a whole answer, or a part of a stream
	idle   time.Duration // between requests
}

func defaultDeadlines() deadlines {
	return deadlines{header: 5 * time.Second, read: 10 * time.Second, write: 15 * time.Second, idle: 30 * time.Second}
}

// The largest request.
const (
	maxHeaderBytes = 12 << 10 // net/http adds 4 KiB
	maxBodyBytes   = 1 << 20
)

// Options are what a server is told of its surroundings.
type Options struct {
	Version string // of the program
	Access  Access
	Limits  Limits // the zero value: LimitsFor what this process may open
	Log     *slog.Logger

	// Reloader knows the configuration file; nil where there is none.
	Reloader Reloader

	// Upgrader replaces this program; nil where that cannot be.
	Upgrader Upgrader
}

// Server answers the API.
type Server struct {
	sup       Supervisor
	opts      Options
	deadlines deadlines
	http      *http.Server             // on the unix socket
	remote    *http.Server             // on TCP
	security  atomic.Pointer[Security] // of that
	pace      *rate.Limiter            // of the requests there
	strangers atomic.Uint64            // requests for the API there without a token that is known
	pulse     pulse                    // the last of /livez
	page      page                     // the last of /metrics
	listing   listing                  // of all processes
	ending    context.CancelFunc       // ends what follows and waits
}

// NewServer returns a server that serves nothing yet.
func NewServer(sup Supervisor, o Options) *Server {
	return newServer(sup, o, defaultDeadlines())
}

func newServer(sup Supervisor, o Options, d deadlines) *Server {
	if o.Limits == (Limits{}) {
		var files unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) != nil {
			files.Cur = 1024 // what POSIX systems give at the least in practice
		}
		o.Limits = LimitsFor(files.Cur)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{sup: sup, opts: o, deadlines: d, ending: cancel, pace: rate.NewLimiter(requestPace, requestPace/5)}
	s.security.Store(&Security{})
	handler := s.handler()
	s.http, s.remote = s.server(ctx, handler), s.server(ctx, handler)
	return s
}

// server returns an HTTP server with all limits of a connection. It speaks
// HTTP/1.1 alone: a connection then is one request at a time.
func (s *Server) server(ctx context.Context, h http.Handler) *http.Server {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Server{
		Handler:           h,
		Protocols:         &http1,
		ReadHeaderTimeout: s.deadlines.header,
		ReadTimeout:       s.deadlines.read,
		WriteTimeout:      s.deadlines.write,
		IdleTimeout:       s.deadlines.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withClient,
	}
}

// Serve answers those who connect to l, which is a listener of unix sockets,
// until Close. It returns nil after Close.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(newGate(l, s.opts.Access, s.opts.Limits))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the API: %w", err)
}

// ServeTCP answers those who connect to l, a listener of TCP, until Close or
// until l is closed; then it returns nil. Its clients have places of their own.
// They are served what is open to everybody, and the API as Secure says.
func (s *Server) ServeTCP(l net.Listener) error {
	err := s.remote.Serve(&secureListener{Listener: newRemoteGate(l, s.opts.Limits.remote()), security: &s.security})
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", l.Addr(), err)
}

// Secure says how those who connect by TCP are served from now on. The API is
// not served to a connection that was made before, unless it is encrypted.
func (s *Server) Secure(security *Security) { s.security.Store(security) }

// Close stops listening, ends streams and waits, lets what is being answered
// be answered until ctx is over, and then closes all connections.
func (s *Server) Close(ctx context.Context) {
	s.ending()
	for _, h := range []*http.Server{s.remote, s.http} {
		if err := h.Shutdown(ctx); err != nil {
			h.Close()
		}
	}
}

// handler returns the table as a handler, behind the checks that all requests
// share.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	needs := map[string]access{}
	for _, rt := range routes() {
		needs[rt.method+" "+rt.path] = rt.access
		mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) {
			defer s.survive(w, r)
			if err := rt.handle(s, w, r); err != nil {
				s.answerProblem(w, asProblem(err))
			}
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := clientOf(r.Context())
		_, pattern := mux.Handler(r)
		p := s.refuse(c, r)
		if p == nil && pattern == "" {
			p = noRoute(mux, w, r)
		}
		if p == nil && needs[pattern] != open {
			if r, p = s.enter(c, w, r); p == nil {
				c.gate.set(c, asked)
				defer c.gate.set(c, idle)
			}
		}
		if p != nil {
			s.answerProblem(w, p)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// enter returns a request for the API with what is known of who asks, and its
// body read: before that a client counts as one that has sent no request. Of
// what is open to everybody no body is read.
func (s *Server) enter(c *client, w http.ResponseWriter, r *http.Request) (*http.Request, *Problem) {
	if c.peer.remote() {
		token, p := s.security.Load().admit(w, r)
		if p != nil {
			if p.Code == CodeUnauthorized {
				s.strangers.Add(1)
			}
			return r, p
		}
		r = r.WithContext(context.WithValue(r.Context(), tokenKey{}, token))
	}
	if err := readBody(w, r); err != nil {
		return r, asProblem(err)
	}
	return r, nil
}

// survive keeps a mistake of ours in one answer from ending more than that.
func (s *Server) survive(w http.ResponseWriter, r *http.Request) {
	if p := recover(); p != nil {
		s.opts.Log.Error("a request has broken its handler", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
		s.answerProblem(w, problemf(CodeFailed, "gosup's log says more; please report it", "gosup has made a mistake: %v", p))
	}
}

// refuse returns why a request is not even looked at.
func (s *Server) refuse(c *client, r *http.Request) *Problem {
	if c.peer.remote() && s.pace.Wait(r.Context()) != nil {
		return problemf(CodeBusy, "ask again later", "too many requests")
	}
	if c.stranger {
		return problemf(CodeForbidden, "ask as root, as uid "+fmt.Sprint(s.opts.Access.UID)+" or as a member of socket_group",
			"uid %d may not talk to this gosup", c.peer.UID)
	}
	if r.Header.Get("Origin") != "" {
		return problemf(CodeForbidden, "", "requests of web pages (with an Origin header) are refused")
	}
	return nil
}

// noRoute says what is wrong with a method and path that no route has.
func noRoute(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) *Problem {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return problemf(CodeNotFound, "", "the API has no %s", r.URL.Path)
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	p := problemf(CodeBadRequest, "", "%s takes %s, not %s", r.URL.Path, strings.Join(allowed, " or "), r.Method)
	p.Status, p.Title = http.StatusMethodNotAllowed, http.StatusText(http.StatusMethodNotAllowed)
	return p
}

// readBody reads the whole body, at most maxBodyBytes of it.
func readBody(w http.ResponseWriter, r *http.Request) error {
	if r.Body == http.NoBody {
		return nil
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		return problemf(CodeBadRequest, "", "read the request: %s", err)
	}
	r.Body = io.NopCloser(strings.NewReader(string(b)))
	return nil
}

// decode reads the JSON of a request into v. Unknown keys are refused, so that
// a misspelt one does not go unnoticed.
func decode(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty")
		}
		return problemf(CodeBadRequest, "", "the body of the request: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return problemf(CodeBadRequest, "", "the body of the request: something follows the JSON object")
	}
	return nil
}

// answer writes v as JSON.
func (s *Server) answer(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.write(w, http.StatusOK, "application/json", b)
	return nil
}

func (s *Server) answerProblem(w http.ResponseWriter, p *Problem) {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers: cannot be
	}
	s.write(w, p.Status, "application/problem+json", b)
}

// write sends a whole answer. An error is the client's: nobody is left to be
// told.
func (s *Server) write(w http.ResponseWriter, status int, mediaType string, b []byte) {
	b = append(b, '\n')
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if s.begin(w, status, mediaType) {
		w.Write(b)
	}
}

// begin sends the head of an answer. However long the answer was waited for,
// its deadline begins now. It returns false if the client is gone.
func (s *Server) begin(w http.ResponseWriter, status int, mediaType string) bool {
	w.Header().Set("Content-Type", mediaType)
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.deadlines.write)); err != nil {
		return false
	}
	w.WriteHeader(status)
	return true
}

// cannedAnswer is the whole answer to a request that is not read.
func cannedAnswer(p *Problem) []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // as above
	}
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		p.Status, p.Title, len(b), b)
}
