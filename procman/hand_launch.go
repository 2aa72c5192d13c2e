package procman

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"gosup/tree"
)

// defaultPath is searched when a process's environment has no PATH, as
// execvp(3) does.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// fork starts a run and answers its order.
func (h *hand) fork(o *startOrder) {
	l := &o.launch
	pid, tty, err := h.spawn(l)
	if err != nil {
		h.emit(tree.StartFailed{Node: l.Node, Run: l.Run, Why: err.Error(), Busy: errors.Is(err, syscall.ETXTBSY), Code: shellCode(err)})
		return
	}
	c := &child{runKey: l.key(), tag: l.Tag, pid: pid, reach: l.Reach, tty: tty, started: h.now()}
	h.runs[c.runKey] = c
	h.leaders[pid] = c
	h.kin.born(c)
	h.emit(tree.Started{Node: l.Node, Run: l.Run, PID: pid})
	for _, s := range o.signals {
		h.deliver(s)
	}
}

// spawn forks and executes. It returns when the program is executing, or with
// an error when nothing is.
func (h *hand) spawn(l *launch) (pid, tty int, err error) {
	path, err := lookPath(l)
	if err != nil {
		return 0, -1, err
	}
	attr := &syscall.ProcAttr{Dir: l.Dir, Env: l.Env, Files: make([]uintptr, len(l.Files))}
	for i, fd := range l.Files {
		if fd < 0 {
			fd = h.null
		}
		attr.Files[i] = uintptr(fd)
	}
	attr.Sys, tty = h.session(l)
	pid, err = syscall.ForkExec(path, l.Argv, attr)
	if err == syscall.EMFILE || err == syscall.ENFILE {
		// The pipe over which the child would report needs two descriptors.
		h.reserve.drop()
		pid, err = syscall.ForkExec(path, l.Argv, attr)
		h.reserve.fill()
	}
	if err != nil {
		if tty >= 0 {
			syscall.Close(tty)
		}
		return 0, -1, explain(l, path, err)
	}
	return pid, tty, nil
}

// session says in which session and process group the child is to be. The
// terminal that it is to be given is returned as a descriptor of the hand's
// own, -1 if there is none.
func (h *hand) session(l *launch) (*syscall.SysProcAttr, int) {
	if !l.Foreground {
		return &syscall.SysProcAttr{Setsid: true}, -1
	}
	tty := -1
	if len(l.Files) > 0 && l.Files[0] >= 0 {
		tty = dupTerminal(l.Files[0])
	}
	if tty < 0 {
		return &syscall.SysProcAttr{Setpgid: true}, -1
	}
	return &syscall.SysProcAttr{Foreground: true, Ctty: tty}, tty
}

// lookPath finds the program of a launch as execvp(3) would, with the PATH and
// the folder that the child will have.
func lookPath(l *launch) (string, error) {
	if len(l.Argv) == 0 || l.Argv[0] == "" {
		return "", errors.New("exec: no command")
	}
	name := l.Argv[0]
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := defaultPath
	for _, kv := range l.Env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	denied := ""
	for _, dir := range strings.Split(path, ":") {
		file := filepath.Join(dir, name)
		if dir == "" || !strings.Contains(file, "/") {
			file = "./" + name
		}
		info, err := os.Stat(inDir(l.Dir, file))
		switch {
		case err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0:
			return file, nil
		case err == nil && info.Mode().IsRegular(), errors.Is(err, fs.ErrPermission):
			denied = file
		}
	}
	if denied != "" {
		return "", fmt.Errorf("exec %s: %s: %w", name, denied, syscall.EACCES)
	}
	return "", fmt.Errorf("exec %s: %w", name, errNotFound)
}

var errNotFound = errors.New("not found in PATH")

// shellCode returns what a shell exits with for a command that it cannot run.
func shellCode(err error) int {
	if errors.Is(err, errNotFound) || errors.Is(err, syscall.ENOENT) {
		return 127
	}
	return 126
}

// explain says what a failed fork or exec means. The kernel tells one number
// for every step, so the steps are looked at again: which of them cannot work?
func explain(l *launch, path string, err error) error {
	switch err {
	case syscall.EAGAIN, syscall.ENOMEM:
		return fmt.Errorf("fork: %w (a limit of processes or memory is reached)", err)
	case syscall.EMFILE, syscall.ENFILE:
		return fmt.Errorf("fork: %w", err)
	case syscall.EINVAL:
		return fmt.Errorf("exec %s: %w (a NUL byte in an argument or the environment?)", l.Argv[0], err)
	case syscall.ENOEXEC:
		return fmt.Errorf("exec %s: %w (a script needs a first line like #!/bin/sh)", l.Argv[0], err)
	}
	if l.Dir != "" {
		if info, derr := os.Stat(l.Dir); derr != nil {
			return fmt.Errorf("chdir %s: %w", l.Dir, bare(derr))
		} else if !info.IsDir() {
			return fmt.Errorf("chdir %s: %w", l.Dir, syscall.ENOTDIR)
		} else if derr := access(l.Dir); err == syscall.EACCES && derr != nil {
			return fmt.Errorf("chdir %s: %w", l.Dir, derr)
		}
	}
	info, serr := os.Stat(inDir(l.Dir, path))
	if serr == nil && info.IsDir() {
		err = syscall.EISDIR
	}
	if serr == nil && err == syscall.ENOENT {
		return fmt.Errorf("exec %s: the interpreter that it names is missing: %w", l.Argv[0], err)
	}
	return fmt.Errorf("exec %s: %w", l.Argv[0], err)
}

// inDir returns where a file lies for a process whose folder is dir.
func inDir(dir, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

// bare returns the reason of an error without the operation and the path.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// openNull returns a descriptor for /dev/null, -1 if there is none.
func openNull() int {
	fd, err := syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// reserve keeps a few descriptors back, so that a daemon that has used up all
// of its others can still start and find processes.
type reserve struct{ fds []int }

const reserved = 4

func (r *reserve) fill() {
	for len(r.fds) < reserved {
		fd, err := syscall.Open("/", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			return
		}
		r.fds = append(r.fds, fd)
	}
}

func (r *reserve) drop() {
	for _, fd := range r.fds {
		syscall.Close(fd)
	}
	r.fds = r.fds[:0]
}
