package procman

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gosup/journal"
	"gosup/spec"
	"gosup/tree"
)

const (
	// Before each saving is a pause, which is the longer the longer the last one
	// took: a storm of crashes is not written thousands of times a second, and a
	// restart, which is several changes, has the machine for itself. What people
	// decide does not wait for it.
	minPause   = 10 * time.Millisecond
	maxPause   = time.Second
	pauseShare = 20 // a pause is so many times as long as the saving before it
	// historyBytes is how large the file of the history becomes before it is put
	// aside; the one that was put aside before is removed then.
	historyBytes = 4 << 20
)

// saver keeps on disk what the next daemon is to know: the state of the tree
// and the history. It has a goroutine of its own, so a slow disk holds up nobody;
// one that is full, read-only or broken costs the memory of the past, and is
// tried again with the next change.
//
// The state is written to a new file, which then takes the name of the old one,
// so whoever reads it finds one of the two whole. What people have decided is
// on the disk itself by then (fsync(2)); the rest outlives the daemon, and after
// a crash of the machine it is void anyway.
type saver struct {
	m    *Manager
	dir  string // "" for none: nothing is kept
	base journal.State

	mu      sync.Mutex
	latest  *moment
	scaled  map[string]journal.Scale
	offered uint64 // how often there was something new
	written uint64 // the latest that is on the disk, or cannot be brought there
	bell    bell   // rings with written

	wake   chan struct{} // buffered by one
	urgent chan struct{} // the same, and is not to wait
	quiet  chan struct{} // the same: memory is to be given back
	over   chan struct{} // closed by close
	done   chan struct{} // closed when all is written after that

	// What follows belongs to the goroutine.
	encoder journal.Saver
	sums    map[string]journal.Definition
	summed  *spec.Tree
	seq     uint64   // of the last note that is written
	file    *os.File // of the history; nil until it is needed
	size    int64
	lost    bool // it was said that nothing can be written
}

// moment is what there is to save.
type moment struct {
	image *tree.Image
	tree  *spec.Tree
	last  bool // the daemon ends in order
}

func newSaver(m *Manager, p *Past, id, dir string) *saver {
	s := &saver{
		m: m, dir: dir, base: journal.State{Supervisor: id, Boot: p.boot},
		scaled: p.Scaled(), sums: map[string]journal.Definition{}, seq: m.history.last(),
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), quiet: make(chan struct{}, 1),
		over: make(chan struct{}), done: make(chan struct{}),
	}
	if p.state != nil {
		maps.Copy(s.sums, p.state.Processes)
	}
	go s.work() // ends with close
	return s
}

// offer gives the saver the latest state of the tree. The loop calls it; it
// never waits.
func (s *saver) offer(image *tree.Image, t *spec.Tree, urgent, last bool) {
	s.mu.Lock()
	s.latest = &moment{image, t, last}
	s.offered++
	s.mu.Unlock()
	if urgent {
		ring(s.urgent)
	}
	ring(s.wake)
}

