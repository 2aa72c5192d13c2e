package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"gosup/config"
	"gosup/spec"
	"gosup/tree"
)

// handleSignals turns what is sent to the daemon into wishes, until the
// function that it returns is called.
func (d *daemon) handleSignals() (stop func()) {
	// Room for a burst: what does not fit is lost.
	c := make(chan os.Signal, 64)
	if d.single {
		signal.Notify(c)
	} else {
		signal.Notify(c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1)
	}
	done := make(chan struct{})
	go func() { // ends with stop
		asked := false
		for {
			select {
			case s := <-c:
				asked = d.handle(s.(syscall.Signal), asked)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(c)
		close(done)
	}
}

// handle acts on one signal. asked says whether TERM or INT came before; the
// result says whether they have now.
func (d *daemon) handle(s syscall.Signal, asked bool) bool {
	switch {
	case s == syscall.SIGTERM || s == syscall.SIGINT:
		urgency, by := tree.Orderly, signalName(s)
		if asked {
			urgency = tree.AtOnce
		}
		e := tree.Shutdown{Urgency: urgency, By: by}
		if d.single {
			e.Signal = int(s)
		}
		d.manager.Tell(e)
		return true
	case d.single:
		d.forward(s)
	case s == syscall.SIGQUIT:
		d.manager.Shutdown(tree.Quick, signalName(s), "")
	case s == syscall.SIGHUP:
		d.reloadFile(signalName(s))
	case s == syscall.SIGUSR1:
		d.pump.Reopen()
	}
	return asked
}

// forward hands a signal on to the one command. Not those that are gosup's
// own: of its children, of its runtime's scheduler (SIGURG), and of the pipe
// that its own log goes to.
func (d *daemon) forward(s syscall.Signal) {
	if s == syscall.SIGCHLD || s == syscall.SIGURG || s == syscall.SIGPIPE {
		return
	}
	// The answer says only that there is nobody to send it to.
	_, _ = d.manager.Ask(context.Background(), tree.Asked{
		Verb: tree.AskSignal, Names: []string{"all"}, Signal: int(s), By: signalName(s),
	})
}

// reloadFile applies what the file says now, or nothing of it.
func (d *daemon) reloadFile(by string) config.Problems {
	t, problems := d.reload()
	for _, p := range problems {
		d.log.Warn("reload", "problem", p.String())
	}
	if problems.Failed() {
		d.log.Error("reload refused: nothing was changed")
		return problems
	}
	d.keepFolders(t)
	d.manager.Tell(tree.Reloaded{Tree: t, By: by})
	return problems
}

// keepFolders says which settings of the daemon itself a reload cannot change.
func (d *daemon) keepFolders(t *spec.Tree) {
	old := d.tree.Supervisor
	if t.Supervisor.RuntimeDir != old.RuntimeDir || t.Supervisor.Socket != old.Socket {
		d.log.Warn("runtime_dir and socket stay as they are until gosup is started anew")
	}
}
