package procman

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gosup/journal"
	"gosup/spec"
	"gosup/tree"
)

// A daemon can be replaced by another program, usually a newer gosup, with
// execve(2): the pid stays, children stay children, and a descriptor that is
// not marked close-on-exec stays open. What the next daemon has to know it is
// handed in a file in memory; the rest it finds like one that comes after a
// death, see Past: there is one way to take over, and it is always tested.
//
//	Suspend    the loop lets what it has ordered be answered, and ends
//	HandOff    hand, outfitter, saver end; processes, FIFOs, sockets stay
//	Descriptor, then execve
//	OpenHandoff, New   in the new program

// Handoff is what a daemon leaves to the one that goes on in its place, in the
// same operating system process.
type Handoff struct {
	Version string `json:"version"` // of the gosup that wrote it
	By      string `json:"by"`
	Why     string `json:"why"`

	// Descriptors of the daemon's own, 0 for none.
	Lock   int `json:"lock"`
	Socket int `json:"socket"`
	Port   int `json:"port"`

	Outputs     []int          `json:"outputs"` // FIFOs: while they are open, nothing in them is lost
	State       []byte         `json:"state"`   // as package journal encodes it
	Events      journal.Events `json:"events"`  // that the loop has not taken
	Ears        []heldEar      `json:"ears"`
	Descriptors []heldFD       `json:"descriptors"`
	Hooks       []heldHook     `json:"hooks"`
}

// heldEar is a descriptor on which a process is heard.
type heldEar struct {
	Node tree.NodeID
	Run  uint64 // of a pipe on which that run says that it is ready; 0 for a $NOTIFY_SOCKET
	FD   int
}

const (
	handoffFormat  = "gosup handoff"
	handoffVersion = 1
	// maxHandoffBytes bounds what is read of one.
	maxHandoffBytes = 1 << 30
)

// suspension asks the loop to end with all that it has ordered answered.
type suspension struct {
	refused chan<- error // gets why not; buffered by one
	broken  bool         // see Break
}

// ErrStopping is why a daemon that is shutting down is not replaced.
var ErrStopping = errors.New("gosup is shutting down")

// Suspend makes Run return, once each start that is under way is answered, and
// Suspended true from then on. Where that is not so before ctx is over, or the
// daemon is shutting down, all goes on as if it had not been asked.
func (m *Manager) Suspend(ctx context.Context) error {
	refused := make(chan error, 1)
	m.inbox.put(wish{suspend: &suspension{refused: refused}})
	select {
	case <-m.ended:
		if m.suspended {
			return nil
		}
		return ErrEnded
	case err := <-refused:
		return err
	case <-ctx.Done():
	}
	m.inbox.put(wish{suspend: &suspension{}})
	select {
	case <-m.ended: // it was too late to take that back
		return nil
	case <-refused:
		return fmt.Errorf("a start is under way and does not end: %w", ctx.Err())
	}
}

// Break makes the loop panic, as a fault of its own would.
func (m *Manager) Break() { m.inbox.put(wish{suspend: &suspension{broken: true}}) }

// Suspended reports whether Run has returned because of Suspend. It is to be
// asked after Run has.
func (m *Manager) Suspended() bool { return m.suspended }

// suspend is the loop's part of Suspend: from now on no start is handed out.
func (m *Manager) suspend(s *suspension) {
	switch {
	case s.broken:
		panic("the loop was told to break")
	case s.refused == nil: // taken back
		if m.suspending != nil {
			m.suspending.refused <- nil
			m.suspending = nil
		}
		for _, e := range m.withheld {
			m.starting++
			m.crew.start(e)
		}
		m.withheld = nil
	case m.suspending != nil:
		s.refused <- errors.New("gosup is being replaced already")
	case m.tree.Shutdown():
		s.refused <- ErrStopping
	default:
		m.suspending = s
	}
}

// HandOff ends this daemon in favour of another, and returns what that has to
// know. It is to be called after Run has returned and Suspended is true. From
// then on processes are nobody's until the other one is there.
func (m *Manager) HandOff(ctx context.Context) (*Handoff, error) {
	o, ok := m.crew.(*outfitter)
	if !ok {
		return nil, errors.New("hand off: there is no crew")
	}
	if err := m.hand.retire(ctx); err != nil {
		return nil, err
	}
	o.retire()
	ears, err := o.detach()
	h := &Handoff{Ears: ears, Descriptors: o.descriptors.export(), Hooks: m.tasks.leave()}
	m.reporter.wait(ctx)
	m.saver.close(ctx)
	var stateErr, holdErr error
	h.State, stateErr = m.saver.state(&moment{m.tree.Image(), m.defined, false})
	h.Outputs, holdErr = m.opt.Pump.Hold()
	return h, errors.Join(err, stateErr, holdErr, m.opt.Pump.Close())
}

// Late takes what the loop has been told since HandOff.
func (m *Manager) Late(h *Handoff) {
	wishes, _ := m.inbox.take(nil)
	for _, w := range wishes {
		if _, asked := w.event.(tree.Asked); w.event != nil && !asked {
			h.Events = append(h.Events, w.event)
		}
	}
}

// Descriptor writes h to a file in memory and returns its descriptor, which,
// like all that h names, is left to the program that is executed next.
func (h *Handoff) Descriptor() (int, error) {
	body, err := json.Marshal(h)
	if err != nil {
		return -1, fmt.Errorf("hand off: %w", err)
	}
	f, err := memoryFile("gosup handoff", journal.Seal(handoffFormat, handoffVersion, body))
	if err != nil {
		return -1, fmt.Errorf("hand off: %w", err)
	}
	defer f.Close()
	fd, err := unix.Dup(int(f.Fd())) // f closes its own when it is collected
	if err != nil {
		return -1, os.NewSyscallError("dup", err)
	}
	for _, held := range h.fds() {
		if _, err := unix.FcntlInt(uintptr(held), unix.F_SETFD, 0); err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("hand off descriptor %d: %w", held, err)
		}
	}
	return fd, nil
}

