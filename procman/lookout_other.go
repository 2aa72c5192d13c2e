//go:build !linux

package procman

import "errors"

// lookout needs Linux.
type lookout struct{}

type happening uint32

const (
	arrival happening = iota
	hangup
)

func (*lookout) watch(int, happening, func()) error {
	return errors.New("watching descriptors needs Linux")
}
func (*lookout) forget(int) {}
func (*lookout) close()     {}
