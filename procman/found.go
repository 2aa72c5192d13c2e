package procman

import (
	"syscall"

	"gosup/tree"
)

// found is what lives of one run that an earlier daemon has started.
type found struct {
	name      string
	run       uint64
	task      string // of a hook or probe: which; "" for the run itself
	pid       int    // of the first process; 0 if that is over
	start     uint64 // of the first process, as procStat has it
	inode     uint64 // of the first process, as runRecord has it
	startedAt tree.Time
	others    []relative // who else carries its tag

	// The first process is over, and who has inherited it has not reaped it yet.
	ended  bool
	status *syscall.WaitStatus // nil if it cannot be told
}

// relative is a process met on a walk. Its parent may reap it at any time; the
// start time tells it from whoever gets its pid then.
type relative struct {
	pid     int
	start   uint64
	group   int
	session int
}

// all returns the processes of what was found.
func (f *found) all() []relative {
	all := f.others
	if f.pid != 0 {
		all = append(all[:len(all):len(all)], relative{pid: f.pid, start: f.start})
	}
	return all
}
