package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"gosup/notify"
)

// takeHanded returns what a supervisor has handed to this process beside the
// standard streams, by name, see sd_listen_fds(3). Of several of one name it
// is the last.
func takeHanded(getenv func(string) string) map[string]*os.File {
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil // nothing, or for another process
	}
	names := strings.Split(getenv("LISTEN_FDNAMES"), ":")
	handed := map[string]*os.File{}
	for i := range min(n, len(names)) {
		const first = 3
		syscall.CloseOnExec(first + i)
		handed[names[i]] = os.NewFile(uintptr(first+i), names[i])
	}
	return handed
}

// countInStore adds one to the counter in a file that has no name and that the
// supervisor keeps while this process is restarted.
func (d *demo) countInStore() error {
	const name = "starts"
	f := d.handed[name]
	if f == nil {
		made, err := os.CreateTemp("", "gosup-demo-")
		if err != nil {
			return fmt.Errorf("--fdstore: %w", err)
		}
		if err := os.Remove(made.Name()); err != nil {
			return fmt.Errorf("--fdstore: %w", err)
		}
		if d.socket == "" {
			d.say("NOTIFY_SOCKET is not set: nobody keeps the count")
		}
		if err := notify.SendFiles(d.socket, "FDSTORE=1\nFDNAME="+name, made); err != nil {
			return fmt.Errorf("--fdstore: %w", err)
		}
		f = made
	}
	text := make([]byte, 20)
	length, _ := f.ReadAt(text, 0) // nothing the first time
	n, _ := strconv.Atoi(string(text[:length]))
	n++
	if _, err := f.WriteAt([]byte(strconv.Itoa(n)), 0); err != nil {
		return fmt.Errorf("--fdstore: %w", err)
	}
	d.say("start %d, counted in a stored descriptor", n)
	return nil
}
