package logs

import (
	"fmt"
	"os"
	"slices"
	"time"

	"gosup/spec"

	"golang.org/x/sys/unix"
)

// Rotated files are named as everybody's: file.1 is the newest, file.N the
// oldest, with .gz or .zst behind the number once they are compressed. The
// index of file.1 is file.1.idx, whether file.1 is compressed or not.

// suffixes are what a rotated file may have behind its number.
var suffixes = []string{"", ".gz", ".zst"}

// rotatedName names the n-th rotated file of a log; the log itself for 0.
func rotatedName(base string, n int, suffix string) string {
	if n == 0 {
		return base
	}
	return fmt.Sprintf("%s.%d%s", base, n, suffix)
}

// rotate makes the live file file.1 and begins a new one. If that is not
// possible the live file has stayed what it was. The caller holds mu, and the
// file ends with a line.
func (f *logFile) rotate(now time.Time) error {
	at := f.dir.fd
	if f.cfg.maxFiles <= 0 {
		if err := unlink(at, f.base()); err != nil {
			return err
		}
	} else {
		if err := f.shift(); err != nil {
			return err
		}
		if err := rename(at, f.base(), rotatedName(f.base(), 1, "")); err != nil {
			return err
		}
	}
	fd, st, err := openLog(at, f.base(), f.owner, unix.O_EXCL)
	if err != nil {
		// No room for a new file, say. The old one goes on under its name.
		if f.cfg.maxFiles > 0 {
			rename(at, rotatedName(f.base(), 1, ""), f.base())
		}
		return &os.PathError{Op: "open log", Path: f.path, Err: err}
	}
	if f.cfg.maxFiles > 0 {
		rename(at, f.base()+indexSuffix, rotatedName(f.base(), 1, "")+indexSuffix)
	}
	f.remember()
	unix.Close(f.fd)
	f.adopt(f.dir, fd, st, now)
	f.expire(now)
	if f.cfg.compress != spec.CompressNone {
		f.p.compressor.add(f)
	}
	f.wake(false)
	return nil
}

// remember notes which number the file has that has just been rotated.
func (f *logFile) remember() {
	f.rolls++
	f.older = append([]uint64{f.seq}, f.older...)
	for len(f.older) > max(f.cfg.maxFiles, 0) {
		last := len(f.older) - 1
		f.gone = max(f.gone, f.older[last])
		f.older = f.older[:last]
	}
}

// shift makes room for a new file.1: each file gets the next number, down from
// the first number that is free; what is beyond the last is removed.
func (f *logFile) shift() error {
	at := f.dir.fd
	var have []string // the suffixes of files 1, 2, …
	for {
		g, ok := rotatedFile(at, f.base(), len(have)+1)
		if !ok {
			break
		}
		have = append(have, g.suffix)
	}
	for n := len(have); n > 0; n-- {
		suffix := have[n-1]
		if n >= f.cfg.maxFiles {
			if err := f.remove(n, suffix); err != nil {
				return err
			}
			continue
		}
		if suffix == "" && f.cfg.compress != spec.CompressNone {
			// A compressed twin, if we died when it was just finished.
			for _, suffix := range suffixes[1:] {
				unlink(at, rotatedName(f.base(), n, suffix))
			}
		}
		err := rename(at, rotatedName(f.base(), n, suffix), rotatedName(f.base(), n+1, suffix))
		if err != nil {
			return err
		}
		rename(at, rotatedName(f.base(), n, "")+indexSuffix, rotatedName(f.base(), n+1, "")+indexSuffix)
	}
	return nil
}

// remove removes the n-th rotated file and its index. To free its blocks takes
// a tenth as long as to write them; that is done where its last descriptor is
// closed, away from the pump.
func (f *logFile) remove(n int, suffix string) error {
	unlink(f.dir.fd, rotatedName(f.base(), n, "")+indexSuffix)
	name := rotatedName(f.base(), n, suffix)
	if !f.p.freeing.CompareAndSwap(false, true) {
		return unlink(f.dir.fd, name)
	}
	fd, err := unix.Openat(f.dir.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		f.p.freeing.Store(false)
		return unlink(f.dir.fd, name)
	}
	err = unlink(f.dir.fd, name)
	go func() { // ends by itself
		unix.Close(fd)
		f.p.freeing.Store(false)
	}()
	return err
}

// segment is one file of a log.
type segment struct {
	n      int // its number, 0 for the live one
	suffix string
	size   int64
	mod    time.Time
}

// rotatedFile describes the n-th rotated file of a log.
func rotatedFile(at int, base string, n int) (segment, bool) {
	for _, suffix := range suffixes {
		var st unix.Stat_t
		if unix.Fstatat(at, rotatedName(base, n, suffix), &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			return segment{n, suffix, st.Size, modTime(&st)}, true
		}
	}
	return segment{}, false
}

// rotatedFiles lists the rotated files of a log, newest first. There may be
// gaps, if we were killed while they got their numbers; up to atLeast they are
// looked beyond.
func rotatedFiles(at int, base string, atLeast int) []segment {
	var list []segment
	for n := 1; ; n++ {
		g, ok := rotatedFile(at, base, n)
		if ok {
			list = append(list, g)
		} else if n > atLeast {
			return list
		}
	}
}

// expire removes rotated files that are older than max_age. That is looked at
// when the file is opened, rotated or, once an hour, written to: a process that
// writes nothing wakes nobody.
func (f *logFile) expire(now time.Time) {
	if f.cfg.maxAge <= 0 || f.dir == nil {
		return
	}
	f.expired = f.p.since(now)
	list := rotatedFiles(f.dir.fd, f.base(), f.cfg.maxFiles)
	keep := 0
	for keep < len(list) && now.Sub(list[keep].mod) <= f.cfg.maxAge {
		keep++
	}
	// The first that is too old and all that are older, from the oldest on.
	for _, g := range slices.Backward(list[keep:]) {
		if err := f.remove(g.n, g.suffix); err != nil {
			f.p.log.Warn("old log not removed", "file", f.path, "err", err)
			return
		}
		if g.n <= len(f.older) {
			f.gone = max(f.gone, f.older[g.n-1])
			f.older = f.older[:g.n-1]
		}
	}
}

func modTime(st *unix.Stat_t) time.Time { return time.Unix(st.Mtim.Unix()) }

// rename renames a file in a folder; one that is not there is no error.
func rename(at int, from, to string) error {
	if err := unix.Renameat(at, from, at, to); err != nil && err != unix.ENOENT {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// unlink removes a file in a folder; one that is not there is no error.
func unlink(at int, name string) error {
	if err := unix.Unlinkat(at, name, 0); err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}
