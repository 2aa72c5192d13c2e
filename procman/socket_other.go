//go:build !linux

package procman

import (
	"errors"

	"gosup/spec"
)

func openSocket(spec.Socket) (int, fileID, error) {
	return -1, fileID{}, errors.New("sockets that gosup opens need Linux")
}

func removeSocket(string, fileID) {}

func fileOf(string) fileID { return fileID{} }

func listensOn(int, spec.Socket) bool { return false }

func fetchSocket(int, spec.Socket, func(int) bool) (int, error) {
	return -1, errors.New("sockets that gosup opens need Linux")
}

func boundTo(int) string { return "" }

func duplicate(int) (int, error) { return -1, errors.New("descriptors are handed over on Linux alone") }

func describeFD(int) (kind string, hangs bool) { return "", false }

func sameDescriptor(int, int) bool { return false }
