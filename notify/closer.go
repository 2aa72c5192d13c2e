package notify

import "syscall"

// maxClosers is how many goroutines may be closing descriptors at once.
const maxClosers = 8

// Closer closes descriptors that a stranger opened. That may take as long as
// the stranger likes: the last close of a socket with SO_LINGER waits for a
// peer that does not read, that of a file for its FUSE server. It may be used
// on any goroutine.
type Closer struct {
	slots chan struct{} // holds one value for each goroutine that closes
}

// NewCloser returns a Closer.
func NewCloser() Closer { return Closer{make(chan struct{}, maxClosers)} }

// Release closes descriptors beside its caller, until maxClosers goroutines
// are held up by that.
func (c Closer) Release(fds []int) {
	if len(fds) == 0 {
		return
	}
	select {
	case c.slots <- struct{}{}:
		go func() { // ends when the kernel has closed them
			closeAll(fds)
			<-c.slots
		}()
	default:
		closeAll(fds)
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = syscall.Close(fd)
	}
}