// ring fills a channel that is buffered by one.
func ring(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// SaveScaled keeps how many instances of processes people want.
func (m *Manager) SaveScaled(scaled map[string]journal.Scale) {
	m.saver.mu.Lock()
	m.saver.scaled = maps.Clone(scaled)
	m.saver.mu.Unlock()
	ring(m.saver.urgent)
	ring(m.saver.wake)
}

// saveLimit is how long people wait for a disk.
const saveLimit = time.Second

// await returns once all that was offered is written, or tried, but not after
// saveLimit.
func (s *saver) await(ctx context.Context) {
	if s.dir == "" {
		return
	}
	s.mu.Lock()
	want := s.offered
	s.mu.Unlock()
	late := time.NewTimer(saveLimit)
	defer late.Stop()
	for {
		rung := s.bell.next()
		s.mu.Lock()
		done := s.written >= want
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-rung:
		case <-late.C:
			return
		case <-s.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// close writes what is left and ends the goroutine. It waits for at most ctx.
func (s *saver) close(ctx context.Context) {
	close(s.over)
	select {
	case <-s.done:
	case <-ctx.Done():
	}
}

func (s *saver) work() {
	defer close(s.done)
	pause := minPause
	for {
		select {
		case <-s.wake:
		case <-s.quiet:
			s.forget()
			trim()
			continue
		case <-s.over:
			s.save(true)
			if s.file != nil {
				s.file.Close()
			}
			return
		}
		durable := false
		select {
		case <-time.After(pause):
		case <-s.urgent:
			durable = true
		case <-s.over:
		}
		begin := time.Now()
		s.save(durable)
		pause = min(max(minPause, pauseShare*time.Since(begin)), maxPause)
	}
}

// save writes what is new.
func (s *saver) save(durable bool) {
	if s.dir == "" {
		return
	}
	s.mu.Lock()
	offered := s.offered
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.written = offered
		s.mu.Unlock()
		s.bell.ring()
	}()
	err := errors.Join(s.saveHistory(), s.saveState(durable))
	switch {
	case err != nil && !s.lost:
		s.m.log.Warn("state is not saved: what people decide, and the history, end with this gosup", slog.Any("err", err))
	case err == nil && s.lost:
		s.m.log.Info("state is saved again")
	}
	s.lost = err != nil
}

func (s *saver) saveState(durable bool) error {
	s.mu.Lock()
	now, scaled := s.latest, s.scaled
	s.mu.Unlock()
	if now == nil {
		return nil
	}
	data, err := s.encoder.Encode(s.compose(now, scaled))
	if err != nil || data == nil {
		return err
	}
	if err := writeWhole(stateFile(s.dir), data, durable); err != nil {
		s.encoder = journal.Saver{} // what it thinks is written is not
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

// compose returns what there is to save.
func (s *saver) compose(now *moment, scaled map[string]journal.Scale) *journal.State {
	s.sum(now)
	state := s.base
	state.Orderly, state.Wall, state.Scaled, state.Processes, state.Image = now.last, s.m.Wall(now.image.At), scaled, s.sums, now.image
	return &state
}

// state encodes a moment for who goes on with it. It is called after close.
func (s *saver) state(now *moment) ([]byte, error) {
	var e journal.Saver
	s.mu.Lock()
	scaled := s.scaled
	s.mu.Unlock()
	return e.Encode(s.compose(now, scaled))
}

// rehearse encodes what there is to save, while the saver works.
func (s *saver) rehearse() ([]byte, error) {
	s.mu.Lock()
	now := s.latest
	s.mu.Unlock()
	if now == nil {
		return nil, errors.New("gosup has only just started")
	}
	state := s.base
	state.Wall, state.Image = s.m.Wall(now.image.At), now.image
	var e journal.Saver
	return e.Encode(&state)
}

// sum keeps the sums of the definitions up to date. What is no longer defined
// is kept for as long as the tree has it.
func (s *saver) sum(now *moment) {
	if s.summed == now.tree {
		return
	}
	s.summed = now.tree
	sums := map[string]journal.Definition{}
	for _, n := range now.image.Nodes {
		if d, ok := s.sums[n.Name]; ok {
			sums[n.Name] = d
		}
	}
	for _, p := range now.tree.Processes() {
		sums[p.Name] = journal.DefinitionOf(p, s.base.Supervisor)
	}
	s.sums = sums
}

// forget drops what only makes the next saving faster.
func (s *saver) forget() {
	s.encoder.Forget()
	if s.summed != nil {
		for _, p := range s.summed.Processes() {
			delete(s.sums, p.Name)
		}
		s.summed = nil
	}
}

// writeWhole puts data in the place of a file: who opens it finds the old one or
// the new one, whole.
func writeWhole(file string, data []byte, durable bool) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o711); err != nil {
		return err
	}
	name := file + ".new"
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(data)
	if err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(name)
		return err
	}
	return os.Rename(name, file)
}

func historyFile(dir string) string { return filepath.Join(dir, "events") }

// readHistory returns the notes that are kept on disk, as many as memory has
// room for.
func (p *Past) readHistory(dir string, c clock) (notes []tree.Noted) {
	if dir == "" {
		return nil
	}
	for _, file := range []string{historyFile(dir) + ".1", historyFile(dir)} {
		data, err := readOwn(file, 2*historyBytes)
		if err != nil {
			continue
		}
		more, _ := journal.ReadHistory(bytes.NewReader(data), historySize/2, c.at)
		for _, n := range more {
			if len(notes) == 0 || n.Seq > notes[len(notes)-1].Seq {
				notes = append(notes, n)
			}
		}
	}
	return notes[max(0, len(notes)-historySize/2):]
}

// saveHistory appends the notes that are new.
func (s *saver) saveHistory() error {
	notes, _ := s.m.Events(s.seq)
	if len(notes) == 0 {
		return nil
	}
	var lines []byte
	for i := range notes {
		var err error
		if lines, err = journal.AppendNote(lines, &notes[i]); err != nil {
			return err
		}
	}
	if err := s.openHistory(); err != nil {
		return fmt.Errorf("save history: %w", err)
	}
	n, err := s.file.Write(lines)
	s.size += int64(n)
	if err != nil {
		// Half a line is cut off, or it would spoil the next one.
		s.size -= int64(n)
		_ = s.file.Truncate(s.size)
		return fmt.Errorf("save history: %w", err)
	}
	s.seq = notes[len(notes)-1].Seq
	return nil
}

// openHistory opens the file of the history where it is not open, and begins a
// new one where it has become too large.
func (s *saver) openHistory() error {
	file := historyFile(s.dir)
	if s.file != nil && s.size >= historyBytes {
		s.file.Close()
		s.file = nil
		if err := os.Rename(file, file+".1"); err != nil {
			return err
		}
	}
	if s.file != nil {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o711); err != nil {
		return err
	}
	if _, err := readOwn(file, 2*historyBytes); err != nil && !errors.Is(err, fs.ErrNotExist) {
		setAside(file)
	}
	fd, err := unix.Open(file, unix.O_RDWR|unix.O_CREAT|unix.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: file, Err: err}
	}
	f := os.NewFile(uintptr(fd), file)
	size, err := wholeLines(f)
	if err != nil {
		f.Close()
		return err
	}
	s.file, s.size = f, size
	return nil
}

// wholeLines cuts half a line off the end of a file, left by a daemon that was
// killed, and returns its size.
func wholeLines(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size()
	tail := make([]byte, min(size, 1<<20))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
		return 0, err
	}
	whole := size - int64(len(tail)) + int64(bytes.LastIndexByte(tail, '\n')+1)
	if whole == size {
		return size, nil
	}
	return whole, f.Truncate(whole)
}
