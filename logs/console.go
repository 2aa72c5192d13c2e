package logs

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"gosup/spec"
)

// console writes to the daemon's own stdout and stderr. A goroutine of its own
// does so, since a terminal may be stopped and a pipe be full: then only the
// streams that go to the console wait, in their FIFOs.
type console struct {
	p      *Pump
	files  [2]*os.File // stdout, stderr; nil where there is none
	color  bool
	giveUp time.Duration // how long close waits for a console that takes nothing

	mu      sync.Mutex
	cond    sync.Cond
	queue   []line
	bytes   int
	waiting map[*stream]struct{} // not read until the queue is shorter
	writing bool                 // the goroutine runs
	dead    bool                 // nobody reads it any more
	width   int                  // of the names
	names   map[string]int       // in the order in which they came, for colours
}

// line is what is to be written to one of the files.
type line struct {
	to   int
	data []byte
}

// consoleBytes is how much may wait to be written before streams wait.
const consoleBytes = 1 << 20

// maxWidth is the width beyond which names no longer push lines to the right.
const maxWidth = 24

func newConsole(p *Pump, opt Options) *console {
	c := &console{
		p: p, files: [2]*os.File{opt.Stdout, opt.Stderr}, color: opt.Color,
		giveUp:  closeTimeout,
		waiting: map[*stream]struct{}{}, names: map[string]int{},
	}
	c.cond.L = &c.mu
	return c
}

// welcome makes a process known before its first line, so that all lines of
// the first processes are aligned.
func (c *console) welcome(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.names[name]; !ok {
		c.names[name] = len(c.names)
		c.width = max(c.width, min(len(name), maxWidth))
	}
}

// busy reports whether a stream must wait, in which case it is resumed when it
// need not any more.
func (c *console) busy(s *stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes < consoleBytes || c.dead {
		return false
	}
	c.waiting[s] = struct{}{}
	return true
}

// forget drops a stream that does not go to the console any more, and reports
// whether it waited.
func (c *console) forget(s *stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, waited := c.waiting[s]
	delete(c.waiting, s)
	return waited
}

// holds reports whether a stream waits.
func (c *console) holds(s *stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.waiting[s]
	return ok
}

// print queues what a stream has written, in the stream's console format.
func (c *console) print(s *stream, k *kit, data []byte, now time.Time) {
	if s.con == spec.FormatRaw {
		c.add(s, data)
		return
	}
	encoder := c.encoder(s, now)
	for len(data) > 0 {
		var n cut
		n, k.join = s.conPart.frame(k.output(), k.join, data, math.MaxInt64, true, encoder)
		k.out = n.out
		s.conPart.commit(n)
		c.add(s, n.out)
		data = data[n.used:]
	}
}

// flush queues a line that has no end yet.
func (c *console) flush(s *stream, k *kit, now time.Time) {
	if len(s.conPart.part) == 0 {
		return
	}
	k.out = c.encoder(s, now)(k.output(), s.conPart.part, true)
	s.conPart = framer{}
	c.add(s, k.out)
}

// encoder returns how a stream's lines look on the console.
func (c *console) encoder(s *stream, now time.Time) put {
	if s.con == spec.FormatJSON {
		return s.encoder(spec.FormatJSON, now)
	}
	prefix := c.prefix(s.sink.name)
	return func(out, body []byte, _ bool) []byte {
		out = append(append(out, prefix...), body...)
		return append(out, '\n')
	}
}

// colors are what names are shown in: the six plain ones, then bright.
var colors = []int{36, 33, 32, 35, 34, 31, 96, 93, 92, 95, 94, 91}

// prefix is what stands before each line of a process.
func (c *console) prefix(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	pad := strings.Repeat(" ", max(0, c.width-len(name)))
	if !c.color {
		return name + pad + " | "
	}
	return fmt.Sprintf("\x1b[%dm%s%s |\x1b[0m ", colors[c.names[name]%len(colors)], name, pad)
}

// add queues bytes. Raw stderr goes to stderr, all else to stdout.
func (c *console) add(s *stream, data []byte) {
	to := 0
	if s.con == spec.FormatRaw && s.name == "stderr" {
		to = 1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(data) == 0 || c.dead || c.files[to] == nil {
		return
	}
	c.queue = append(c.queue, line{to, append([]byte(nil), data...)})
	c.bytes += len(data)
	if !c.writing {
		c.writing = true
		go c.write()
	}
}

// write writes what is queued, and ends when that is done.
func (c *console) write() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 && !c.dead {
		batch, size := c.queue, c.bytes
		c.queue = nil
		c.mu.Unlock()
		err := c.writeAll(batch)
		c.mu.Lock()
		c.bytes -= size
		if err != nil {
			c.dead, c.queue, c.bytes = true, nil, 0
			c.p.log.Warn("console not written any more", "err", err)
		}
		c.wakeStreams()
	}
	c.writing = false
	c.cond.Broadcast()
}

// wakeStreams resumes the streams that waited. It must not hold mu meanwhile:
// a stream asks for it with its own lock held.
func (c *console) wakeStreams() {
	if len(c.waiting) == 0 {
		return
	}
	waiting := c.waiting
	c.waiting = map[*stream]struct{}{}
	c.mu.Unlock()
	for s := range waiting {
		s.resume()
	}
	c.mu.Lock()
}

func (c *console) writeAll(batch []line) error {
	var errs error
	for _, l := range batch {
		if _, err := c.files[l.to].Write(l.data); err != nil && l.to == 0 {
			errs = errors.Join(errs, err)
		}
	}
	return errs
}

// close waits until everything is written, or for a moment.
func (c *console) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	late := time.AfterFunc(c.giveUp, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.dead = true
		c.cond.Broadcast()
	})
	defer late.Stop()
	for c.writing && !c.dead {
		c.cond.Wait()
	}
}
