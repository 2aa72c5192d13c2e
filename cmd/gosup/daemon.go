package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"os/user"

	"gosup/config"
	"gosup/control"
	"gosup/logs"
	"gosup/procman"
	"gosup/spec"
	"gosup/tree"
)

// daemon wires the parts of a supervisor together and runs it.
type daemon struct {
	tree   *spec.Tree
	output spec.Output // what `output: auto` means
	single bool        // one command, no file
	reload *reloader   // nil without a file
	pprof  string      // the socket of servePprof; "" for none

	own     *ownLog
	log     *slog.Logger
	lock    *procman.Lock
	past    *procman.Past
	pump    *logs.Pump
	manager *procman.Manager
	server  *control.Server
	herald  *procman.Herald // nil where nobody above wants to hear
	port    port            // changed by a reload
	watcher *config.Watcher

	upgrader *upgrader        // nil without a file
	handoff  *procman.Handoff // of the daemon that has executed this program; nil for none
}

// run supervises until the end and returns the daemon's exit code as an error.
func (d *daemon) run() error {
	procman.Prepare()
	if !d.single {
		// Whatever umask gosup was started with: processes that set none have the
		// usual one.
		syscall.Umask(0o022)
	}
	d.own = openLog(d.tree.Supervisor, os.Stderr)
	defer d.own.close()
	d.log = d.own.Logger
	d.handoff = d.takeHandoff()
	if err := d.claim(); err != nil {
		return err
	}
	if d.lock != nil {
		defer d.lock.Release()
	}
	d.past = procman.OpenPast(d.tree.Supervisor, d.log)
	if d.handoff != nil {
		if err := d.past.Inherit(d.handoff, version()); err != nil {
			return err // it was decoded once
		}
	}
	if d.reload != nil {
		d.upgrader = newUpgrader(d)
		d.reload.remember(d.past.Scaled())
		d.tree = d.reload.tree
	}
	listener, err := d.listen()
	if err != nil {
		return err
	}
	door, err := openPort(d.tree.Supervisor, d.inheritPort())
	if err == nil {
		err = d.open()
	}
	if err != nil {
		if listener != nil {
			listener.Close() // it removes the socket
		}
		return err
	}
	d.server = d.newServer()
	d.usePort(door)
	d.herald = procman.NewHerald(d.manager, os.Getenv)
	d.watcher = config.NewWatcher(func(err error) { d.log.Warn("watch", "err", err) })
	if d.reload != nil {
		d.reload.d = d
		d.reload.watch()
	}
	if d.pprof != "" {
		stop, err := servePprof(d.pprof, d.manager.Break)
		if err != nil {
			return err
		}
		defer stop()
	}
	stop := d.handleSignals()
	if listener != nil {
		if d.upgrader != nil {
			d.upgrader.stay = listener
		}
		go d.serve(listener)
	}
	set := d.tree.Supervisor
	d.log.Info("daemon", "state", "started", "version", version(), "socket", set.Socket, "logs", set.LogDir)
	code := d.supervise()
	if d.manager.Suspended() {
		return d.upgrader.become()
	}
	stop()
	d.herald.Close()
	d.watcher.Close()
	d.close()
	if d.single {
		code = d.commandCode(code)
	}
	if code != 0 {
		return &exitError{code: code}
	}
	return nil
}

// claim takes the runtime folder. Where there can be none, as in a container
// with a read-only root, gosup runs without.
func (d *daemon) claim() error {
	s := &d.tree.Supervisor
	if s.RuntimeDir == "" {
		return nil
	}
	if d.handoff != nil {
		var err error
		if d.lock, err = procman.InheritLock(d.handoff.Lock, s.RuntimeDir); err == nil {
			return nil
		}
		d.log.Warn("the claim on the runtime folder is taken anew", "err", err)
	}
	lock, err := procman.Claim(s.RuntimeDir)
	if errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) {
		d.log.Warn("no runtime folder: no gosup ctl, no second daemon noticed, output through pipes", "err", err)
		if filepath.Dir(s.Socket) == s.RuntimeDir {
			s.Socket = ""
		}
		s.RuntimeDir = ""
		return nil
	}
	d.lock = lock
	return err
}

