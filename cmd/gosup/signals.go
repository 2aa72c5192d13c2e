package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

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
		signal.Notify(c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	}
	done := make(chan struct{})
	go func() { // ends with stop
		var asked end
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

// end is the first TERM or INT, and when it came. The zero value is none.
type end struct {
	signal syscall.Signal
	at     time.Time
}

// echoTime is how soon the same signal again is taken for an echo of the first
// one: timeout(1) signals its command and then the group that the command is
// in, and nobody means that as a second request.
const echoTime = 20 * time.Millisecond

func (e end) echoed(by syscall.Signal, at time.Time) bool {
	return by == e.signal && at.Sub(e.at) < echoTime
}

// handle acts on one signal. asked is the TERM or INT that came before; the
// result is the one that has come by now.
func (d *daemon) handle(s syscall.Signal, asked end) end {
	switch {
	case s == syscall.SIGTERM || s == syscall.SIGINT:
		now := time.Now()
		if asked.echoed(s, now) {
			return asked
		}
		urgency, by := tree.Orderly, signalName(s)
		if asked.signal != 0 {
			urgency = tree.AtOnce
		} else {
			asked = end{signal: s, at: now}
		}
		e := tree.Shutdown{Urgency: urgency, By: by}
		if d.single {
			e.Signal = int(s)
		}
		d.manager.Tell(e)
	case d.single:
		d.forward(s)
	case s == syscall.SIGQUIT:
		d.manager.Shutdown(tree.Quick, signalName(s), "")
	case s == syscall.SIGHUP:
		_, _ = d.reload.Reload(signalName(s), "") // it is logged there
	case s == syscall.SIGUSR1:
		d.pump.Reopen()
	case s == syscall.SIGUSR2:
		go func() { _, _ = d.upgrader.Upgrade(context.Background(), signalName(s), "") }() // it is logged there
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
