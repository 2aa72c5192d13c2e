package logs

import "golang.org/x/sys/unix"

const (
	ioctlQueued = unix.TIOCINQ
	pathOnly    = unix.O_PATH // what a folder is opened with to name files in it
	canTee      = true
)

// newPipe makes a blocking pipe, read end first.
func newPipe() (fds [2]int, err error) {
	err = unix.Pipe2(fds[:], unix.O_CLOEXEC)
	return fds, err
}

// newKit makes a kit. Without its pipe it still serves, by read(2) alone.
func newKit() *kit {
	k := &kit{peek: [2]int{-1, -1}}
	k.null, _ = unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if fds, err := newPipe(); err == nil {
		k.peek = fds
		// As many slots as a chunk may need; where it is refused (the user
		// holds too many pipes), chunks are smaller.
		unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, chunkBytes)
	}
	return k
}

func (k *kit) close() {
	if k.peek[0] >= 0 {
		unix.Close(k.peek[0])
		unix.Close(k.peek[1])
	}
	if k.null >= 0 {
		unix.Close(k.null)
	}
	k.peek, k.null = [2]int{-1, -1}, -1
}

// look copies what is in the FIFO, at most a chunk, without taking it out:
// tee(2). EAGAIN says that there is nothing.
func (k *kit) look(fd int) ([]byte, error) {
	n, err := unix.Tee(fd, k.peek[1], chunkBytes, unix.SPLICE_F_NONBLOCK)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, unix.EAGAIN
	}
	buf := k.room(int(n))
	for got := 0; got < len(buf); {
		m, err := unix.Read(k.peek[0], buf[got:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || m <= 0 {
			k.broken = true
			return nil, unix.EIO
		}
		got += m
	}
	return buf, nil
}

// discard takes n bytes out of a FIFO that holds at least as many.
func (k *kit) discard(fd, n int) {
	for n > 0 {
		var m int
		var err error
		if n > 4096 && k.null >= 0 {
			var moved int64
			moved, err = unix.Splice(fd, nil, k.null, nil, n, unix.SPLICE_F_NONBLOCK)
			m = int(moved)
		} else {
			var scratch [4096]byte
			m, err = unix.Read(fd, scratch[:min(n, len(scratch))])
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil || m <= 0 {
			return // the process has read its own output: nothing is left
		}
		n -= m
	}
}

// resizePipe sets how much a FIFO can hold. Nothing is lost where that is
// refused: unprivileged users may not have many big ones, pipe(7).
func resizePipe(fd, size int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, size)
	return err == nil
}

// setThreadPriority sets the nice value of the calling thread: setpriority(2),
// which on Linux is one of threads.
func setThreadPriority(nice int) { unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), nice) }
