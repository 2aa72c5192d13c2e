//go:build !linux

package procman

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

func findSelf() string { return "" }

// Shim is the hidden command that gives up rights before a command is
// executed. It needs Linux.
func Shim([]string) int {
	fmt.Fprintln(os.Stderr, "gosup: shim needs Linux")
	return 2
}

func planFile([]byte) (*os.File, error) {
	return nil, errors.New("limits, umask, nice, capabilities and gosup ctl exec need Linux")
}

// whoAmI returns as whom the daemon runs.
func whoAmI() identity {
	return identity{uid: uint32(syscall.Geteuid()), gid: uint32(syscall.Getegid()), sheds: syscall.Geteuid() == 0}
}
