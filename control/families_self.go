package control

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What gosup tells of itself. Where something cannot be known, as without
// /proc, its family is left out.

func selfCPU(_ *scrape, to emit) {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) == nil {
		to("", "", time.Duration(u.Utime.Nano()+u.Stime.Nano()).Seconds())
	}
}

// selfMemory returns one of the numbers of pages of /proc/self/statm, in bytes:
// the size is 0, what is resident 1.
func selfMemory(field int) func(*scrape, emit) {
	return func(_ *scrape, to emit) {
		text, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			return
		}
		if fields := strings.Fields(string(text)); len(fields) > field {
			if pages, err := strconv.ParseUint(fields[field], 10, 64); err == nil {
				to("", "", float64(pages)*float64(os.Getpagesize()))
			}
		}
	}
}

func selfStart(m *scrape, to emit) {
	to("", "", unixSeconds(m.s.sup.Wall(m.s.sup.Started())))
}

// selfEntries counts what is in a folder of /proc, but for so many.
func selfEntries(dir string, without int) func(*scrape, emit) {
	return func(_ *scrape, to emit) {
		if f, err := os.Open(dir); err == nil {
			defer f.Close()
			if names, err := f.Readdirnames(-1); err == nil {
				to("", "", float64(len(names)-without))
			}
		}
	}
}

func selfMaxFiles(_ *scrape, to emit) {
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		to("", "", float64(files.Cur))
	}
}
