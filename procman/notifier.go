package procman

import (
	"bufio"
	"hash/fnv"
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
//
// Everybody can send to it who can reach it. Believed are the user that the
// process runs as, root, and descendants of the process, whatever they run as.
type notifier struct {
	socket *notify.Socket
	run    atomic.Uint64 // the latest
	uid    atomic.Uint32 // of its user
	pid    atomic.Int64  // of its first process; 0 before it is known
	main   atomic.Int64  // the pid that the run has named as its main one; 0 for none
	warned atomic.Uint64 // the run of which a stranger's message was told
	room   atomic.Int64  // for descriptors of the process to be stored
	full   atomic.Uint64 // the run of which it was told that there is none
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
		var err error
		if n, err = o.openNotifier(e); err != nil {
			return nil, err
		}
		o.notes[e.Node] = n
	} else if err := n.socket.Flush(flushTime); err != nil {
		// What is still in there would be taken for the words of the new run.
		o.m.log.Warn("notify socket not flushed", slog.String("process", e.Process.Name), slog.Any("err", err))
	}
	n.uid.Store(uidOf(e.Process))
	n.pid.Store(0)
	n.main.Store(0)
	n.room.Store(int64(roomFor(e.Process)))
	n.run.Store(e.Run)
	vars := []string{"NOTIFY_SOCKET=" + n.socket.Path()}
	if h := heartbeat(e.Process); h != nil {
		vars = append(vars, "WATCHDOG_USEC="+strconv.FormatInt(h.Timeout.Microseconds(), 10))
	}
	return vars, nil
}

// uidOf returns the user that a process runs as.
func uidOf(p *spec.Process) uint32 {
	if u := p.Rights.User; u != nil {
		return u.UID
	}
	return uint32(os.Geteuid())
}

func (o *outfitter) openNotifier(e tree.Start) (*notifier, error) {
	n := &notifier{}
	path, err := o.notifyPath(e.Process.Name)
	if err != nil {
		return nil, err
	}
	log := o.m.log.With(slog.String("process", e.Process.Name))
	opened := make(chan struct{})
	defer close(opened)
	deliver := func(d notify.Datagram) {
		<-opened // n.socket is set
		switch {
		case d.Message.Barrier: // its sender waits for just this
			return
		case n.believes(d):
			o.store(n, e.Process.Name, d)
			if pid := d.Message.MainPID; pid != 0 {
				n.main.Store(int64(pid))
			}
			o.m.Tell(n.event(e.Node, d))
			return
		}
		n.socket.Release(d.FDs)
		if run := n.run.Load(); n.warned.Swap(run) != run {
			log.Warn("notification of a stranger dropped", slog.Int("pid", d.PID), slog.Any("uid", d.UID))
		}
	}
	dropped := func(d notify.Drop) {
		log.Warn("notification dropped", slog.Int("pid", d.PID), slog.Any("err", d.Err))
	}
	if f := o.inherit(e.Node, 0); f != nil {
		n.socket, err = notify.Inherit(f, path, deliver, dropped)
	} else {
		n.socket, err = notify.Listen(path, deliver, dropped)
	}
	return n, err
}

// store does what a message of a process says of the descriptors that gosup
// keeps for it.
func (o *outfitter) store(n *notifier, process string, d notify.Datagram) {
	m := d.Message
	if m.FDStoreRemove && m.FDName != "" {
		o.descriptors.remove(process, m.FDName)
	}
	if len(d.FDs) == 0 {
		return
	}
	name := m.FDName
	if name == "" {
		name = "stored" // as sd_notify(3) has it
	}
	refused := o.descriptors.keep(process, d.FDs, storedFD{name: name, poll: m.FDPoll, uid: n.uid.Load()}, int(n.room.Load()))
	if run := n.run.Load(); refused > 0 && n.full.Swap(run) != run {
		o.m.log.Warn("descriptors of a process not stored: there is no room for more", slog.String("process", process),
			slog.String("name", name), slog.Int("count", refused))
	}
}

// notifyPath returns where the socket of a process is. The path of a socket is
// bounded, that of a name is not: so it has a number, which the next daemon finds
// again, for what it adopts goes on sending there.
func (o *outfitter) notifyPath(name string) (string, error) {
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
	o.notifyDir = dir
	h := fnv.New64a()
	h.Write([]byte(name))
	return filepath.Join(dir, strconv.FormatUint(h.Sum64(), 36)), nil
}

// believes reports whether a datagram comes from the process, as far as the
// kernel's word on its sender tells.
func (n *notifier) believes(d notify.Datagram) bool {
	return d.UID == n.uid.Load() || d.UID == 0 || descends(d.PID, int(n.pid.Load()))
}

// maxAncestors bounds the way up from a sender.
const maxAncestors = 64

// descends reports whether a living process is below another one.
func descends(pid, from int) bool {
	for range maxAncestors {
		switch {
		case pid <= 1 || from <= 1:
			return false
		case pid == from:
			return true
		}
		pid = parentOf(pid)
	}
	return false
}

// parentOf returns the parent of a process, 0 if that cannot be told.
func parentOf(pid int) int {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "PPid:"); ok {
			parent, _ := strconv.Atoi(strings.TrimSpace(text)) // 0 where it is none
			return parent
		}
	}
	return 0
}

// event translates a datagram.
func (n *notifier) event(id tree.NodeID, d notify.Datagram) tree.Notified {
	m := d.Message
	e := tree.Notified{Node: id, Run: n.run.Load(), Ready: m.Ready, Reloading: m.Reloading, Stopping: m.Stopping,
		Beat: m.Heartbeat(), Broken: m.Trigger, Requests: m.Requests, Errors: m.Errors, Extend: m.ExtendTimeout}
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
