//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The kinds of stamp.
const (
	stampMain = 0 // main() was entered
	stampDone = 1 // the work is done
)

// stamp is what a workload reports.
type stamp struct {
	ns    int64 // CLOCK_MONOTONIC
	pid   int   // in the workload's own pid namespace
	id    int
	kind  int
	value int // of stampDone: how much was done
}

const stampSize = 24

// stamps is the FIFO that workloads report to. A write of a stamp is smaller
// than PIPE_BUF, so stamps do not mix; pipe(7).
type stamps struct {
	path string
	f    *os.File
	buf  []byte // read and not yet delivered
}

// newStamps makes a FIFO. It is opened for reading and writing, so that it
// never reports an end.
func newStamps(path string) (*stamps, error) {
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return nil, fmt.Errorf("make %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	// Room for tens of thousands, so that no workload waits for the reader.
	// Where that is not allowed, the default holds 2,700, which serves.
	conn.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	return &stamps{path: path, f: f}, nil
}

func (s *stamps) close() { s.f.Close() }

// next returns the next stamp; os.ErrDeadlineExceeded when none has come in
// time.
func (s *stamps) next(within time.Duration) (stamp, error) {
	if len(s.buf) < stampSize {
		if err := s.fill(within); err != nil {
			return stamp{}, err
		}
	}
	r := s.buf[:stampSize]
	s.buf = s.buf[stampSize:]
	word := func(at int) int { return int(binary.NativeEndian.Uint32(r[at:])) }
	return stamp{
		ns:    int64(binary.NativeEndian.Uint64(r)),
		pid:   word(8),
		id:    word(12),
		kind:  word(16),
		value: word(20),
	}, nil
}

func (s *stamps) fill(within time.Duration) error {
	if err := s.f.SetReadDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	rest := append(make([]byte, 0, 64<<10), s.buf...)
	for len(rest) < stampSize {
		n, err := s.f.Read(rest[len(rest):cap(rest)])
		if err != nil {
			s.buf = rest
			return err
		}
		rest = rest[:len(rest)+n]
	}
	s.buf = rest
	return nil
}

// drain drops what has been reported so far.
func (s *stamps) drain() {
	for {
		if _, err := s.next(time.Millisecond); err != nil {
			return
		}
	}
}
