package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// maxFDs is how many descriptors one datagram can carry: the kernel's
// SCM_MAX_FD.
const maxFDs = 253

// maxPath is the longest path in bytes that a socket can have, unix(7): one
// byte of sun_path is for the NUL that other programs rely on.
const maxPath = 107

// maxFailures is how often in a row reading may fail before it is given up.
const maxFailures = 100

// Socket receives notifications.
type Socket struct {
	conn    *net.UnixConn
	path    string
	file    fs.FileInfo // of path, as we made it
	deliver func(Datagram)
	dropped func(Drop)

	Closer               // for Release
	gate   *gate         // the reading goroutine's
	done   chan struct{} // closed when the reading goroutine has ended

	delivered, tooLong, malformed, flooded, strangers, closedFDs atomic.Uint64
}

// Listen opens a socket at path for everybody to write to; whether they can
// reach it is up to the folders above. A socket that a dead daemon left there
// is replaced, one that is in use and anything else is an error.
//
// From then on deliver gets each message and dropped hears of those that were
// not fit to be. Both are called on the socket's own goroutine, in the order
// of arrival, and must not block: while one of them runs, senders wait.
func Listen(path string, deliver func(Datagram), dropped func(Drop)) (*Socket, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("listen on %s: a socket's path has at most %d bytes (choose a shorter runtime_dir)", path, maxPath)
	}
	address := &net.UnixAddr{Name: path, Net: "unixgram"}
	if err := removeStale(address); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	// Set before there is an address to send to, so that every datagram comes
	// with credentials.
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return passCredentials(raw) }}
	conn, err := config.ListenPacket(context.Background(), "unixgram", path)
	if err != nil {
		return nil, fmt.Errorf("notify socket: %w", err)
	}
	s, err := start(conn, path, deliver, dropped)
	if err != nil {
		_ = os.Remove(path)
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return s, nil
}

// Inherit goes on with a socket at path that another daemon opened, by the
// descriptor that its File returned. It takes over f. What was sent in
// between is still in the socket.
func Inherit(f *os.File, path string, deliver func(Datagram), dropped func(Drop)) (*Socket, error) {
	conn, err := net.FilePacketConn(f)
	_ = f.Close()
	if err != nil {
		return nil, fmt.Errorf("inherit %s: %w", path, err)
	}
	s, err := start(conn, path, deliver, dropped)
	if err != nil {
		return nil, fmt.Errorf("inherit %s: %w", path, err)
	}
	return s, nil
}

// removeStale removes a socket on which nobody listens.
func removeStale(address *net.UnixAddr) error {
	info, err := os.Lstat(address.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is something else than a socket (remove it)")
	}
	conn, err := net.DialUnix("unixgram", nil, address)
	switch {
	case err == nil:
		_ = conn.Close()
		return syscall.EADDRINUSE
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(address.Name)
	default:
		return err
	}
}

func passCredentials(raw syscall.RawConn) error {
	var set error
	err := raw.Control(func(fd uintptr) {
		set = os.NewSyscallError("setsockopt", syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_PASSCRED, 1))
	})
	return errors.Join(err, set)
}

// start begins to read from packets, which it closes if that fails.
func start(packets net.PacketConn, path string, deliver func(Datagram), dropped func(Drop)) (_ *Socket, err error) {
	defer func() {
		if err != nil {
			_ = packets.Close()
		}
	}()
	conn, ok := packets.(*net.UnixConn)
	if !ok {
		return nil, errors.New("not a unix socket")
	}
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, err
	}
	file, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	s := &Socket{
		conn: conn, path: path, file: file, deliver: deliver, dropped: dropped,
		gate: newGate(), Closer: NewCloser(), done: make(chan struct{}),
	}
	go s.read() // ended by Close
	return s, nil
}

// Path returns what $NOTIFY_SOCKET is to be.
func (s *Socket) Path() string { return s.path }

// File returns a descriptor of the socket, for Inherit. It is the caller's.
func (s *Socket) File() (*os.File, error) { return s.conn.File() }

// Detach stops reading and returns a descriptor of the socket, for Inherit: what
// is sent from now on stays in there. No callback runs once it has returned.
func (s *Socket) Detach() (*os.File, error) {
	f, err := s.conn.File()
	err = errors.Join(err, s.conn.Close())
	<-s.done
	return f, err
}

// Stats returns the counts so far.
func (s *Socket) Stats() Stats {
	return Stats{
		Delivered: s.delivered.Load(),
		TooLong:   s.tooLong.Load(),
		Malformed: s.malformed.Load(),
		Flooded:   s.flooded.Load(),
		Strangers: s.strangers.Load(),
		ClosedFDs: s.closedFDs.Load(),
	}
}

