//go:build !linux

package procman

import (
	"errors"
	"syscall"
)

const forkerFrom = 256

var errForker = errors.New("forker: Linux only")

// forker is not needed here.
type forker struct{}

func newForker() (*forker, error) { return nil, errForker }
func (*forker) close()            {}
func (*forker) fork(string, []string, *syscall.ProcAttr) (int, error) {
	return 0, errForker
}
