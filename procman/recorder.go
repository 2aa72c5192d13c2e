package procman

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"gosup/tree"
)

const (
	// keptCrashes is how many crashes of a process are kept.
	keptCrashes = 10
	// recordPause is the time between two rounds of writing: a storm of crashes
	// costs one file a process and second, and what is passed over in between
	// is older than what is kept.
	recordPause = time.Second
	// maxRecordBytes bounds what is read of a record.
	maxRecordBytes = 1 << 20
)

// recorder is the flight recorder: what was known of the last crashes of each
// process, on disk, so that the evidence outlives the daemon. Writing is done
// on a goroutine of its own; where it is not possible, the records are kept in
// memory.
type recorder struct {
	dir string // "" for none: all stays in memory
	log *slog.Logger

	files sync.Mutex // held while a record moves from pending to its file

	mu      sync.Mutex
	pending map[string][]tree.Crash // not yet written, by process; at most keptCrashes each
	dirty   bool
	lost    bool // it was said that nothing can be written

	wake chan struct{} // buffered by one
	over chan struct{} // closed by close
	done chan struct{} // closed when all is written after that
}

func newRecorder(stateDir string, log *slog.Logger) *recorder {
	r := &recorder{log: log, pending: map[string][]tree.Crash{},
		wake: make(chan struct{}, 1), over: make(chan struct{}), done: make(chan struct{})}
	if stateDir != "" {
		r.dir = filepath.Join(stateDir, "crashes")
	}
	go r.work() // ends with close
	return r
}

// add records a crash. It never waits for a disk.
func (r *recorder) add(c tree.Crash) {
	r.mu.Lock()
	r.pending[c.Process] = last(append(r.pending[c.Process], c))
	r.dirty = true
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// close writes what is left and ends the goroutine.
func (r *recorder) close() {
	close(r.over)
	<-r.done
}

func (r *recorder) work() {
	defer close(r.done)
	for {
		select {
		case <-r.wake:
			r.flush()
		case <-r.over:
			r.flush()
			return
		}
		select {
		case <-time.After(recordPause):
		case <-r.over:
		}
	}
}

// flush writes what is pending.
func (r *recorder) flush() {
	r.mu.Lock()
	names := make([]string, 0, len(r.pending))
	if r.dirty && r.dir != "" {
		for name := range r.pending {
			names = append(names, name)
		}
	}
	r.dirty = false
	r.mu.Unlock()
	for _, name := range names {
		r.flushOne(name)
	}
}

// flushOne writes what is pending of one process; what cannot be written stays.
func (r *recorder) flushOne(name string) {
	r.files.Lock()
	defer r.files.Unlock()
	r.mu.Lock()
	fresh := r.pending[name]
	delete(r.pending, name)
	r.mu.Unlock()
	if err := r.write(name, fresh); err != nil {
		r.mu.Lock()
		r.pending[name] = last(append(fresh, r.pending[name]...))
		r.mu.Unlock()
		r.complain(err)
	}
}

func (r *recorder) complain(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.lost {
		r.lost = true
		r.log.Warn("crash records stay in memory only", slog.Any("err", err))
	}
}

// write puts crashes behind those on disk, all or nothing.
func (r *recorder) write(name string, fresh []tree.Crash) error {
	old, err := r.read(name)
	if err != nil {
		// Unreadable evidence is set aside, not written over.
		_ = os.Rename(r.file(name), r.file(name)+".corrupt")
	}
	data, err := json.Marshal(last(append(old, fresh...)))
	if err != nil {
		return fmt.Errorf("record a crash of %s: %w", name, err)
	}
	file := r.file(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("record a crash: %w", err)
	}
	if err := os.WriteFile(file+".new", data, 0o600); err != nil {
		_ = os.Remove(file + ".new")
		return fmt.Errorf("record a crash: %w", err)
	}
	return os.Rename(file+".new", file)
}

func (r *recorder) file(name string) string {
	return filepath.Join(r.dir, filepath.FromSlash(name)+".json")
}

func (r *recorder) read(name string) ([]tree.Crash, error) {
	if r.dir == "" {
		return nil, nil
	}
	info, err := os.Stat(r.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxRecordBytes {
		return nil, fmt.Errorf("%s is too large for a record", r.file(name))
	}
	data, err := os.ReadFile(r.file(name))
	if err != nil {
		return nil, err
	}
	var crashes []tree.Crash
	if err := json.Unmarshal(data, &crashes); err != nil {
		return nil, fmt.Errorf("%s: %w", r.file(name), err)
	}
	return crashes, nil
}

// last returns the latest of crashes.
func last(crashes []tree.Crash) []tree.Crash {
	if len(crashes) > keptCrashes {
		return slices.Clone(crashes[len(crashes)-keptCrashes:])
	}
	return crashes
}

// Crashes returns what is recorded of the last crashes of a process, oldest
// first. It may wait for a disk.
func (m *Manager) Crashes(name string) ([]tree.Crash, error) {
	m.recorder.files.Lock()
	defer m.recorder.files.Unlock()
	old, err := m.recorder.read(name)
	m.recorder.mu.Lock()
	defer m.recorder.mu.Unlock()
	return last(append(old, m.recorder.pending[name]...)), err
}

// recordCrash adds what only the shell knows of a crash, and records it.
func (o *outfitter) recordCrash(e tree.Crashed) {
	c := e.Crash
	c.Wall = o.m.Wall(c.Exit.At)
	if out := o.sinks[e.Node]; out != nil {
		c.Output = slices.Clone(out.sink.Tail())
	}
	o.m.recorder.add(c)
}
