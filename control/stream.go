package control

import (
	"bufio"
	"encoding/json"
	"net/http"
	"time"
)

// stream writes an answer of lines, one after the other as they come. Each write must get on within the write deadline: who does not read for so long is
// let go. Nothing is kept for a slow reader; it reads on from where it was, as
// far as the history still goes back. What goes wrong after the beginning is
// told in a trailer.
type stream struct {
	header http.Header
	rc     *http.ResponseController
	buf    *bufio.Writer
}

// problemTrailer is the trailer that holds the problem, as JSON, of a stream
// that ended before its time.
const problemTrailer = "Gosup-Problem"

func (s *Server) newStream(w http.ResponseWriter, mediaType string) *stream {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Trailer", problemTrailer)
	rc := http.NewResponseController(w)
	return &stream{header: w.Header(), rc: rc, buf: bufio.NewWriterSize(deadlineWriter{w, rc, s.deadlines.write}, 32<<10)}
}

// deadlineWriter gives each write a deadline of its own.
type deadlineWriter struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
}

func (d deadlineWriter) Write(b []byte) (int, error) {
	if err := d.rc.SetWriteDeadline(time.Now().Add(d.timeout)); err != nil {
		return 0, err
	}
	return d.w.Write(b)
}

// send adds a line.
func (t *stream) send(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	t.buf.Write(b)
	return t.buf.WriteByte('\n')
}

// flush sends what was added. It also sends the header if nothing was.
func (t *stream) flush() error {
	if err := t.buf.Flush(); err != nil {
		return err
	}
	return t.rc.Flush() // the deadline is that of the last write
}

// fail ends the stream with a problem. If it is that of the connection, nobody
// is left to be told.
func (t *stream) fail(p *Problem) {
	if b, err := json.Marshal(p); err == nil {
		t.header.Set(problemTrailer, string(b))
	}
	t.flush()
}
