package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// endOfInput is what a terminal takes for the end of its input: Ctrl-D.
const endOfInput = 4

// openTerminal gives the command a terminal of its own, which is connected with
// ours. What of ours is no terminal stays as it is.
func (l *execLines) openTerminal(std [3]*os.File) error {
	master, slave, err := newTerminal()
	if err != nil {
		return fmt.Errorf("open a terminal: %w", err)
	}
	l.ours = append(l.ours, slave)
	typed := isTerminal(std[0])
	l.child[0], l.child[1] = slave, slave
	if isTerminal(std[2]) {
		l.child[2] = slave
	}
	l.copies = append(l.copies, newCopier(std[1], master))
	l.started = append(l.started, func() { // ends with the input, or with us
		io.Copy(master, std[0])
		if !typed {
			master.Write([]byte{endOfInput})
		}
	})
	if !typed {
		return nil
	}
	old, err := term.MakeRaw(int(std[0].Fd()))
	if err != nil {
		return fmt.Errorf("set the terminal: %w", err)
	}
	copySize(std[0], slave)
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	go func() { // ends with undo
		for range resized {
			copySize(std[0], master)
		}
	}()
	l.undo = func() {
		signal.Stop(resized)
		close(resized)
		_ = term.Restore(int(std[0].Fd()), old)
	}
	return nil
}

// newTerminal returns both ends of a pseudo-terminal, see pty(7). Reading the
// master can be given a deadline, which is why it is never asked for its Fd. The
// slave is opened through it (TIOCGPTPEER of ioctl_tty(2), Linux 4.13), so it
// does not matter which /dev is mounted here.
func newTerminal() (master, slave *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		unix.Close(fd)
		return nil, nil, err
	}
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		unix.Close(fd)
		return nil, nil, errno
	}
	return os.NewFile(uintptr(fd), "terminal"), os.NewFile(peer, "terminal"), nil
}

// copySize gives a terminal the size of another. One that has none stays as it
// is.
func copySize(from, to *os.File) {
	size, err := unix.IoctlGetWinsize(int(from.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return
	}
	setSize(to, size)
}

func setSize(f *os.File, size *unix.Winsize) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size) })
}
