package procman

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// forkerFrom is from how many runs on the hand forks through the forker. The
// kernel copies the table of descriptors for every fork, and closes them one by
// one for every exec. A daemon has a descriptor or two for each process: with
// 2,000 of them a fork and exec took 0.44 ms, through the forker 0.25. Handing
// it to another thread costs about 0.05.
const forkerFrom = 256

// forkers fork on threads whose tables of descriptors are their own and almost
// empty, see CLONE_FILES in unshare(2). What a child is to have is fetched from
// the daemon's table by pidfd_getfd(2). The zero value has none of them. It must
// not be used by several goroutines at once.
type forkers struct {
	count    int
	requests chan forkRequest // nil while there is none
}

// forkRequest is one fork. done is called on the forker's goroutine.
type forkRequest struct {
	path string
	argv []string
	attr *syscall.ProcAttr // not changed
	done func(pid int, err error)
}

// forker is one of them.
type forker struct {
	pidfd int // of the daemon, in the forker's table
}

// errForker means that the forker could not do it, and nothing was forked.
var errForker = errors.New("forker: a descriptor cannot be fetched")

// add makes one more, or returns an error where the kernel, or a filter of
// system calls, does not allow it.
func (f *forkers) add() error {
	if f.requests == nil {
		f.requests = make(chan forkRequest, maxForkers)
		// Go makes its poller with the first file or timer: on a forker's thread
		// it would be in a table where no other thread finds it.
		time.AfterFunc(time.Hour, func() {}).Stop()
	}
	ready := make(chan error, 1)
	go new(forker).work(f.requests, ready)
	err := <-ready
	if err == nil {
		f.count++
	}
	return err
}

// close ends them, each once it has done what it has begun.
func (f *forkers) close() {
	if f.requests != nil {
		close(f.requests)
	}
}

// fork forks and executes like syscall.ForkExec.
func (f *forkers) fork(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	done := make(chan struct{})
	f.begin(forkRequest{path, argv, attr, func(p int, e error) {
		pid, err = p, e
		close(done)
	}})
	<-done
	return pid, err
}

// begin has the next of them that is free do a fork. There must be one.
func (f *forkers) begin(r forkRequest) { f.requests <- r }

// work is the forker's goroutine. Its thread is not given back: it ends with
// the goroutine.
func (f *forker) work(requests <-chan forkRequest, ready chan<- error) {
	runtime.LockOSThread()
	if onMainThread() {
		// The children of the main thread are the orphans, see hand.work: the
		// main thread is kept waiting, and another forks.
		inner := make(chan struct{})
		go func() {
			f.work(requests, ready)
			close(inner)
		}()
		<-inner
		runtime.UnlockOSThread()
		return
	}
	if err := f.isolate(); err != nil {
		ready <- err
		return
	}
	ready <- nil
	for r := range requests {
		r.done(f.serve(r))
	}
}

// isolate gives the thread a table of descriptors of its own, with little in
// it: the standard ones, a pidfd of the daemon, and what Go's scheduler may
// touch on any thread.
func (f *forker) isolate() error {
	if err := unix.Unshare(unix.CLONE_FILES); err != nil {
		return err
	}
	fds, err := filepath.Glob("/proc/thread-self/fd/*")
	if err != nil || len(fds) == 0 {
		return errors.New("forker: no /proc to see the descriptors in")
	}
	for _, name := range fds {
		fd, err := strconv.Atoi(filepath.Base(name))
		if err != nil || fd <= 2 {
			continue
		}
		if to, err := os.Readlink(name); err == nil && !strings.HasPrefix(to, "anon_inode:[event") {
			syscall.Close(fd)
		}
	}
	if f.pidfd, err = unix.PidfdOpen(os.Getpid(), 0); err != nil {
		return err
	}
	fd, err := unix.PidfdGetfd(f.pidfd, 0, 0)
	if err == nil {
		syscall.Close(fd)
	}
	if err == unix.EBADF { // the daemon has no standard input: allowed, though
		err = nil
	}
	return err
}

// serve does one fork.
func (f *forker) serve(r forkRequest) (pid int, err error) {
	var fetched []int
	defer func() {
		for _, fd := range fetched {
			syscall.Close(fd)
		}
	}()
	fetch := func(fd int) int {
		got, e := unix.PidfdGetfd(f.pidfd, fd, 0)
		if e != nil {
			err = errForker
			return -1
		}
		fetched = append(fetched, got)
		return got
	}
	attr, sys := *r.attr, *r.attr.Sys
	attr.Sys, attr.Files = &sys, make([]uintptr, len(r.attr.Files))
	for i, fd := range r.attr.Files {
		attr.Files[i] = fd
		if fd != ^uintptr(0) {
			attr.Files[i] = uintptr(fetch(int(fd)))
		}
	}
	if sys.UseCgroupFD {
		sys.CgroupFD = fetch(sys.CgroupFD)
	}
	if err != nil {
		return 0, err
	}
	mask := unblockSignals()
	defer blockSignals(mask)
	return syscall.ForkExec(r.path, r.argv, &attr)
}
