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
	"time"

	"golang.org/x/sys/unix"
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
}

// Server answers the API.
type Server struct {
	sup       Supervisor
	opts      Options
	deadlines deadlines
	http      *http.Server
	ending    context.CancelFunc // ends what follows and waits
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
	s := &Server{sup: sup, opts: o, deadlines: d, ending: cancel}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: d.header,
		ReadTimeout:       d.read,
		WriteTimeout:      d.write,
		IdleTimeout:       d.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withClient,
	}
	return s
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

// Close stops listening, ends streams and waits, lets what is being answered
// be answered until ctx is over, and then closes all connections.
func (s *Server) Close(ctx context.Context) {
	s.ending()
	if err := s.http.Shutdown(ctx); err != nil {
		s.http.Close()
	}
}

// handler returns the table as a handler, behind the checks that all requests
// share.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range routes() {
		mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) {
			defer s.survive(w, r)
			if err := rt.handle(s, w, r); err != nil {
				s.answerProblem(w, asProblem(err))
			}
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := clientOf(r.Context())
		if p := s.refuse(c, r); p != nil {
			s.answerProblem(w, p)
			return
		}
		if _, pattern := mux.Handler(r); pattern == "" {
			s.answerProblem(w, noRoute(mux, w, r))
			return
		}
		// The body is read before the client counts as one that has asked.
		if err := readBody(w, r); err != nil {
			s.answerProblem(w, asProblem(err))
			return
		}
		c.gate.set(c, asked)
		defer c.gate.set(c, idle)
		mux.ServeHTTP(w, r)
	})
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
