package logs

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Rotated files are named as everybody's: file.1 is the newest, file.N the
// oldest, with .gz or .zst behind the number once they are compressed.

// suffixes are what a rotated file may have behind its number.
var suffixes = []string{"", ".gz", ".zst"}

// rotate makes the live file file.1 and begins a new one. If that is not
// possible nothing has changed. The caller holds mu, and the file ends with a
// line.
func (f *logFile) rotate(now time.Time) error {
	if f.cfg.MaxFiles <= 0 {
		return f.restart(now)
	}
	if err := f.shift(); err != nil {
		return err
	}
	first := f.base + ".1"
	if err := unix.Renameat(f.dir.fd, f.base, f.dir.fd, first); err != nil {
		return &os.PathError{Op: "rename", Path: f.path, Err: err}
	}
	fd, st, err := openLog(f.dir.fd, f.base, f.owner, unix.O_EXCL)
	if err != nil {
		// No room for a new file, say. The old one goes on under its name.
		unix.Renameat(f.dir.fd, first, f.dir.fd, f.base)
		return &os.PathError{Op: "open log", Path: f.path, Err: err}
	}
	unix.Close(f.fd)
	f.adopt(f.dir, fd, st, now)
	return nil
}

// restart empties the live file, where none are to be kept.
func (f *logFile) restart(now time.Time) error {
	if err := unix.Unlinkat(f.dir.fd, f.base, 0); err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "remove", Path: f.path, Err: err}
	}
	d := f.dir
	fd, st, err := openLog(d.fd, f.base, f.owner, unix.O_EXCL)
	if err != nil {
		return &os.PathError{Op: "open log", Path: f.path, Err: err}
	}
	unix.Close(f.fd)
	f.adopt(d, fd, st, now)
	return nil
}

// shift makes room for a new file.1: each file gets the next number, down from
// the first number that is free; what is beyond the last is removed.
func (f *logFile) shift() error {
	n, suffix := 1, ""
	var have []string // the suffixes of files 1, 2, …
	for ; ; n++ {
		var ok bool
		if suffix, ok = f.rotated(n); !ok {
			break
		}
		have = append(have, suffix)
	}
	for n := len(have); n > 0; n-- {
		old := fmt.Sprintf("%s.%d%s", f.base, n, have[n-1])
		var err error
		if n >= f.cfg.MaxFiles {
			err = unix.Unlinkat(f.dir.fd, old, 0)
		} else {
			err = unix.Renameat(f.dir.fd, old, f.dir.fd, fmt.Sprintf("%s.%d%s", f.base, n+1, have[n-1]))
		}
		if err != nil && err != unix.ENOENT {
			return &os.PathError{Op: "rotate", Path: old, Err: err}
		}
	}
	return nil
}

// rotated returns the suffix of the n-th rotated file, if there is one.
func (f *logFile) rotated(n int) (suffix string, ok bool) {
	for _, suffix := range suffixes {
		var st unix.Stat_t
		if unix.Fstatat(f.dir.fd, fmt.Sprintf("%s.%d%s", f.base, n, suffix), &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			return suffix, true
		}
	}
	return "", false
}
