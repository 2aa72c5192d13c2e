package logs

import "golang.org/x/sys/unix"

// poller tells workers which stream has something to read: kqueue(2), with
// events that are disabled once reported.
type poller struct {
	fd   int
	bell [2]int // a pipe whose read end stays readable once the poller is stopped
}

func newPoller() (*poller, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(fd)
	q := &poller{fd: fd}
	if q.bell, err = newPipe(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if err := q.change(q.bell[0], unix.EV_ADD); err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}

func (q *poller) change(fd int, flags uint16) error {
	ev := unix.Kevent_t{Ident: uint64(fd), Filter: unix.EVFILT_READ, Flags: flags}
	_, err := unix.Kevent(q.fd, []unix.Kevent_t{ev}, nil, nil)
	return err
}

// add has fd watched; it is reported once.
func (q *poller) add(fd int) error { return q.change(fd, unix.EV_ADD|unix.EV_DISPATCH) }

// arm has fd reported once more; at once if there is something to read.
func (q *poller) arm(fd int) error { return q.change(fd, unix.EV_ENABLE|unix.EV_DISPATCH) }

// wait blocks until something can be read and returns its descriptor; false
// when the poller was stopped.
func (q *poller) wait() (int, bool) {
	var ev [1]unix.Kevent_t
	for {
		n, err := unix.Kevent(q.fd, nil, ev[:], nil)
		switch {
		case err == unix.EINTR || err == nil && n == 0:
			continue
		case err != nil:
			return 0, false
		}
		fd := int(ev[0].Ident)
		return fd, fd != q.bell[0]
	}
}

// stop ends every wait, now and later.
func (q *poller) stop() { unix.Write(q.bell[1], []byte{1}) }

func (q *poller) close() error {
	unix.Close(q.bell[0])
	unix.Close(q.bell[1])
	return unix.Close(q.fd)
}
