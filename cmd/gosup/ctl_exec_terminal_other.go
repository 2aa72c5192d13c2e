//go:build !linux

package main

import (
	"errors"
	"os"
)

func (*execLines) openTerminal([3]*os.File) error {
	return errors.New("gosup ctl exec needs Linux")
}
