package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"gosup/control"
	"gosup/procman"
	"gosup/spec"
)

// upgrader makes the daemon go on as the program that is on the disk now: the
// same operating system process, the same children, not a line of output lost.
// The new program first has to read what it would be handed and to say that it
// can go on with it; where it cannot, nothing happens.
type upgrader struct {
	d    *daemon
	path string // of the program

	mu   sync.Mutex // one at a time
	by   string     // of the one that is decided
	why  string
	stay net.Listener // of the control socket; nil for none
}

// suspendTimeout is how long is waited for starts that are under way.
const suspendTimeout = 10 * time.Second

// newUpgrader is called before anything can have replaced the program.
func newUpgrader(d *daemon) *upgrader {
	u := &upgrader{d: d}
	u.path, _ = os.Executable() // where it fails, the first upgrade says that there is no such file
	// By the name that it was called by, if it is that: it may be a link to the
	// newest one.
	if called, err := exec.LookPath(os.Args[0]); err == nil && sameProgram(called, u.path) {
		u.path, _ = filepath.Abs(called)
	}
	return u
}

// sameProgram reports whether two paths lead to one file.
func sameProgram(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// Upgrade is control.Upgrader's.
func (u *upgrader) Upgrade(ctx context.Context, by, why string) (control.Upgrade, error) {
	if !u.mu.TryLock() {
		return control.Upgrade{}, errors.New("another upgrade is under way")
	}
	to, err := u.prepare(ctx, by, why)
	if err != nil {
		u.mu.Unlock()
		u.d.log.Error("upgrade refused: this gosup goes on", "err", err)
		return control.Upgrade{}, err
	}
	// Locked for good: what comes next is execve.
	u.by, u.why = by, why
	return control.Upgrade{From: version(), To: to, PID: os.Getpid()}, nil
}

// prepare tries all that can fail, and suspends the daemon.
func (u *upgrader) prepare(ctx context.Context, by, why string) (to string, err error) {
	if u.d.tree.Supervisor.RuntimeDir == "" {
		return "", errors.New("without a runtime_dir the output of processes cannot be handed on")
	}
	r := u.d.reload
	r.mu.Lock() // for good, if it succeeds: no reload comes between
	defer func() {
		if err != nil {
			r.mu.Unlock()
		}
	}()
	switch _, plan := r.plan("", r.scaled); {
	case plan.Rejected:
		return "", fmt.Errorf("%s has errors, and the new gosup would read it: %s", r.file, strings.Join(plan.Problems, "; "))
	case len(plan.Changes) > 0:
		return "", fmt.Errorf("%s has changes that are not applied (see gosup ctl plan, then gosup ctl reload)", r.file)
	}
	argv := append([]string{u.path}, os.Args[1:]...)
	h := &procman.Handoff{Version: version(), By: by, Why: why}
	if to, err = u.d.manager.Rehearse(ctx, argv, os.Environ(), h); err != nil {
		return "", fmt.Errorf("%s: %w", u.path, err)
	}
	late, cancel := context.WithTimeout(context.Background(), suspendTimeout)
	defer cancel()
	return to, u.d.manager.Suspend(late)
}

// become executes the new program. It returns only where that is not possible,
// and the one that runs neither.
func (u *upgrader) become() error {
	d := u.d
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	socket, port, err := u.keepDoors()
	d.server.Close(ctx)
	d.watcher.Close()
	h, handErr := d.manager.HandOff(ctx)
	if h == nil {
		return handErr
	}
	if err = errors.Join(err, handErr); err != nil {
		d.log.Warn("not all is handed on", "err", err)
	}
	h.Version, h.By, h.Why, h.Socket, h.Port = version(), u.by, u.why, socket, port
	if h.Lock, err = d.lock.Hand(); err != nil {
		return err
	}
	procman.HoldSignals()
	d.manager.Late(h)
	fd, err := h.Descriptor()
	if err != nil {
		return err
	}
	d.own.close()
	env := append(os.Environ(), procman.HandoffVariable+"="+strconv.Itoa(fd))
	err = syscall.Exec(u.path, os.Args, env)
	// The program has gone since it was asked. This one's is still there.
	fmt.Fprintf(os.Stderr, "gosup: %s cannot be executed, the old one goes on: %v\n", u.path, err)
	return fmt.Errorf("execute myself: %w", syscall.Exec("/proc/self/exe", os.Args, env))
}

// keepDoors returns descriptors of what the daemon listens on, 0 for none.
func (u *upgrader) keepDoors() (socket, port int, err error) {
	if u.stay != nil {
		socket, err = control.Keep(u.stay)
	}
	if tcp, ok := u.d.port.listener.(*net.TCPListener); ok {
		f, fileErr := tcp.File()
		if fileErr != nil {
			return max(socket, 0), 0, errors.Join(err, fileErr)
		}
		defer f.Close()
		fd, dupErr := syscall.Dup(int(f.Fd()))
		return max(socket, 0), max(fd, 0), errors.Join(err, dupErr)
	}
	return max(socket, 0), 0, err
}

// takeHandoff returns what the daemon that has executed this program has left;
// nil if there was none. What cannot be read is as good as none: then the
// processes are found as after a death.
func (d *daemon) takeHandoff() *procman.Handoff {
	text, ok := os.LookupEnv(procman.HandoffVariable)
	if !ok {
		return nil
	}
	os.Unsetenv(procman.HandoffVariable)
	fd, err := strconv.Atoi(text)
	if err == nil {
		var h *procman.Handoff
		if h, err = procman.OpenHandoff(fd); err == nil {
			return h
		}
	}
	d.log.Error("what was handed on cannot be read: processes are found as after a death", "err", err)
	return nil
}

// rehearse answers a daemon that asks whether this program could go on in its
// place under the definition t. It touches nothing.
func rehearse(fd string, t *spec.Tree) error {
	n, err := strconv.Atoi(fd)
	if err != nil {
		return usageErrorf("run: $%s is for gosup itself", procman.RehearsalVariable)
	}
	r, err := procman.Rehearsed(n, t, version())
	if err != nil {
		return fmt.Errorf("this gosup (%s) cannot go on with what the running one knows: %w", version(), err)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}
