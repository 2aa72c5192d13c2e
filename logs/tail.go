package logs

import "sync"

// tailBytes is how much of a run's output is kept for when it crashes.
const tailBytes = 8 << 10

// tail is the last output of the current run. It grows with what is written,
// so that a quiet process costs next to nothing.
type tail struct {
	mu      sync.Mutex
	buf     []byte
	total   uint64 // bytes ever added
	readers map[*follower]struct{}
}

// add appends output.
func (t *tail) add(data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total += uint64(len(data))
	for one := range t.readers {
		one.tell(false)
	}
	if len(data) >= tailBytes {
		t.buf = append(t.buf[:0], data[len(data)-tailBytes:]...)
		return
	}
	if over := len(t.buf) + len(data) - tailBytes; over > 0 {
		t.buf = t.buf[:copy(t.buf, t.buf[over:])]
	}
	t.buf = append(t.buf, data...)
}

// addLast is add for n bytes of which only the last are at hand: those that were
// before them are not kept.
func (t *tail) addLast(last []byte, n int) {
	t.mu.Lock()
	t.total += uint64(n - len(last))
	if n > len(last) {
		t.buf = t.buf[:0]
	}
	t.mu.Unlock()
	t.add(last)
}

// bytes returns a copy.
func (t *tail) bytes() []byte {
	data, _ := t.after(0)
	return data
}

// after returns a copy of what was added after the first pos bytes ever, as
// far as it is still there, and how many bytes that makes.
func (t *tail) after(pos uint64) ([]byte, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(t.total-pos, uint64(len(t.buf)))
	return append([]byte(nil), t.buf[uint64(len(t.buf))-n:]...), t.total
}

// end tells followers that a run has ended.
func (t *tail) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for one := range t.readers {
		one.tell(true)
	}
}

// follow has a follower told of what is added from now on, and returns what
// there is and how much was added before.
func (t *tail) follow(f *follower) ([]byte, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.readers == nil {
		t.readers = map[*follower]struct{}{}
	}
	t.readers[f] = struct{}{}
	return append([]byte(nil), t.buf...), t.total
}

func (t *tail) unfollow(f *follower) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.readers, f)
}

// reset forgets everything.
func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = nil
}
