package procman

import (
	"bytes"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// oomCounter notices that the kernel has killed for memory. Which process that
// was the counters do not say, so it is asked only after a SIGKILL that nobody
// here has sent.
type oomCounter struct {
	fd   int // stays open: what is read here, a restart waits for
	buf  []byte
	last int
}

// open chooses the counter: that of the daemon's own cgroup, which counts
// those below it too, or else that of the whole machine.
func (o *oomCounter) open(proc string) {
	file := proc + "/vmstat"
	lines, err := os.ReadFile(proc + "/self/cgroup")
	if err != nil {
		lines = nil
	}
	for line := range bytes.SplitSeq(lines, []byte("\n")) {
		path, unified := bytes.CutPrefix(line, []byte("0::"))
		events := "/sys/fs/cgroup" + string(path) + "/memory.events"
		if _, err := os.Stat(events); unified && err == nil {
			file = events
		}
	}
	o.buf = make([]byte, 16<<10)
	if o.fd, err = unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		o.fd = -1
	}
	o.grew()
}

func (o *oomCounter) close() {
	if o.fd >= 0 {
		unix.Close(o.fd)
	}
}

// grew reports whether there have been kills since the last call.
func (o *oomCounter) grew() bool {
	n, err := unix.Pread(o.fd, o.buf, 0)
	if err != nil {
		return false
	}
	text := o.buf[:n]
	before := o.last
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		if n, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
			o.last = atoi(n)
		}
	}
	return o.last > before
}

// maxRSSBytes returns the largest resident set. A child shares the daemon's
// memory between fork and exec, and the kernel counts that in: it is never
// less than the daemon's own.
func maxRSSBytes(u *syscall.Rusage) int64 { return u.Maxrss << 10 }
