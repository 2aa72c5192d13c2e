package procman

import (
	"bytes"
	"os"
	"syscall"
)

// oomCounter notices that the kernel has killed for memory. Which process that
// was the counters do not say, so it is asked only after a SIGKILL that nobody
// here has sent.
type oomCounter struct {
	file string
	last int
}

// open chooses the counter: that of the daemon's own cgroup, which counts
// those below it too, or else that of the whole machine.
func (o *oomCounter) open(proc string) {
	o.file = proc + "/vmstat"
	lines, err := os.ReadFile(proc + "/self/cgroup")
	if err != nil {
		lines = nil
	}
	for line := range bytes.SplitSeq(lines, []byte("\n")) {
		path, unified := bytes.CutPrefix(line, []byte("0::"))
		events := "/sys/fs/cgroup" + string(path) + "/memory.events"
		if _, err := os.Stat(events); unified && err == nil {
			o.file = events
		}
	}
	o.grew()
}

// grew reports whether there have been kills since the last call.
func (o *oomCounter) grew() bool {
	text, err := os.ReadFile(o.file)
	if err != nil {
		return false
	}
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
