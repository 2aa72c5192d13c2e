package procman

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"gosup/notify"
	"gosup/spec"
	"gosup/tree"
)

// notifier is the $NOTIFY_SOCKET of one process. Each process that talks to
// gosup has a socket of its own, so who has sent a datagram is known also when
// the sender is gone by then, as the one of systemd-notify(1) is.
type notifier struct {
	socket *notify.Socket
	run    atomic.Uint64 // the latest
}

// talks reports whether a process is given a $NOTIFY_SOCKET.
func talks(p *spec.Process) bool {
	return p.Readiness != nil && p.Readiness.Notify || heartbeat(p) != nil
}

func heartbeat(p *spec.Process) *spec.Heartbeat {
	for i := range p.Checks {
		if h := p.Checks[i].Heartbeat; h != nil {
			return h
		}
	}
	return nil
}

// listenTo opens the socket of a process, once, and returns the variables that
// tell a run of it.
func (o *outfitter) listenTo(e tree.Start) ([]string, error) {
	n := o.notes[e.Node]
	if n == nil {
		n = &notifier{}
		path, err := o.notifyPath(e.Node)
		if err != nil {
			return nil, err
		}
		deliver := func(d notify.Datagram) { o.m.Tell(n.event(e.Node, d)) }
		dropped := func(d notify.Drop) {
			o.m.log.Warn("notification dropped", slog.String("process", e.Process.Name),
				slog.Int("pid", d.PID), slog.Any("err", d.Err))
		}
		if n.socket, err = notify.Listen(path, deliver, dropped); err != nil {
			return nil, err
		}
		o.notes[e.Node] = n
	}
	n.run.Store(e.Run)
	vars := []string{"NOTIFY_SOCKET=" + n.socket.Path()}
	if h := heartbeat(e.Process); h != nil {
		vars = append(vars, "WATCHDOG_USEC="+strconv.FormatInt(h.Timeout.Microseconds(), 10))
	}
	return vars, nil
}

// notifyPath returns where the socket of a node is. The path of a socket is
// bounded, that of a name is not: so it has a number.
func (o *outfitter) notifyPath(id tree.NodeID) (string, error) {
	dir := o.m.opt.Tree.Supervisor.RuntimeDir
	if dir == "" {
		dir = o.scratch
	}
	if dir == "" {
		made, err := os.MkdirTemp("", "gosup-")
		if err != nil {
			return "", err
		}
		o.scratch, dir = made, made
		// The users that processes run as must be able to send.
		if err := os.Chmod(dir, 0o711); err != nil {
			return "", err
		}
	}
	dir = filepath.Join(dir, "notify")
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return "", err
	}
	return filepath.Join(dir, strconv.FormatUint(uint64(id), 10)), nil
}

// event translates a datagram.
func (n *notifier) event(id tree.NodeID, d notify.Datagram) tree.Notified {
	m := d.Message
	e := tree.Notified{Node: id, Run: n.run.Load(), Ready: m.Ready, Beat: m.Heartbeat(), Broken: m.Trigger,
		Requests: m.Requests, Errors: m.Errors, Extend: m.ExtendTimeout}
	if status := strings.TrimSpace(m.Status); status != "" {
		e.Status = &status
	}
	return e
}

// hush closes the socket of a node.
func (o *outfitter) hush(id tree.NodeID) {
	n := o.notes[id]
	if n == nil {
		return
	}
	delete(o.notes, id)
	if err := n.socket.Close(); err != nil {
		o.m.log.Warn("notify socket not closed", slog.Any("err", err))
	}
}
