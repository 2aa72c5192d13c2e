package logs

import "golang.org/x/sys/unix"

// poller tells workers which stream has something to read: epoll(7), one-shot.
type poller struct {
	fd   int
	bell int // an eventfd that stays readable once the poller is stopped
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	q := &poller{fd: fd, bell: bell}
	err = unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, bell, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(bell)})
	if err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}

// add has fd watched; it is reported once.
func (q *poller) add(fd int) error {
	return unix.EpollCtl(q.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(fd)})
}

// arm has fd reported once more; at once if there is something to read.
func (q *poller) arm(fd int) error {
	return unix.EpollCtl(q.fd, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(fd)})
}

// wait blocks until something can be read and returns its descriptor; false
// when the poller was stopped. It blocks in the system call rather than in Go's own
// poller: a chunk then costs no switch between goroutines.
func (q *poller) wait() (int, bool) {
	var ev [1]unix.EpollEvent
	for {
		n, err := unix.EpollWait(q.fd, ev[:], -1)
		switch {
		case err == unix.EINTR || err == nil && n == 0:
			continue
		case err != nil:
			return 0, false
		}
		return int(ev[0].Fd), int(ev[0].Fd) != q.bell
	}
}

// stop ends every wait, now and later.
func (q *poller) stop() {
	one := [8]byte{1}
	unix.Write(q.bell, one[:])
}

func (q *poller) close() error {
	unix.Close(q.bell)
	return unix.Close(q.fd)
}
