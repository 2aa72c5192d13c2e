//go:build !linux

package procman

import (
	"errors"
	"syscall"
)

const forkerFrom = 256

var errForker = errors.New("forker: Linux only")

// forker is not needed here.
type forker struct{ busy bool }

type forkRequest struct {
	path string
	argv []string
	attr *syscall.ProcAttr
	done func(pid int, err error)
}

func newForker() (*forker, error) { return nil, errForker }
func (*forker) close()            {}
func (*forker) begin(forkRequest) {}
func (*forker) fork(string, []string, *syscall.ProcAttr) (int, error) {
	return 0, errForker
}
