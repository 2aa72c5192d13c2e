package procman

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"gosup/tree"
)

// records is the file in the runtime folder that says who is running: for each
// run a slot of fixed size with one JSON object, written when the run has
// begun and emptied when nothing of it is left. A daemon that is killed leaves
// it to the next one. A file for each run would cost each start more than the
// fork does.
//
// It belongs to the outfitter's goroutine. What cannot be written is no reason
// not to run: then GOSUP_RUN in the environment of the process has to do.
type records struct {
	path  string   // "" for none
	file  *os.File // nil until there is a record
	slots map[runKey]int
	free  []int
	count int
}

// runRecord is one run. A pid is believed only together with the boot that it is
// of and what tells its process from all others with that pid: a number of the
// kernel's that is never used again (Linux 6.9), or the start time that /proc has.
type runRecord struct {
	Name      string      `json:"name"`
	Node      tree.NodeID `json:"node"`
	Run       uint64      `json:"run"`
	PID       int         `json:"pid"`
	Start     uint64      `json:"start"` // clock ticks after the boot; 0 if it was not asked for
	Inode     uint64      `json:"inode"` // of a pidfd; 0 if that cannot be told
	Boot      string      `json:"boot"`
	StartedAt tree.Time   `json:"started_at"`
}

// is reports whether a process with that start and that inode is the one.
func (r *runRecord) is(start, inode uint64) bool {
	if r.Inode != 0 && inode != 0 {
		return r.Inode == inode && (r.Start == 0 || r.Start == start)
	}
	return r.Start != 0 && r.Start == start
}

const (
	// slotBytes bounds a record. One with a longer name is not written.
	slotBytes = 512
	// maxSlots bounds what is read of a file that an earlier daemon has left.
	maxSlots = 1 << 16
)

func recordsFile(runtimeDir string) string { return filepath.Join(runtimeDir, "runs") }

// newRecords returns records in a runtime folder, "" for none. The file is made
// with the first of them. What an earlier daemon has left there stays until
// inherit; who wants to know it calls readRecords before.
func newRecords(runtimeDir string) *records {
	r := &records{slots: map[runKey]int{}}
	if runtimeDir != "" {
		r.path = recordsFile(runtimeDir)
	}
	return r
}

// inherit puts a file with the runs that were adopted in the place of the one
// that told of them: whenever this daemon is killed, one of the two is there.
func (r *records) inherit(list []runRecord) error {
	if r.path == "" {
		return nil
	}
	fresh := r.path + ".new"
	_ = os.Remove(fresh) // left by a daemon that was killed here
	err := r.open(fresh)
	if err == nil {
		for _, rec := range list {
			r.add(rec)
		}
		err = os.Rename(fresh, r.path)
	}
	if err != nil {
		return fmt.Errorf("records of runs: %w", err)
	}
	return nil
}

// open makes the file.
func (r *records) open(path string) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	r.file = os.NewFile(uintptr(fd), path)
	return nil
}

// readRecords returns what an earlier daemon has left, and whether it has left
// anything at all: one that ended in order has not. A slot that makes no sense
// is passed over.
func readRecords(runtimeDir string) (list []runRecord, left bool) {
	if runtimeDir == "" {
		return nil, false
	}
	data, err := readOwn(recordsFile(runtimeDir), slotBytes*maxSlots)
	if err != nil {
		return nil, !os.IsNotExist(err)
	}
	for len(data) >= slotBytes {
		slot := bytes.TrimRight(data[:slotBytes], "\x00")
		data = data[slotBytes:]
		var rec runRecord
		if len(slot) > 0 && json.Unmarshal(slot, &rec) == nil && rec.Name != "" && rec.PID >= 0 && rec.Run > 0 {
			list = append(list, rec)
		}
	}
	return list, true
}

// add notes that a run has begun.
func (r *records) add(rec runRecord) {
	if r.file == nil && (r.path == "" || r.open(r.path) != nil) {
		r.path = "" // once is enough
		return
	}
	slot := make([]byte, slotBytes)
	line, err := json.Marshal(rec)
	if err != nil || len(line) > slotBytes {
		return
	}
	copy(slot, line)
	k := runKey{rec.Node, rec.Run}
	n, ok := r.slots[k]
	if !ok {
		if n = r.count; len(r.free) > 0 {
			n, r.free = r.free[len(r.free)-1], r.free[:len(r.free)-1]
		} else {
			r.count++
		}
		r.slots[k] = n
	}
	_, _ = r.file.WriteAt(slot, int64(n)*slotBytes)
}

// drop notes that nothing of a run is left.
func (r *records) drop(k runKey) {
	n, ok := r.slots[k]
	if !ok {
		return
	}
	delete(r.slots, k)
	r.free = append(r.free, n)
	_, _ = r.file.WriteAt(make([]byte, slotBytes), int64(n)*slotBytes)
}

// close closes the file, and removes it where every run is over.
func (r *records) close() {
	if r.file == nil {
		return
	}
	if len(r.slots) == 0 {
		_ = os.Remove(r.path)
	}
	r.file.Close()
}

// readOwn reads a file that only this user, or root, can have written. It
// follows no link and reads no more than a limit, in bytes.
func readOwn(path string, most int64) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	var st unix.Stat_t
	switch err := unix.Fstat(fd, &st); {
	case err != nil:
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, fmt.Errorf("%s is no regular file", path)
	case int(st.Uid) != os.Geteuid() && st.Uid != 0:
		return nil, fmt.Errorf("%s belongs to uid %d", path, st.Uid)
	case st.Mode&0o022 != 0:
		return nil, fmt.Errorf("%s can be written by others", path)
	case st.Size > most:
		return nil, fmt.Errorf("%s has %d bytes, more than gosup writes", path, st.Size)
	}
	data := make([]byte, st.Size)
	n, err := f.ReadAt(data, 0)
	if err != nil && n < len(data) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}
