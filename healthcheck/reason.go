package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// step is how far a probe had come when it failed.
type step uint8

const (
	connecting step = iota
	securing        // the TLS handshake
	waiting         // for the head of the answer
	reading         // the body
)

// failure is an error of a probe with the step that it happened in.
type failure struct {
	step    step
	address string // of the connection
	err     error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// errTooLong ends the reading of what is no body, or a little body in much
// framing.
var errTooLong = errors.New("the answer's head or framing is too long")

// failed turns an error into a result. The reasons hold no port of ours, no
// URL and nothing measured, so that the same failure always reads the same.
func failed(ctx context.Context, timeout time.Duration, err error) Result {
	if isTimeout(err) {
		if errors.Is(ctx.Err(), context.Canceled) {
			return result(Unknown, "cancelled")
		}
		// The connection's own deadline may fire a moment before the context's.
		if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
			return result(Unhealthy, late(err, timeout))
		}
	}
	for _, ours := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS} {
		if errors.Is(err, ours) {
			return result(Unknown, "not probed: "+ours.Error())
		}
	}
	return result(Unhealthy, words(err))
}

// isTimeout reports whether the context, or a deadline made from it, ended
// what failed with err. A connection that the kernel gave up (ETIMEDOUT) and
// a name server that did not answer are answers of the world.
func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled)
}

// late says what had not come about when the time was over.
func late(err error, timeout time.Duration) string {
	during := connecting
	if f, ok := errors.AsType[*failure](err); ok {
		during = f.step
	}
	switch during {
	case connecting:
		return fmt.Sprintf("no connection within %s", timeout)
	case securing:
		return fmt.Sprintf("TLS handshake not done within %s", timeout)
	case waiting:
		return fmt.Sprintf("no answer within %s", timeout)
	default:
		return fmt.Sprintf("answer not complete within %s", timeout)
	}
}

// words says in short what an error is.
func words(err error) string {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = &failure{step: reading, err: err}
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errnoWords(f, errno)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "lookup " + dns.Name + ": " + dns.Err
	}
	switch {
	case errors.Is(err, errTooLong):
		return errTooLong.Error()
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		if f.step == reading {
			return "connection closed in the middle of the answer"
		}
		return "connection closed without an answer"
	}
	inner := f.err
	for {
		op, ok := errors.AsType[*net.OpError](inner)
		if !ok {
			return inner.Error()
		}
		inner = op.Err // its own text names both ends, and our port changes each time
	}
}

func errnoWords(f *failure, errno syscall.Errno) string {
	path := strings.HasPrefix(f.address, "/") || strings.HasPrefix(f.address, "@")
	switch {
	case f.step == connecting && path && errno == syscall.EAGAIN:
		// unix(7): the listener's backlog is full, so nobody accepts.
		return f.address + ": nobody accepts connections"
	case f.step == connecting && path:
		return f.address + ": " + errno.Error()
	default:
		return errno.Error()
	}
}
