package procman

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memoryFile returns a file that is in memory alone, with data in it.
func memoryFile(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(data); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// HoldSignals keeps the signals that are meant for the daemon pending, over an
// execve(2) too, until the next program is ready for them. In a program that C
// is linked into there is no call for that, and one that comes in the last
// millisecond is lost.
func HoldSignals() {
	const block = 0 // SIG_BLOCK
	var set unix.Sigset_t
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM} {
		set.Val[0] |= 1 << (uint(s) - 1)
	}
	_, _, _ = syscall.AllThreadsSyscall6(unix.SYS_RT_SIGPROCMASK, block, uintptr(unsafe.Pointer(&set)), 0, 8, 0, 0)
}
