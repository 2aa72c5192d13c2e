package logs

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"gosup/spec"

	"golang.org/x/sys/unix"
)

// Sink is the output of one process, for as long as it is defined.
type Sink struct {
	p    *Pump
	name string
	tail tail

	dropped   atomic.Uint64
	rotations atomic.Uint64
	run       atomic.Uint64
	expected  atomic.Pointer[expectation] // nil while nothing is

	cfgMu sync.Mutex // serialises Reconfigure and Close

	mu     sync.Mutex // guards what follows; never held over disk I/O
	owner  Owner
	output spec.Output
	split  bool    // a run gets two FIFOs
	out    *stream // nil until a FIFO was needed
	err    *stream // nil until stderr needed one of its own
	closed bool
}

// streams tells which FIFOs a configuration needs. Where both streams go to
// the same place and nothing tells them apart, one FIFO for both keeps the
// order in which they were written.
func streams(cfg spec.Logs) (out, err bool) {
	file := cfg.Output == spec.OutputFile || cfg.Output == spec.OutputBoth
	console := cfg.Output == spec.OutputConsole || cfg.Output == spec.OutputBoth
	switch {
	case file:
		return true, cfg.Format != spec.FormatRaw || separate(cfg)
	case console:
		return true, cfg.ConsoleFormat != spec.FormatPrefix
	}
	return false, false
}

// separate reports whether stderr has a file of its own.
func separate(cfg spec.Logs) bool { return cfg.StderrFile != "" && cfg.StderrFile != cfg.File }

// open makes the streams. A FIFO that is left over from an earlier daemon is
// opened even if it is not needed any more: an adopted process may write there.
// The caller holds cfgMu.
func (s *Sink) open(cfg spec.Logs) error {
	needOut, needErr := streams(cfg)
	out, err := s.stream("stdout", needOut)
	if err != nil {
		return err
	}
	errs, err := s.stream("stderr", needErr)
	s.mu.Lock()
	s.out, s.err = out, errs
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.configure(cfg)
}

// stream opens a FIFO; where it is not needed, only if it is there.
func (s *Sink) stream(name string, need bool) (*stream, error) {
	st := &stream{p: s.p, sink: s, name: name}
	path := st.path()
	if !need && (s.p.fifoDir == "" || s.p.fresh.Load()) {
		return nil, nil
	}
	if !need {
		var at unix.Stat_t
		if unix.Lstat(path, &at) != nil {
			return nil, nil
		}
	}
	s.mu.Lock()
	owner := s.owner
	s.mu.Unlock()
	var f *fifo
	var made bool
	var err error
	if s.p.fifoDir != "" {
		if f, made, err = openFIFO(path, owner); f == nil {
			s.p.withoutFIFO(err)
		}
	}
	if f == nil {
		if f, err = openPipe(owner); err != nil {
			return nil, err
		}
	}
	st.fifo = *f
	if err != nil {
		s.p.log.Warn("the process cannot open its own output again", "process", s.name, "err", err)
	}
	if s.p.ledger != nil && st.named() && canTee {
		st.account = s.p.ledger.account(st.ino, made)
	}
	return st, nil
}

// own changes the user that the process runs as.
func (s *Sink) own(owner Owner) {
	s.mu.Lock()
	changed := s.owner != owner
	s.owner = owner
	both := []*stream{s.out, s.err}
	s.mu.Unlock()
	if !changed {
		return
	}
	for _, st := range both {
		if st == nil {
			continue
		}
		if err := st.fifo.own(owner); err != nil {
			s.p.log.Warn("the process cannot open its own output again", "process", s.name, "err", err)
		}
	}
}

// Reconfigure changes where the output goes and how it is rotated, between two
// chunks; no byte is lost. What needs another set of FIFOs or none (format,
// `none`, `inherit`) takes full effect with the next run. May wait for a disk.
func (s *Sink) Reconfigure(cfg spec.Logs) error {
	s.cfgMu.Lock()
	defer s.cfgMu.Unlock()
	return s.configure(cfg)
}

