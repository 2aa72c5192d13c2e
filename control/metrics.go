package control

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"weak"

	"gosup/tree"
)

// metrics answers with the measurements of gosup and of what it supervises, in
// the text format of Prometheus.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) error {
	text := s.page.get(s.measure) // others are being sent the same one: it must not be changed
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	if s.begin(w, http.StatusOK, "text/plain; version=0.0.4; charset=utf-8") {
		w.Write(text)
	}
	return nil
}

// page is the last answer of /metrics. Whoever asks within a second has the
// same one, and meanwhile nobody makes another: so however many ask, one
// goroutine works, and those who read slowly hold one text. It is held weakly,
// since that of a thousand processes is some megabytes that may go as soon as
// nobody writes them.
type page struct {
	mu   sync.Mutex
	at   time.Time
	text weak.Pointer[[]byte]
}

// pageAge is how old an answer of /metrics may be.
const pageAge = time.Second

func (p *page) get(measure func() []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if text := p.text.Value(); text != nil && time.Since(p.at) < pageAge {
		return *text
	}
	text := measure()
	p.at, p.text = time.Now(), weak.Make(&text)
	return text
}

// scrape is one round of measuring.
type scrape struct {
	s     *Server
	snap  *tree.Snapshot
	names []string // a label for each node of it
	clock clock
	out   bytes.Buffer
}

// bytesPerNode is what a process without checks takes in the answer, and a bit:
// a buffer that has to grow to that size leaves three times as much garbage.
const bytesPerNode = 2 << 10

// measure returns all families, one after the other.
func (s *Server) measure() []byte {
	m := &scrape{s: s, clock: s.withUsage()}
	m.snap = s.sup.Snapshot()
	m.names = named(m.snap)
	m.out.Grow(len(m.snap.Nodes) * bytesPerNode)
	for _, f := range families() {
		if f.each == nil {
			continue // it is in one of the blocks below
		}
		told := false
		f.each(m, func(labels, more string, value float64) {
			if !told {
				m.describe(f)
				told = true
			}
			m.sample(f.name, labels, more, value)
		})
	}
	var block bytes.Buffer
	s.sup.WriteMeasured(&block)
	m.include(block.String())
	return m.out.Bytes()
}

func (m *scrape) describe(f family) {
	m.out.WriteString("# HELP " + f.name + " " + f.help + "\n# TYPE " + f.name + " " + f.kind + "\n")
}

func (m *scrape) sample(name, labels, more string, value float64) {
	m.out.WriteString(name)
	if labels != "" {
		m.out.WriteByte('{')
		m.out.WriteString(labels)
		if more != "" {
			m.out.WriteByte(',')
			m.out.WriteString(more)
		}
		m.out.WriteByte('}')
	}
	m.out.WriteByte(' ')
	m.out.Write(strconv.AppendFloat(m.out.AvailableBuffer(), value, 'g', -1, 64))
	m.out.WriteByte('\n')
}

// include adds the samples of a block that others have written, with the
// families that they belong to. What belongs to none is left out.
func (m *scrape) include(block string) {
	known := map[string]family{}
	for _, f := range families() {
		if f.each == nil {
			known[f.name] = f
		}
	}
	last := ""
	for line := range strings.Lines(block) {
		name, _, _ := strings.Cut(strings.ReplaceAll(line, "{", " "), " ")
		f, ok := known[name]
		if !ok {
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				if whole, cut := strings.CutSuffix(name, part); cut {
					f, ok = known[whole]
				}
			}
		}
		if !ok {
			continue
		}
		if f.name != last {
			m.describe(f)
			last = f.name
		}
		m.out.WriteString(line)
	}
}

// label returns a label of a sample, escaped as the text format wants it.
func label(name, value string) string {
	if strings.ContainsAny(value, "\\\"\n") {
		value = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value)
	}
	return name + `="` + value + `"`
}
