package procman

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"gosup/spec"
	"gosup/tree"
)

// defaultPath is searched when a process's environment has no PATH, as
// execvp(3) does.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// fork starts a run and answers its order, unless it is left to a shim to find
// out what the answer is.
func (h *hand) fork(o *startOrder) {
	rights, cred, shim := h.rights(o.Rights)
	var err error
	if shim || h.needsShim(o) {
		err = h.forkShim(o, rights)
	} else {
		err = h.forkPlain(o, cred)
	}
	if err != nil {
		h.emit(startFailed(o.key(), err))
	}
}

// needsShim reports whether a start goes through the shim whatever its rights
// are. A child that is forked plainly holds up all of gosup until it executes
// its program; one that may never come so far is left to the shim.
func (h *hand) needsShim(o *startOrder) bool {
	return o.Listens || o.Apart || h.mounts.hangs(&o.launch)
}

func startFailed(k runKey, err error) tree.StartFailed {
	return tree.StartFailed{Node: k.node, Run: k.run, Why: err.Error(), Busy: errors.Is(err, syscall.ETXTBSY), Code: shellCode(err)}
}

// forkPlain forks and executes at once. The daemon looks for the program, and
// another user may execute it: what that user must not, is passed over.
func (h *hand) forkPlain(o *startOrder, cred *syscall.Credential) error {
	path, rest, err := lookPath(&o.launch, 0)
	if err != nil {
		return err
	}
	for {
		c, err := h.spawn(&o.launch, path, cred)
		if err == nil {
			h.born(o, c)
			if h.still.kept && !o.Speaks {
				h.still.begun = c
				h.keepStill()
			} else {
				h.tell(c)
			}
			return nil
		}
		refused := explain(&o.launch, path, err)
		if err != syscall.EACCES || cred == nil || rest == 0 {
			return refused
		}
		if path, rest, err = lookPath(&o.launch, rest); err != nil {
			return refused
		}
	}
}

// born makes a child known, with the signals that were ordered for it.
func (h *hand) born(o *startOrder, c *child) {
	c.started = h.now()
	c.held = o.signals
	h.runs[c.runKey] = c
	h.leaders[c.pid] = c
	h.waiter.fork()
	h.kin.born(c)
}

// spawn forks and executes. It returns when the program is executing, or with
// the kernel's error when nothing is.
func (h *hand) spawn(l *launch, path string, cred *syscall.Credential) (*child, error) {
	c, attr, cgroup := h.newChild(l, cred)
	limited := l.Cgroup != spec.Cgroup{}
	var err error
	if limited {
		err = h.kin.cgroups.limit(c.cgroup, l.Cgroup)
	}
	if err == nil {
		c.pid, err = h.forkExec(path, l.Argv, attr)
	}
	if cgroup >= 0 {
		syscall.Close(cgroup)
		if cgroupRefused(err) && !limited {
			// It may as well be the command: then it fails once more.
			intoCgroup(attr.Sys, -1)
			refused := err
			if c.pid, err = h.forkExec(path, l.Argv, attr); err == nil {
				h.kin.cgroups.fail(refused)
			}
			h.kin.cgroups.drop(c.cgroup)
			c.cgroup = ""
		}
	}
	if err != nil {
		h.kin.cgroups.drop(c.cgroup)
		if c.tty >= 0 {
			syscall.Close(c.tty)
		}
	}
	return c, err
}

// newChild makes the child of a launch and what package syscall wants to know of
// it. The descriptor of its cgroup, -1 for none, is the caller's to close.
func (h *hand) newChild(l *launch, cred *syscall.Credential) (c *child, attr *syscall.ProcAttr, cgroup int) {
	c = &child{runKey: l.key(), tag: l.Tag, reach: l.Reach, tty: -1, started: h.now()}
	attr = &syscall.ProcAttr{Dir: l.Dir, Env: l.Env, Files: make([]uintptr, len(l.Files))}
	for i, fd := range l.Files {
		if fd == -1 {
			fd = h.null
		}
		attr.Files[i] = uintptr(fd)
		if fd == closedFile {
			attr.Files[i] = ^uintptr(0) // as package syscall has it
		}
	}
	attr.Sys, c.tty = h.session(l)
	attr.Sys.Credential = cred
	cgroup = -1
	if l.Reach == spec.KillTree || l.Cgroup != (spec.Cgroup{}) {
		c.cgroup, cgroup = h.kin.cgroups.add()
		intoCgroup(attr.Sys, cgroup)
	}
	return c, attr, cgroup
}

// cgroupError is why a run cannot have the limits that it should.
type cgroupError struct{ err error }

func (e *cgroupError) Error() string { return "cgroup: " + e.err.Error() }
func (e *cgroupError) Unwrap() error { return e.err }

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
// the folder that the child will have. The search goes through the folders of
// PATH from the one with index from on; the index after that of the program is
// rest, 0 where nothing was searched.
func lookPath(l *launch, from int) (path string, rest int, err error) {
	if len(l.Argv) == 0 || l.Argv[0] == "" {
		return "", 0, errors.New("exec: no command")
	}
	name := l.Argv[0]
	if strings.Contains(name, "/") {
		return name, 0, nil
	}
	denied := ""
	dirs := searched(l)
	for i := from; i < len(dirs); i++ {
		file := filepath.Join(dirs[i], name)
		if dirs[i] == "" || !strings.Contains(file, "/") {
			file = "./" + name
		}
		where := inDir(l.Dir, file)
		info, err := os.Stat(where)
		if err == nil && info.Mode().IsRegular() {
			if access(where) == nil {
				return file, i + 1, nil
			}
			denied = file
		} else if errors.Is(err, fs.ErrPermission) {
			denied = file
		}
	}
	if denied != "" {
		return "", 0, fmt.Errorf("exec %s: %s: %w", name, denied, syscall.EACCES)
	}
	return "", 0, fmt.Errorf("exec %s: %w", name, errNotFound)
}

// searched returns the folders in which the program of a launch is looked for.
func searched(l *launch) []string {
	path := defaultPath
	for _, kv := range l.Env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	return strings.Split(path, ":")
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
	if refused := (*cgroupError)(nil); errors.As(err, &refused) {
		return err
	}
	switch err {
	case syscall.EAGAIN, syscall.ENOMEM:
		return fmt.Errorf("exec %s: %w (a limit of processes or memory is reached)", l.Argv[0], err)
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
	if err == syscall.EACCES && l.Rights.User != nil {
		// It may be the folder, too: this is not the user to find out.
		return fmt.Errorf("exec %s in %s as user %d: %w", l.Argv[0], l.Dir, l.Rights.User.UID, err)
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
	if r == nil {
		return
	}
	for len(r.fds) < reserved {
		fd, err := syscall.Open("/", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			return
		}
		r.fds = append(r.fds, fd)
	}
}

func (r *reserve) drop() {
	if r == nil {
		return
	}
	for _, fd := range r.fds {
		syscall.Close(fd)
	}
	r.fds = r.fds[:0]
}
