package procman

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// lookout calls back when something happens at a descriptor, by epoll(7). It
// neither reads nor accepts: what has come stays for the process that the
// descriptor is meant for. It costs nothing before something is watched, and
// no thread while nothing happens.
type lookout struct {
	mu    sync.Mutex
	epoll *os.File // nil before the first watch
	fd    int      // of it
	last  int32
	ids   map[int]int32    // the watch of each descriptor
	calls map[int32]func() // by watch; those that have been made are gone
	ended bool
	done  chan struct{} // closed when its goroutine has ended
}

// happening is what a lookout can look out for.
type happening uint32

const (
	arrival happening = unix.EPOLLIN  // a connection or a datagram waits
	hangup  happening = unix.EPOLLHUP // nobody is at the other end, or it is broken; always told
)

// watch has call called once, on the lookout's own goroutine, when it has
// happened. The descriptor stays watched until forget, which must come before
// it is closed: a child that has it too would keep it in the epoll.
func (l *lookout) watch(fd int, what happening, call func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ended:
		return fmt.Errorf("watch a descriptor: %w", os.ErrClosed)
	case l.epoll == nil:
		if err := l.open(); err != nil {
			return fmt.Errorf("watch descriptors: %w", err)
		}
	}
	l.last++
	event := unix.EpollEvent{Events: uint32(what) | unix.EPOLLONESHOT, Fd: l.last}
	err := unix.EpollCtl(l.fd, unix.EPOLL_CTL_ADD, fd, &event)
	if err == unix.EEXIST { // watched before, and called
		err = unix.EpollCtl(l.fd, unix.EPOLL_CTL_MOD, fd, &event)
	}
	if err != nil {
		return fmt.Errorf("watch a descriptor: %w", err)
	}
	delete(l.calls, l.ids[fd])
	l.ids[fd], l.calls[l.last] = l.last, call
	return nil
}

// forget ends the watch of a descriptor. A call that is under way still comes.
func (l *lookout) forget(fd int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id, ok := l.ids[fd]; ok {
		_ = unix.EpollCtl(l.fd, unix.EPOLL_CTL_DEL, fd, nil)
		delete(l.calls, id)
		delete(l.ids, fd)
	}
}

// open begins to look. The goroutine ends with close.
func (l *lookout) open() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that Go's own poller waits for it
		unix.Close(fd)
		return err
	}
	l.epoll, l.fd, l.done = os.NewFile(uintptr(fd), "lookout"), fd, make(chan struct{})
	l.ids, l.calls = map[int]int32{}, map[int32]func(){}
	go l.look(l.epoll)
	return nil
}

func (l *lookout) look(epoll *os.File) {
	defer close(l.done)
	raw, err := epoll.SyscallConn()
	for err == nil {
		var events [16]unix.EpollEvent
		n := 0
		err = raw.Read(func(fd uintptr) bool {
			var failed error
			if n, failed = unix.EpollWait(int(fd), events[:], 0); failed == unix.EINTR {
				n = 0
				return true // asked again: what is there is not told a second time
			}
			return n > 0
		})
		for _, e := range events[:max(n, 0)] {
			l.mu.Lock()
			call := l.calls[e.Fd]
			delete(l.calls, e.Fd)
			l.mu.Unlock()
			if call != nil {
				call()
			}
		}
	}
}

// close ends every watch. No call comes after it, and no watch.
func (l *lookout) close() {
	l.mu.Lock()
	epoll := l.epoll
	l.ended, l.epoll, l.ids = true, nil, nil
	l.mu.Unlock()
	if epoll != nil {
		epoll.Close()
		<-l.done
	}
}
