package notify

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// sendTimeout bounds Send where the receiver's queue is full: nobody may be
// held up for long by the one it reports to.
const sendTimeout = time.Second

// Send tells the supervisor behind socket, a path or with @ before it a name
// in the abstract namespace, as $NOTIFY_SOCKET has it, what state says: lines
// of KEY=value. As for sd_notify(3) it is no error that there is no socket,
// "". It may be called on any goroutine and takes at most a second.
func Send(socket, state string) error { return SendFiles(socket, state) }

// SendFiles is Send with open files, for FDSTORE=1. They stay the caller's.
func SendFiles(socket, state string, files ...*os.File) error {
	if socket == "" {
		return nil
	}
	if socket[0] != '/' && socket[0] != '@' || len(socket) == 1 {
		return fmt.Errorf("notify %s: not a path and no abstract name", socket)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("notify %s: %w", socket, err)
	}
	if err := sendMessage(conn, state, files...); err != nil {
		return fmt.Errorf("notify %s: %w", socket, err)
	}
	return nil
}

// sendMessage sends one datagram with descriptors.
func sendMessage(conn *net.UnixConn, state string, files ...*os.File) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = syscall.UnixRights(fds...)
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		// Not WriteMsgUnix, which is not for a socket that is connected.
		sent = syscall.Sendmsg(int(fd), []byte(state), rights, nil, 0)
		return !errors.Is(sent, syscall.EAGAIN)
	})
	return errors.Join(err, os.NewSyscallError("sendmsg", sent))
}