// listen opens the control socket. A daemon that a container starts with no
// place for one runs without.
func (d *daemon) listen() (net.Listener, error) {
	s := d.tree.Supervisor
	if s.Socket == "" {
		return nil, nil
	}
	gid, err := groupID(s.SocketGroup)
	if err != nil {
		return nil, &exitError{code: exitConfig, err: err}
	}
	if d.handoff != nil && d.handoff.Socket > 0 {
		l, err := control.Inherit(d.handoff.Socket, s.Socket)
		if err == nil {
			return l, nil
		}
		d.log.Warn("the control socket is opened anew", "err", err)
	}
	l, err := control.Listen(control.Socket{Path: s.Socket, Mode: fs.FileMode(s.SocketMode), GID: gid})
	if errors.Is(err, syscall.EROFS) || d.lock == nil && errors.Is(err, fs.ErrPermission) {
		d.log.Warn("no control socket: gosup ctl cannot reach this daemon", "err", err)
		return nil, nil
	}
	return l, err
}

// inheritPort returns the TCP listener of the daemon that has executed this
// program, as far as there is one.
func (d *daemon) inheritPort() port {
	if d.handoff == nil || d.handoff.Port == 0 {
		return port{}
	}
	f := os.NewFile(uintptr(d.handoff.Port), "listen")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		d.log.Warn("the TCP address is opened anew", "err", err)
		return port{}
	}
	return port{listener: l, address: d.tree.Supervisor.Listen}
}

// groupID returns the number of a group, or -1 for none.
func groupID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if gid, err := strconv.Atoi(name); err == nil {
		return gid, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return -1, fmt.Errorf("supervisor.socket_group: there is no group %q (create it, or name another)", name)
	}
	return strconv.Atoi(g.Gid)
}

// open makes what supervises.
func (d *daemon) open() error {
	pump, err := logs.NewPump(logs.Options{
		RuntimeDir: d.tree.Supervisor.RuntimeDir,
		Stdout:     os.Stdout, Stderr: os.Stderr, Color: colorful(os.Stdout), Logger: d.log,
	})
	if err != nil {
		return err
	}
	d.pump = pump
	d.manager = procman.New(procman.Options{
		Tree: d.tree, Environ: os.Environ(), Pump: pump, Logger: d.log, Output: d.output, Single: d.single, Past: d.past,
	})
	return nil
}

func (d *daemon) newServer() *control.Server {
	gid, _ := groupID(d.tree.Supervisor.SocketGroup) // listen has looked it up
	o := control.Options{
		Version: version(),
		Access:  control.Access{UID: os.Getuid(), GID: gid},
		Log:     d.log,
	}
	if d.reload != nil {
		o.Reloader, o.Upgrader = d.reload, d.upgrader
	}
	return control.NewServer(d.manager, o)
}

// serve answers the control socket until close.
func (d *daemon) serve(l net.Listener) {
	// Before its first step the tree shows what the last daemon knew.
	if _, err := d.manager.Changed(context.Background(), 0); err != nil {
		return
	}
	if err := d.server.Serve(l); err != nil {
		d.log.Error("control socket lost", "err", err)
	}
}

// close ends the parts, those that depend on others first.
func (d *daemon) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	d.server.Close(ctx)
	if err := d.manager.Close(ctx); err != nil {
		d.log.Warn("not closed in time", "err", err)
	}
	if dir := d.tree.Supervisor.RuntimeDir; dir != "" {
		// Empty but for what could not be removed; the folder itself stays.
		_ = os.Remove(filepath.Join(dir, "fifo"))
	}
}

// commandCode returns what `run -- CMD` exits with: the command's own code.
func (d *daemon) commandCode(code int) int {
	for _, n := range d.manager.Snapshot().Nodes {
		if exit := n.LastExit; exit != nil && exit.Cause != tree.NotStarted {
			return exit.ShellCode()
		}
	}
	return code
}

// fileOutput returns what `output: auto` means for the processes of a file:
// the console where gosup is PID 1, whose output is the container's log; both
// on a terminal; else files.
func fileOutput() spec.Output {
	switch {
	case os.Getpid() == 1:
		return spec.OutputConsole
	case isTerminal(os.Stdout):
		return spec.OutputBoth
	default:
		return spec.OutputFile
	}
}
