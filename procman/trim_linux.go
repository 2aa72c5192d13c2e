package procman

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// dropCode unmaps the pages of the program's own file that are mapped and can
// only be read: code and constants. What is still needed is mapped again when
// it is touched, from the page cache; what only the start has needed, parsing
// the configuration, say, stays out. Nothing can be lost: MADV_DONTNEED on
// pages of a file that were never written to, see madvise(2).
func dropCode() {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range bytes.Lines(maps) {
		// address perms offset dev inode pathname, see proc_pid_maps(5).
		fields := bytes.Fields(line)
		if len(fields) < 6 || string(fields[5]) != exe || fields[1][1] == 'w' {
			continue
		}
		from, to, _ := bytes.Cut(fields[0], []byte("-"))
		lo, err1 := strconv.ParseUint(string(from), 16, 64)
		hi, err2 := strconv.ParseUint(string(to), 16, 64)
		if err1 == nil && err2 == nil {
			// A kernel that does not want to loses nothing but this.
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(lo), uintptr(hi-lo), unix.MADV_DONTNEED)
		}
	}
}
