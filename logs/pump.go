package logs

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"gosup/spec"
)

// Options is what a pump needs to know of the daemon.
type Options struct {
	RuntimeDir string       // FIFOs live in its folder "fifo"; "" for none: pipes are used instead
	Stdout     *os.File     // the console, and what `output: inherit` hands on
	Stderr     *os.File     // the same for stderr
	Color      bool         // whether names on the console are coloured
	Logger     *slog.Logger // nil for none
}

// Pump carries the output of all processes to its destinations.
type Pump struct {
	opt        Options
	log        *slog.Logger
	fifoDir    string      // "" for none
	ledger     *ledger     // nil where there is none
	fresh      atomic.Bool // no FIFO was left by an earlier daemon or a closed sink
	poll       *poller
	kits       kitPool
	console    *console
	compressor *compressor
	done       chan struct{} // closed when the pump is
	start      time.Time
	now        func() time.Time // the wall clock, but for tests

	waiting atomic.Int32 // workers that wait for something to read
	working atomic.Int32 // workers in all
	workers sync.WaitGroup
	relief  *time.Timer  // starts another worker when all are stuck
	freeing atomic.Bool  // the blocks of a removed file are being freed
	grown   atomic.Int32 // FIFOs that were enlarged
	plain   atomic.Bool  // tee(2) does not work here: read(2) alone

	mu      sync.Mutex // guards what follows; never held over I/O
	sinks   map[string]*Sink
	streams map[int]*stream      // by descriptor
	stalled map[*stream]struct{} // not read until retry fires
	retry   *time.Timer
	closed  bool
	noFIFO  bool // it was said that FIFOs cannot be made

	filesMu sync.Mutex // guards files and dirs; never held over I/O
	files   map[string]*logFile
	dirs    map[string]*dir
}

// Owner is the user that a process runs as, who may open /dev/stdout again.
// The zero value is root; -1 leaves a field as it is.
type Owner struct{ UID, GID int }

// Stats is what a sink has carried since it was opened.
type Stats struct {
	Bytes     uint64 // taken from the process
	Dropped   uint64 // of these, bytes that were lost because a disk was full or a file could not be written
	Rotations uint64
	Stalled   bool // the process waits for a full disk or a slow console
}

const (
	retryDelay = time.Second // between tries of what a full disk refused
	minWorkers = 4           // as many may be busy before anything is thought stuck
	maxWorkers = 16
)

// NewPump makes a pump and starts its first worker. It makes the folder of the
// FIFOs; where that is not possible it says so once and falls back to pipes.
func NewPump(opt Options) (*Pump, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, fmt.Errorf("pump: %w", err)
	}
	log := opt.Logger
	if log == nil {
		log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	p := &Pump{
		opt: opt, log: log, poll: poll,
		start:   time.Now(),
		now:     time.Now,
		done:    make(chan struct{}),
		sinks:   map[string]*Sink{},
		streams: map[int]*stream{},
		stalled: map[*stream]struct{}{},
		files:   map[string]*logFile{},
		dirs:    map[string]*dir{},
	}
	p.console = newConsole(p, opt)
	p.compressor = newCompressor(p)
	if opt.RuntimeDir != "" {
		p.openFolder(filepath.Join(opt.RuntimeDir, "fifo"))
	}
	p.fresh.Store(p.ledger != nil && !p.ledger.found)
	p.retry = time.AfterFunc(time.Hour, p.resumeStalled)
	p.retry.Stop()
	p.relief = time.AfterFunc(time.Hour, p.relieve)
	p.relief.Stop()
	p.hire()
	return p, nil
}

// openFolder makes the folder of the FIFOs, and the ledger in it.
func (p *Pump) openFolder(path string) {
	p.fifoDir = path
	err := makeFIFODir(path)
	if err != nil {
		p.withoutFIFO(err)
		return
	}
	if p.ledger, err = openLedger(path); err != nil {
		p.log.Warn("no ledger, a line may be torn if the daemon is killed", "err", err)
	}
}

// Open gives the sink of a process, making it if there is none; where there is
// one, it is reconfigured. cfg.Output must not be OutputAuto. A file that
// cannot be opened is no error: it is logged, and tried again when there is
// something to write. May wait for a disk.
func (p *Pump) Open(name string, cfg spec.Logs, owner Owner) (*Sink, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, fmt.Errorf("open output of %s: %w", name, os.ErrClosed)
	}
	s := p.sinks[name]
	if s != nil {
		p.mu.Unlock()
		s.own(owner)
		return s, s.Reconfigure(cfg)
	}
	s = &Sink{p: p, name: name, owner: owner}
	s.cfgMu.Lock() // before anybody else can find it
	p.sinks[name] = s
	p.mu.Unlock()
	err := s.open(cfg)
	s.cfgMu.Unlock()
	if err != nil {
		s.Close(true)
		return nil, fmt.Errorf("open output of %s: %w", name, err)
	}
	return s, nil
}

