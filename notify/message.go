// Package notify speaks the protocol of $NOTIFY_SOCKET, sd_notify(3): what
// processes tell their supervisor, and what this daemon tells the one above
// it.
//
// It owns the bytes, the socket and the kernel's word on who sent them. It
// knows no process, state or health: which process a sender belongs to, and
// what a message changes, is its caller's business.
//
// The entry points are Listen, called by procman, and Send. A Socket has one
// goroutine, which sleeps in the netpoller until a datagram comes; the
// callbacks run on it, one at a time.
//
// # Who sent it
//
// All processes share one socket, which everybody may write to. The kernel
// attaches the sender's pid, uid and gid to every datagram (SO_PASSCRED,
// unix(7)), so nobody but root can speak for another. The pid is that of the
// moment of sending. A sender that has exited since is still named by it, but
// /proc no longer knows it, so that only a process that the caller started
// itself can be told by its pid alone; a helper's last word may be from
// nobody, and its pid may, much later, be another's. Callers therefore look
// the sender up inside the callback. A helper that waits for that sends
// BARRIER=1 afterwards, as systemd-notify does: it is released once the
// callbacks for everything before have returned. A pidfd (SO_PASSPIDFD) would
// not help: tried on Linux 6.18, it outlives the sender but does not tell its
// parent.
package notify

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"gosup/spec"
)

// MaxSize is the largest datagram in bytes that is read.
const MaxSize = 4096

// maxStatus bounds Message.Status, in runes.
const maxStatus = 200

// Message is what one datagram says. Keys that are not known are left out.
type Message struct {
	Ready     bool // READY=1
	Reloading bool // RELOADING=1
	Stopping  bool // STOPPING=1
	Watchdog  bool // WATCHDOG=1
	Trigger   bool // WATCHDOG=trigger: the sender knows that it is broken

	Status        string        // STATUS=, one printable line
	MainPID       int           // MAINPID=, as the sender counts pids; 0 if not said
	ExtendTimeout time.Duration // EXTEND_TIMEOUT_USEC=; 0 if not said
	Requests      *uint64       // X_GOSUP_REQUESTS=, in all since the run began; nil if not said
	Errors        *uint64       // X_GOSUP_ERRORS=, of those

	FDStore       bool   // FDSTORE=1: keep the descriptors that came with it
	FDStoreRemove bool   // FDSTOREREMOVE=1: close those kept as FDName
	FDName        string // FDNAME=
	FDPoll        bool   // not FDPOLL=0: let go of a kept descriptor when it hangs up

	Barrier bool // BARRIER=1, always alone
}

// Heartbeat reports whether the message is a sign of life for a heartbeat
// check.
func (m *Message) Heartbeat() bool { return m.Watchdog || m.Requests != nil || m.Errors != nil }

// Parse reads a datagram: lines of KEY=value, the last one of a key counting.
// As for systemd, keys that are not known are ignored, and so are switches
// set to anything but what means something. A line that is no assignment, a
// number that is none, a name of a descriptor that sd_notify(3) does not
// allow and a BARRIER=1 among others make the whole datagram an error, as do
// no bytes at all or more than MaxSize.
func Parse(data []byte) (Message, error) {
	m := Message{FDPoll: true}
	if len(data) > MaxSize {
		return Message{}, fmt.Errorf("%d bytes are more than %d", len(data), MaxSize)
	}
	assignments := 0
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		key, value, found := strings.Cut(string(line), "=")
		if !found {
			return Message{}, fmt.Errorf("no assignment: %q", spec.Line(key, 40))
		}
		if err := m.set(key, value); err != nil {
			return Message{}, fmt.Errorf("%s=%s: %w", key, spec.Line(value, 40), err)
		}
		assignments++
	}
	if assignments == 0 {
		return Message{}, errors.New("no assignment")
	}
	if m.Barrier && assignments > 1 {
		return Message{}, errors.New("BARRIER=1 is not alone")
	}
	return m, nil
}

// set applies one assignment.
func (m *Message) set(key, value string) (err error) {
	switch key {
	case "READY":
		m.Ready = value == "1"
	case "RELOADING":
		m.Reloading = value == "1"
	case "STOPPING":
		m.Stopping = value == "1"
	case "WATCHDOG":
		m.Watchdog, m.Trigger = value == "1", value == "trigger"
	case "STATUS":
		m.Status = spec.Line(value, maxStatus)
	case "MAINPID":
		m.MainPID, err = parsePID(value)
	case "EXTEND_TIMEOUT_USEC":
		m.ExtendTimeout, err = parseMicroseconds(value)
	case "X_GOSUP_REQUESTS":
		m.Requests, err = parseCount(value)
	case "X_GOSUP_ERRORS":
		m.Errors, err = parseCount(value)
	case "FDSTORE":
		m.FDStore = value == "1"
	case "FDSTOREREMOVE":
		m.FDStoreRemove = value == "1"
	case "FDNAME":
		m.FDName, err = value, checkFDName(value)
	case "FDPOLL":
		m.FDPoll = value != "0"
	case "BARRIER":
		m.Barrier = value == "1"
	}
	return err
}

func parsePID(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n == 0 {
		return 0, errors.New("not a pid")
	}
	return int(n), nil
}

func parseCount(s string) (*uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return nil, errors.New("not a number")
	}
	return &n, nil
}

// parseMicroseconds reads a time span. What a Duration can't hold is the
// longest that it can.
func parseMicroseconds(s string) (time.Duration, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, errors.New("not a number")
	}
	if n > math.MaxInt64/uint64(time.Microsecond) {
		return math.MaxInt64, nil
	}
	return time.Duration(n) * time.Microsecond, nil
}

// checkFDName allows what sd_notify(3) does: a name is passed on in
// LISTEN_FDNAMES, where colons separate.
func checkFDName(s string) error {
	switch {
	case s == "" || len(s) > spec.MaxDescriptorName:
		return errors.New("a name has 1 to 255 characters")
	case !spec.DescriptorName(s):
		return errors.New("a name has printable ASCII characters but no colon")
	}
	return nil
}
