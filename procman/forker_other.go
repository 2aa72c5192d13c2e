//go:build !linux

package procman

import (
	"errors"
	"syscall"
)

const forkerFrom = 256

var errForker = errors.New("forker: Linux only")

// forkers are not needed here.
type forkers struct{ count int }

type forkRequest struct {
	path string
	argv []string
	attr *syscall.ProcAttr
	done func(pid int, err error)
}

func (*forkers) add() error        { return errForker }
func (*forkers) close()            {}
func (*forkers) begin(forkRequest) {}
func (*forkers) fork(string, []string, *syscall.ProcAttr) (int, error) {
	return 0, errForker
}