// Sink returns the sink of a process, or nil.
func (p *Pump) Sink(name string) *Sink {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sinks[name]
}

// Stats returns what the sink of a process has carried; zero if there is none.
func (p *Pump) Stats(name string) Stats {
	if s := p.Sink(name); s != nil {
		return s.Stats()
	}
	return Stats{}
}

// Reopen opens every log file again by its name, at the next line's end; for
// who moves log files away on their own. May wait for a disk.
func (p *Pump) Reopen() {
	p.filesMu.Lock()
	files := slices.Collect(maps.Values(p.files))
	p.filesMu.Unlock()
	for _, f := range files {
		f.reopen()
	}
}

// Sweep removes the FIFOs that an earlier daemon has left and that no sink has
// opened: nothing of what wrote to them is there any more.
func (p *Pump) Sweep() {
	if p.fifoDir == "" || p.ledger == nil || !p.ledger.found {
		return
	}
	p.mu.Lock()
	used := map[string]bool{}
	for _, s := range p.sinks {
		for _, st := range s.both() {
			used[filepath.Base(st.path())] = true
		}
	}
	p.mu.Unlock()
	entries, err := os.ReadDir(p.fifoDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.Type() == os.ModeNamedPipe && !used[e.Name()] {
			_ = os.Remove(filepath.Join(p.fifoDir, e.Name()))
		}
	}
}

// Hold returns descriptors of all FIFOs, which keep what is in them while the
// pump is closed and another one opens them by their names. They are the
// caller's. Unnamed pipes cannot be held.
func (p *Pump) Hold() (fds []int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for fd, s := range p.streams {
		if !s.named() {
			err = errors.New("output goes through unnamed pipes, which nobody can open again")
			continue
		}
		held, dupErr := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if dupErr != nil {
			err = os.NewSyscallError("dup", dupErr)
			continue
		}
		fds = append(fds, held)
	}
	return fds, err
}

// closeTimeout is how long Close waits for disks and for the console.
const closeTimeout = 5 * time.Second

// Close closes every sink that is still open, leaves their FIFOs, and ends the
// workers. It gives up what a disk or the console does not take within five
// seconds; the error says so.
func (p *Pump) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	sinks := slices.Collect(maps.Values(p.sinks))
	p.mu.Unlock()
	close(p.done)
	p.retry.Stop()
	p.relief.Stop()
	ended := make(chan struct{})
	go func() { // ends unless a disk hangs
		defer close(ended)
		for _, s := range sinks {
			s.Close(false)
		}
		p.compressor.close()
		p.poll.stop()
		p.workers.Wait()
	}()
	late := time.NewTimer(closeTimeout)
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C:
		return errors.New("close pump: a log file hangs, output is lost")
	}
	p.console.close()
	p.kits.close()
	if p.ledger != nil {
		p.ledger.remove(p.fifoDir)
	}
	if p.fifoDir != "" {
		removeFIFODir(p.fifoDir)
	}
	return p.poll.close()
}

// withoutFIFO says once why pipes are used instead of FIFOs.
func (p *Pump) withoutFIFO(err error) {
	p.mu.Lock()
	said := p.noFIFO
	p.noFIFO = true
	p.mu.Unlock()
	if !said {
		p.log.Warn("fifo not possible, output is lost if the daemon dies", "err", err)
	}
}

// register has a stream watched.
func (p *Pump) register(s *stream) error {
	p.mu.Lock()
	p.streams[s.fd] = s
	p.mu.Unlock()
	if err := p.poll.add(s.fd); err != nil {
		p.unregister(s)
		return err
	}
	return nil
}

// unregister forgets a stream, which must be done before its descriptor is
// closed: the next stream may get the same number. An event that is still on
// its way then finds the wrong stream, which at worst has nothing to read.
func (p *Pump) unregister(s *stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.streams, s.fd)
	delete(p.stalled, s)
}

// stall leaves a stream unread until the next retry.
func (p *Pump) stall(s *stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.stalled) == 0 {
		p.retry.Reset(retryDelay)
	}
	p.stalled[s] = struct{}{}
}

// resumeStalled has every stalled stream tried again.
func (p *Pump) resumeStalled() {
	p.mu.Lock()
	streams := slices.Collect(maps.Keys(p.stalled))
	clear(p.stalled)
	p.mu.Unlock()
	for _, s := range streams {
		s.resume()
	}
}

// since is a time as what has passed since the pump began: monotonic, and a
// third as long as a time.Time.
func (p *Pump) since(now time.Time) time.Duration { return now.Sub(p.start) }

func (p *Pump) isStalled(s *stream) bool {
	p.mu.Lock()
	_, ok := p.stalled[s]
	p.mu.Unlock()
	return ok || p.console.holds(s)
}
