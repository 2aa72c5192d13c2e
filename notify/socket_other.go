//go:build !linux

package notify

import (
	"fmt"
	"os"
	"time"
)

// Socket receives notifications, on Linux alone.
type Socket struct{ Closer }

// Listen is refused with ErrNotOnLinux.
func Listen(path string, _ func(Datagram), _ func(Drop)) (*Socket, error) {
	return nil, fmt.Errorf("listen on %s: %w", path, ErrNotOnLinux)
}

// Inherit is refused with ErrNotOnLinux.
func Inherit(_ *os.File, path string, _ func(Datagram), _ func(Drop)) (*Socket, error) {
	return nil, fmt.Errorf("inherit %s: %w", path, ErrNotOnLinux)
}

// Path returns "".
func (s *Socket) Path() string { return "" }

// File is refused with ErrNotOnLinux.
func (s *Socket) File() (*os.File, error) { return nil, ErrNotOnLinux }

// Detach is refused with ErrNotOnLinux.
func (s *Socket) Detach() (*os.File, error) { return nil, ErrNotOnLinux }

// Stats returns zeros.
func (s *Socket) Stats() Stats { return Stats{} }

// Flush waits for nothing: there is nothing.
func (s *Socket) Flush(time.Duration) error { return nil }

// Close does nothing.
func (s *Socket) Close() error { return nil }
