package logs

import "sync"

// tailBytes is how much of a run's output is kept for when it crashes.
const tailBytes = 8 << 10

// tail is the last output of the current run. It grows with what is written,
// so that a quiet process costs next to nothing.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// add appends output.
func (t *tail) add(data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(data) >= tailBytes {
		t.buf = append(t.buf[:0], data[len(data)-tailBytes:]...)
		return
	}
	if over := len(t.buf) + len(data) - tailBytes; over > 0 {
		t.buf = t.buf[:copy(t.buf, t.buf[over:])]
	}
	t.buf = append(t.buf, data...)
}

// bytes returns a copy.
func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.buf...)
}

// reset forgets everything.
func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = nil
}