// fds returns all descriptors that h names.
func (h *Handoff) fds() (all []int) {
	for _, fd := range []int{h.Lock, h.Socket, h.Port} {
		if fd > 0 {
			all = append(all, fd)
		}
	}
	all = append(all, h.Outputs...)
	for _, e := range h.Ears {
		all = append(all, e.FD)
	}
	for _, d := range h.Descriptors {
		all = append(all, d.FD)
	}
	return all
}

// OpenHandoff reads what the daemon that has executed this program has left in
// a descriptor. The error says what is wrong with it.
func OpenHandoff(fd int) (*Handoff, error) {
	f := os.NewFile(uintptr(fd), "handoff")
	if f == nil {
		return nil, fmt.Errorf("descriptor %d is none", fd)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxHandoffBytes {
		return nil, fmt.Errorf("descriptor %d is no handoff", fd)
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil {
		return nil, err
	}
	return decodeHandoff(data)
}

func decodeHandoff(data []byte) (*Handoff, error) {
	body, err := journal.Unseal(handoffFormat, handoffVersion, data)
	if err != nil {
		return nil, err
	}
	h := &Handoff{}
	if err := json.Unmarshal(body, h); err != nil {
		return nil, fmt.Errorf("it makes no sense: %w", err)
	}
	if _, err := journal.Decode(h.State); err != nil {
		return nil, fmt.Errorf("its state: %w", err)
	}
	return h, nil
}

// Inherit makes the past that of the daemon that has executed this program: it
// knows more than its files say.
func (p *Past) Inherit(h *Handoff, version string) error {
	state, err := journal.Decode(h.State)
	if err != nil {
		return err
	}
	p.state, p.handoff = state, h
	p.began = "upgraded from " + h.Version + " to " + version + " by " + h.By
	if h.Why != "" {
		p.began += ": " + h.Why
	}
	return nil
}

// Rehearse has another program read what it would be handed, and returns what it
// answers: its version. The program is run with these arguments and environment,
// to which $GOSUP_REHEARSAL is added, the number of a descriptor from which it
// gets a Handoff; it answers with a Rehearsal. The error says why it is no
// program to go on with.
func (m *Manager) Rehearse(ctx context.Context, argv, env []string, h *Handoff) (string, error) {
	var err error
	if h.State, err = m.saver.rehearse(); err != nil {
		return "", err
	}
	body, err := json.Marshal(h)
	if err != nil {
		return "", err
	}
	in, err := memoryFile("gosup rehearsal", journal.Seal(handoffFormat, handoffVersion, body))
	if err != nil {
		return "", err
	}
	defer in.Close()
	from, to, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer from.Close()
	said := make(chan []byte, 1)
	go func() { // ends when the pipe is closed, or with from
		text, _ := io.ReadAll(io.LimitReader(from, maxRehearsalBytes))
		said <- text
	}()
	l := launch{Argv: argv, Env: append(slices.Clone(env), RehearsalVariable+"=3", "GOSUP_RUN="+m.tag("upgrade")),
		Files: []int{-1, int(to.Fd()), int(to.Fd()), int(in.Fd())}}
	end := m.tasks.run(l, errand{timeout: rehearsalTimeout, cancel: ctx.Done()})
	to.Close()
	_ = from.SetReadDeadline(time.Now().Add(drainTime))
	last := lastLine(bytes.NewReader(<-said)) // warnings of the file may come before
	var r Rehearsal
	switch {
	case end.why != "":
		return "", errors.New(end.why)
	case end.cancelled:
		return "", ErrEnded
	case end.timedOut:
		return "", fmt.Errorf("it did not answer within %s (is it a gosup?)", tree.Seconds(rehearsalTimeout))
	case end.exit.Signal != 0 || end.exit.Code != 0:
		return "", fmt.Errorf("it %s: %s", end.exit, spec.Line(last, 300))
	case json.Unmarshal([]byte(last), &r) != nil || r.Version == "" || r.Handoff != handoffVersion:
		return "", errors.New("its answer is not that of a gosup that can go on with this one's work")
	}
	return r.Version, nil
}

const (
	// RehearsalVariable is set for a program that is asked whether it can go on.
	RehearsalVariable = "GOSUP_REHEARSAL"
	// HandoffVariable is set for one that does: the number of a descriptor.
	HandoffVariable = "GOSUP_HANDOFF"

	rehearsalTimeout  = 10 * time.Second
	maxRehearsalBytes = 64 << 10
)

// Rehearsal is the answer of a program that can go on.
type Rehearsal struct {
	Version string `json:"version"`
	Handoff int    `json:"handoff"`
}

// Rehearsed reads what it would be handed and says whether it could go on with
// it, under the definition s.
func Rehearsed(fd int, s *spec.Tree, version string) (r Rehearsal, err error) {
	h, err := OpenHandoff(fd)
	if err != nil {
		return r, err
	}
	past := &Past{boot: bootID()}
	if err := past.Inherit(h, version); err != nil {
		return r, err
	}
	c := newClock()
	t := past.reborn(s, 1, c, past.supervisor(), nil, 0)
	t.tree.Step(c.now(), t.events, nil)
	return Rehearsal{Version: version, Handoff: handoffVersion}, nil
}
