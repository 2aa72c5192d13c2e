package procman

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// onMainThread reports whether the calling thread is the one that the process
// began with.
func onMainThread() bool { return unix.Gettid() == os.Getpid() }

// unblockSignals clears the thread's signal mask and returns what it was:
// children inherit it from the thread that forks them, and the daemon may have
// been started with signals blocked.
func unblockSignals() (old unix.Sigset_t) {
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, &old)
	return old
}

func blockSignals(mask unix.Sigset_t) { _ = unix.PthreadSigmask(unix.SIG_SETMASK, &mask, nil) }

// adoptOrphans makes this process the one that orphans below it are given to,
// see PR_SET_CHILD_SUBREAPER(2const). PID 1 is that anyway.
func adoptOrphans() error {
	if os.Getpid() == 1 {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a child subreaper: %w", err)
	}
	return nil
}

// handleSignals makes the daemon handle, and drop, each signal that it was
// started to ignore. An ignored signal stays ignored over an exec, so every
// child would ignore it too; a handled one is back at its default there.
func handleSignals() {
	drain := make(chan os.Signal, 1) // nobody reads it, and Notify never waits
	for n := 1; n <= 64; n++ {
		if !ignored(n) {
			continue
		}
		signal.Notify(drain, syscall.Signal(n))
		if ignored(n) {
			// 32 and 33 are the C library's, see nptl(7): Go does not touch them.
			restoreDefault(n)
		}
	}
}

// restoreDefault gives a signal back its default action.
func restoreDefault(sig int) {
	var action [128]byte // SIG_DFL, no flags, no mask
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
}

// ignored asks the kernel: os/signal knows only of the signals that Go's
// runtime cares for.
func ignored(sig int) bool {
	var action struct { // struct sigaction as rt_sigaction(2) has it, with room to spare
		handler uintptr
		rest    [120]byte
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&action)), 8, 0, 0)
	const sigIgn = 1
	return errno == 0 && action.handler == sigIgn
}

// markCloexec keeps descriptors that the daemon was started with from reaching
// its children. Those that Go opens are marked already.
func markCloexec() error {
	err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	// Before Linux 5.11, or forbidden by a seccomp filter.
	fds, derr := filepath.Glob("/proc/self/fd/*")
	if derr != nil || len(fds) == 0 {
		return fmt.Errorf("mark inherited descriptors close-on-exec: %w", errors.Join(err, derr))
	}
	for _, name := range fds {
		if fd, err := strconv.Atoi(filepath.Base(name)); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// access reports why this process may not execute a file or enter a folder.
func access(path string) error {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
}

// dupTerminal returns a descriptor of the hand's own for a terminal that it
// may give away: one in whose foreground the daemon's process group is.
// Otherwise it returns -1.
func dupTerminal(fd int) int {
	front, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err != nil || front != unix.Getpgrp() {
		return -1
	}
	tty, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1
	}
	return tty
}

// takeTerminal puts the daemon's own process group back into the foreground.
// A process in the background gets SIGTTOU for trying that, unless it blocks
// it, see tcsetpgrp(3).
func takeTerminal(tty int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var mask, old unix.Sigset_t
	mask.Val[0] = 1 << (uint(unix.SIGTTOU) - 1)
	if unix.PthreadSigmask(unix.SIG_BLOCK, &mask, &old) != nil {
		return
	}
	_ = unix.IoctlSetPointerInt(tty, unix.TIOCSPGRP, unix.Getpgrp()) // a terminal that hung up
	blockSignals(old)
}
