package procman

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Lock is the claim of one daemon on its runtime folder. The kernel drops it
// when the daemon dies, however it dies.
type Lock struct {
	file *os.File
}

// HeldError is the error of Claim where another daemon has the folder.
type HeldError struct {
	Dir string
	PID int // 0 if it cannot be told
}

func (e *HeldError) Error() string {
	who := "another gosup"
	if e.PID != 0 {
		who += fmt.Sprintf(" (pid %d)", e.PID)
	}
	return fmt.Sprintf("%s already runs on %s (stop it, or give this one a runtime_dir of its own)", who, e.Dir)
}

// Claim makes the runtime folder where it is missing and takes it for this
// daemon, until Release. It does not wait for another daemon that has the
// folder: the error is a *HeldError then, and nothing was touched.
func Claim(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("runtime folder: %w", err)
	}
	for late := time.Now().Add(forkLimit); ; {
		l, err := claim(filepath.Join(dir, "gosup.pid"))
		if l == nil && err == nil {
			continue // the last holder removed the file that was just locked
		}
		held := (*HeldError)(nil)
		if errors.As(err, &held) && held.dead() && time.Now().Before(late) {
			// A child that the holder was just forking when it was killed has it
			// until it executes its program.
			<-time.After(forkLimit / 200)
			continue
		}
		return l, err
	}
}

// forkLimit is how long a child may take from its fork to its program after the
// death of the daemon that has forked it.
const forkLimit = 2 * time.Second

// dead reports whether the holder is no more, as far as that can be seen.
func (e *HeldError) dead() bool {
	return e.PID != 0 && errors.Is(unix.Kill(e.PID, 0), unix.ESRCH)
}

// claim tries once. Both results are nil where the file that it locked is no
// longer the one of that name.
func claim(name string) (*Lock, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, fmt.Errorf("runtime folder: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		held := &HeldError{Dir: filepath.Dir(name), PID: readPID(f)}
		f.Close()
		return nil, held
	}
	if err == nil && !sameFile(f, name) {
		f.Close()
		return nil, nil
	}
	if err == nil {
		err = writePID(f)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return &Lock{file: f}, nil
}

// Hand returns a descriptor that holds the claim, for InheritLock in the program
// that is executed next.
func (l *Lock) Hand() (int, error) { return dupOf(l.file) }

// InheritLock goes on with the claim of the daemon that has executed this
// program.
func InheritLock(fd int, dir string) (*Lock, error) {
	name := filepath.Join(dir, "gosup.pid")
	f := os.NewFile(uintptr(fd), name)
	if f == nil || !sameFile(f, name) {
		return nil, fmt.Errorf("descriptor %d does not hold %s", fd, name)
	}
	return &Lock{file: f}, nil
}

// Release gives the folder back, empty of what Claim put there.
func (l *Lock) Release() {
	// Removed while still locked: who opened it before and locks it after finds
	// that it is no longer the file of that name.
	_ = os.Remove(l.file.Name())
	l.file.Close()
}

func sameFile(f *os.File, name string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(name)
	return err == nil && os.SameFile(a, b)
}

func readPID(f *os.File) int {
	b := make([]byte, 16)
	n, _ := f.ReadAt(b, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	return pid
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}