// Flush returns once everything that was sent before has been delivered or
// dropped, or after timeout.
func (s *Socket) Flush(timeout time.Duration) error {
	from, to, err := os.Pipe()
	if err != nil {
		return err
	}
	defer from.Close()
	err = s.sendBarrier(to, time.Now().Add(timeout))
	// From here on the barrier's descriptor is the only one.
	if err := errors.Join(err, to.Close()); err != nil {
		return fmt.Errorf("flush %s: %w", s.path, err)
	}
	if err := from.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := from.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("flush %s: %w", s.path, err)
	}
	return nil
}

func (s *Socket) sendBarrier(to *os.File, deadline time.Time) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	return sendMessage(conn, "BARRIER=1", to)
}

// Close stops reading and removes the path if it is still ours. No callback
// runs once it has returned; so it must not be called from one.
func (s *Socket) Close() error {
	err := s.conn.Close()
	<-s.done
	if now, statErr := os.Lstat(s.path); statErr == nil && os.SameFile(s.file, now) {
		err = errors.Join(err, os.Remove(s.path))
	}
	return err
}

// read receives until the socket is closed.
func (s *Socket) read() {
	defer close(s.done)
	data := make([]byte, MaxSize)
	control := make([]byte, syscall.CmsgSpace(syscall.SizeofUcred)+syscall.CmsgSpace(4*maxFDs))
	for failures := 0; failures < maxFailures; {
		// The standard library asks for close-on-exec, MSG_CMSG_CLOEXEC.
		n, used, flags, _, err := s.conn.ReadMsgUnix(data, control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// recvmsg(2) fails here when the kernel is out of memory, say: the next
			// one may do. For ever would be a busy loop.
			failures++
			s.tell(sender{}, err)
			continue
		}
		failures = 0
		s.receive(data[:n], control[:used], flags)
	}
}

// sender is what the kernel attached to a datagram.
type sender struct {
	syscall.Ucred
	fds []int
}

// receive deals with one datagram.
func (s *Socket) receive(data, control []byte, flags int) {
	from := attached(control)
	m, err := s.judge(data, &from, flags)
	if err != nil {
		s.Release(from.fds)
		s.tell(from, err)
		return
	}
	d := Datagram{Message: m, PID: int(from.Pid), UID: from.Uid, GID: from.Gid}
	if m.FDStore {
		d.FDs, from.fds = from.fds, nil
	}
	s.delivered.Add(1)
	s.deliver(d)
	// A barrier's descriptor among them: its sender waits for this.
	s.Release(from.fds)
	if !m.Barrier {
		s.closedFDs.Add(uint64(len(from.fds)))
	}
}

// judge decides whether a datagram is fit to be delivered, and counts it if
// it is not.
func (s *Socket) judge(data []byte, from *sender, flags int) (Message, error) {
	now := time.Now()
	switch {
	case from.Pid <= 0:
		s.strangers.Add(1)
		return Message{}, ErrStranger
	case !s.gate.allow(uint32(from.Pid), from.Uid, now):
		s.flooded.Add(1)
		return Message{}, ErrFlood
	case flags&syscall.MSG_TRUNC != 0:
		s.tooLong.Add(1)
		return Message{}, ErrTooLong
	case flags&syscall.MSG_CTRUNC != 0:
		s.malformed.Add(1)
		return Message{}, ErrLostFDs
	}
	m, err := Parse(data)
	if err == nil && m.Barrier && len(from.fds) != 1 {
		err = ErrBarrier
	}
	if err != nil {
		s.malformed.Add(1)
	}
	return m, err
}

// tell reports a drop, unless that was just done.
func (s *Socket) tell(from sender, err error) {
	s.closedFDs.Add(uint64(len(from.fds)))
	if count, tell := s.gate.drop(uint32(from.Pid), from.Uid, time.Now()); tell {
		s.dropped(Drop{PID: int(from.Pid), UID: from.Uid, Err: err, Count: count})
	}
}

// attached reads control messages. All descriptors in them are returned,
// whatever else is wrong: they are open.
func attached(control []byte) (from sender) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return from
	}
	for _, m := range messages {
		if m.Header.Level != syscall.SOL_SOCKET {
			continue
		}
		switch m.Header.Type {
		case syscall.SCM_RIGHTS:
			if fds, err := syscall.ParseUnixRights(&m); err == nil {
				from.fds = append(from.fds, fds...)
			}
		case syscall.SCM_CREDENTIALS:
			if c, err := syscall.ParseUnixCredentials(&m); err == nil {
				from.Ucred = *c
			}
		}
	}
	return from
}
