package control

import (
	"bufio"
	"encoding/json"
	"net/http"
	"time"
)

// stream writes an answer of JSON lines, one after the other as they come.
// Each write must get on within the write deadline: who does not read for so long is
// let go. Nothing is kept for a slow reader; it reads on from where it was, as
// far as the history still goes back.
type stream struct {
	rc  *http.ResponseController
	buf *bufio.Writer
}

func (s *Server) newStream(w http.ResponseWriter, mediaType string) *stream {
	w.Header().Set("Content-Type", mediaType)
	rc := http.NewResponseController(w)
	return &stream{rc: rc, buf: bufio.NewWriterSize(deadlineWriter{w, rc, s.deadlines.write}, 32<<10)}
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
