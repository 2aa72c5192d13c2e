package control

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// execFiles is how many descriptors come with a command.
const execFiles = 3

// receiveFiles takes the descriptors of a command from a connection, close-on-exec.
// They are the caller's to close. Only what can never make a close wait is
// taken: of a file on a dead network mount, a socket that lingers or a strange
// device, each process that is forked meanwhile would have a copy to close.
func receiveFiles(conn *net.UnixConn) (files []int, err error) {
	defer func() {
		if err != nil {
			closeAll(files)
			files = nil
		}
	}()
	var text [1]byte
	control := make([]byte, unix.CmsgSpace(execFiles*4))
	n, controlLen, flags, _, err := conn.ReadMsgUnix(text[:], control)
	if err != nil {
		return nil, fmt.Errorf("receive the command's descriptors: %w", bare(err))
	}
	messages, err := unix.ParseSocketControlMessage(control[:controlLen])
	if err != nil {
		return nil, fmt.Errorf("receive the command's descriptors: %w", err)
	}
	for i := range messages {
		if more, err := unix.ParseUnixRights(&messages[i]); err == nil {
			files = append(files, more...)
		}
	}
	if n != 1 || len(files) != execFiles || flags&unix.MSG_CTRUNC != 0 {
		return files, fmt.Errorf("receive the command's descriptors: %d came, not %d", len(files), execFiles)
	}
	for i, fd := range files {
		if !Passable(fd) {
			return files, fmt.Errorf("descriptor %d is not a pipe, pseudo-terminal or /dev/null", i)
		}
	}
	return files, nil
}

func closeAll(files []int) {
	for _, fd := range files {
		unix.Close(fd)
	}
}

// Passable reports whether a descriptor is one that a command of Client.Exec
// can be given: a pipe, a pseudo-terminal or /dev/null.
func Passable(fd int) bool {
	var st syscall.Stat_t
	if syscall.Fstat(fd, &st) != nil {
		return false
	}
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFIFO:
		return true
	case syscall.S_IFCHR:
		return passableDevice(uint64(st.Rdev))
	}
	return false
}
