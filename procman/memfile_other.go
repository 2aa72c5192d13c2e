//go:build !linux

package procman

import (
	"errors"
	"os"
)

func memoryFile(string, []byte) (*os.File, error) {
	return nil, errors.New("an upgrade in place needs Linux")
}

// HoldSignals has nothing to do where nothing can be handed off.
func HoldSignals() {}
