package notify

import "errors"

// Datagram is a message with what the kernel says of its sender.
type Datagram struct {
	Message Message
	PID     int // of the moment of sending; it may be gone, see the package's comment
	UID     uint32
	GID     uint32

	// FDs are the descriptors that came with FDSTORE=1, at most 253, marked
	// close-on-exec. They are the receiver's, to close as well; closing what a
	// stranger opened can take long. They are numbers, not *os.Files: those put
	// a non-blocking descriptor into the runtime's poller, where its sender
	// could wake this daemon at will.
	FDs []int
}

// Drop says that datagrams of one sender were dropped. At most one is told of
// each sender in a second, and a few of each user; Stats counts them all.
type Drop struct {
	PID   int // 0 if the kernel did not say
	UID   uint32
	Err   error // why the latest was; one of the errors below, or says what is malformed
	Count int   // how many, since the last Drop for this sender
}

// Why a datagram is dropped, other than for what is in it.
var (
	ErrTooLong    = errors.New("longer than 4096 bytes")
	ErrFlood      = errors.New("too many messages")
	ErrLostFDs    = errors.New("descriptors were lost on the way")
	ErrBarrier    = errors.New("BARRIER=1 without exactly one descriptor")
	ErrStranger   = errors.New("sender is in another pid namespace")
	ErrNotOnLinux = errors.New("a notify socket needs Linux: nothing else says who sent a datagram")
)

// Stats counts datagrams since the socket was opened.
type Stats struct {
	Delivered uint64
	TooLong   uint64
	Malformed uint64 // with ErrBarrier and ErrLostFDs
	Flooded   uint64
	Strangers uint64
	ClosedFDs uint64 // descriptors that nobody had asked for
}