// configure is Reconfigure for who holds cfgMu.
func (s *Sink) configure(cfg spec.Logs) error {
	if cfg.Output == spec.OutputAuto {
		return fmt.Errorf("output of %s: auto was not resolved", s.name)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fmt.Errorf("output of %s: %w", s.name, os.ErrClosed)
	}
	out, errs := s.out, s.err
	s.mu.Unlock()

	needOut, needErr := streams(cfg)
	var err error
	if out == nil && needOut {
		if out, err = s.stream("stdout", true); err != nil {
			return err
		}
	}
	if errs == nil && needErr {
		if errs, err = s.stream("stderr", true); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.output, s.split = cfg.Output, needErr
	s.out, s.err = out, errs
	s.mu.Unlock()
	s.route(out, cfg, cfg.File)
	s.route(errs, cfg, stderrPath(cfg))
	// Both are recovered before either is read: they may share a file.
	return errors.Join(begin(out, errs)...)
}

// begin has streams read that are not yet.
func begin(streams ...*stream) (errs []error) {
	var fresh []*stream
	for _, st := range streams {
		if st != nil && !st.begun {
			st.begun = true
			fresh = append(fresh, st)
			st.recover()
		}
	}
	for _, st := range fresh {
		errs = append(errs, st.p.register(st))
	}
	return errs
}

func stderrPath(cfg spec.Logs) string {
	if separate(cfg) {
		return cfg.StderrFile
	}
	return cfg.File
}

// route sends a stream to its destinations.
func (s *Sink) route(st *stream, cfg spec.Logs, path string) {
	if st == nil {
		return
	}
	var file *logFile
	if cfg.Output == spec.OutputFile || cfg.Output == spec.OutputBoth {
		s.mu.Lock()
		owner := s.owner
		s.mu.Unlock()
		file = s.p.acquireFile(path, cfg, owner)
	}
	toCon := cfg.Output == spec.OutputConsole || cfg.Output == spec.OutputBoth
	st.mu.Lock()
	old := st.file
	if old != nil && (old != file || st.format != cfg.Format) {
		// What was begun in the old format or file is ended there.
		k := s.p.kits.take()
		old.flush(st, k, s.p.now())
		s.p.kits.put(k)
	}
	if st.toCon && (!toCon || st.con != cfg.ConsoleFormat) {
		k := s.p.kits.take()
		s.p.console.flush(st, k, s.p.now())
		s.p.kits.put(k)
	}
	st.file, st.format = file, cfg.Format
	st.toCon, st.con = toCon, cfg.ConsoleFormat
	st.mu.Unlock()
	if old != nil {
		s.p.releaseFile(old)
	}
	if toCon {
		s.p.console.welcome(s.name)
	} else if s.p.console.forget(st) {
		st.resume()
	}
}

// ChildFiles gives what a new run gets as its stdout and stderr. Both may be
// the same file. The caller closes them once the child has been forked.
func (s *Sink) ChildFiles() (stdout, stderr *os.File, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, fmt.Errorf("output of %s: %w", s.name, os.ErrClosed)
	}
	switch s.output {
	case spec.OutputNone:
		f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		return f, f, err
	case spec.OutputInherit:
		return pair(dup(s.p.opt.Stdout))(dup(s.p.opt.Stderr))
	}
	if s.split {
		return pair(s.out.childFile(s.out.path()))(s.err.childFile(s.err.path()))
	}
	f, err := s.out.childFile(s.out.path())
	return f, f, err
}

// pair joins two results that each come with an error; both files are open or
// neither.
func pair(a *os.File, aErr error) func(*os.File, error) (*os.File, *os.File, error) {
	return func(b *os.File, bErr error) (*os.File, *os.File, error) {
		if err := errors.Join(aErr, bErr); err != nil {
			a.Close()
			b.Close()
			return nil, nil, err
		}
		return a, b, nil
	}
}

// dup opens a descriptor once more; /dev/null for one that is not there.
func dup(f *os.File) (*os.File, error) {
	if f == nil {
		return os.OpenFile(os.DevNull, os.O_RDWR, 0)
	}
	// Not by Fd, which would make a non-blocking descriptor blocking.
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	if cerr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3) }); cerr != nil {
		err = cerr
	}
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// Drain delivers what is in the FIFOs now, and ends a last line that has no
// newline where the format has lines; to be called after a run has ended. What
// a grandchild writes on is not waited for, nor is a full disk under
// `on_full: block`. May wait for a disk.
func (s *Sink) Drain() {
	for _, st := range s.both() {
		st.drain()
	}
}

// both returns the streams that there are.
func (s *Sink) both() []*stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*stream
	if s.out != nil {
		list = append(list, s.out)
	}
	if s.err != nil {
		list = append(list, s.err)
	}
	return list
}

// Tail returns the last output of the current run, at most 8 KiB, as it was
// written.
func (s *Sink) Tail() []byte { return s.tail.bytes() }

// Mark says that a new run begins; the tail is empty then.
func (s *Sink) Mark(run uint64) {
	s.run.Store(run)
	s.expected.Store(nil)
	s.tail.reset()
}

// Stats returns what the sink has carried since it was opened.
func (s *Sink) Stats() Stats {
	st := Stats{Dropped: s.dropped.Load(), Rotations: s.rotations.Load()}
	for _, one := range s.both() {
		st.Bytes += one.passed.Load()
		st.Stalled = st.Stalled || s.p.isStalled(one)
	}
	return st
}

// Close delivers what is in the FIFOs, closes them and, if asked, removes
// them. A sink that is closed without removing its FIFOs can be opened again,
// by this daemon or the next. May wait for a disk.
func (s *Sink) Close(remove bool) error {
	s.cfgMu.Lock()
	defer s.cfgMu.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.p.mu.Lock()
	if s.p.sinks[s.name] == s {
		delete(s.p.sinks, s.name)
	}
	s.p.mu.Unlock()
	var errs []error
	for _, st := range s.both() {
		errs = append(errs, st.end(remove))
	}
	return errors.Join(errs...)
}
