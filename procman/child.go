package procman

import (
	"slices"
	"syscall"

	"gosup/spec"
	"gosup/tree"
)

// child is one run that has been forked and is not yet gone.
type child struct {
	runKey
	tag     string
	pid     int // of the first process; while others are left it is only a number
	reach   spec.Kill
	tty     int    // the terminal whose foreground it was given, or -1
	cgroup  string // the name of its own, "" if it has none
	started tree.Time

	preparing bool          // the shim has not reported yet
	failure   error         // what it reported, if the command is not executed
	held      []tree.Signal // ordered meanwhile

	over   bool // the first process has been reaped
	looked bool // the orphans have been looked at since then
	exit   tree.Exit
	heir   int  // the process that the run goes on in, once it is over; 0 for none
	killed bool // the hand has sent SIGKILL to the first process

	// killing means that SIGKILL was ordered for more than the first process:
	// it then stays in force, within killReach, until nothing is left.
	killing   bool
	killReach spec.Kill

	far   bool             // an earlier daemon has started it: it is no child of this process
	start uint64           // of a far first process, as procStat has it
	near  map[int]relative // of a far run: who else of it is known, by pid

	left map[int]struct{} // orphans of this run: children of this process, so their pids are safe
	met  []int            // descendants that a walk has met, for the day they are forgotten
}

// deliver sends a signal to a run, or to what is left of it. A signal that
// asks for the end is followed by SIGCONT, for a stopped process could not
// handle it.
func (h *hand) deliver(s tree.Signal) {
	c := h.runs[runKey{s.Node, s.Run}]
	if c == nil {
		return
	}
	sig := syscall.Signal(s.Signal)
	if c.preparing && sig != syscall.SIGKILL {
		c.held = append(c.held, s) // it is meant for the command
		return
	}
	if sig == syscall.SIGKILL {
		c.kill(s.Reach)
	}
	sigs := []syscall.Signal{sig}
	if sig == syscall.SIGTERM || sig == syscall.SIGINT || sig == syscall.SIGQUIT {
		sigs = append(sigs, syscall.SIGCONT)
	}
	switch s.Reach {
	case spec.KillProcess:
		if c.far {
			h.kin.signal(c, s.Reach, sigs)
		} else if !c.over {
			send(c.pid, sigs)
		} else if c.heir != 0 {
			send(c.heir, sigs)
		}
	case spec.KillTree:
		h.kin.adopt(h.flying > 0)
		fallthrough
	case spec.KillGroup:
		h.kin.signal(c, s.Reach, sigs)
	}
}

// kill notes that SIGKILL was ordered, so that what appears later gets it too.
func (c *child) kill(reach spec.Kill) {
	c.killed = c.killed || !c.over || c.heir != 0
	if reach == spec.KillProcess || c.killing && c.killReach == spec.KillTree {
		return
	}
	c.killing, c.killReach = true, reach
}

// killOnSight reports whether an orphan of this run is to be killed as soon as
// it is found. The pid is a child of this process.
func (c *child) killOnSight(pid int) bool {
	return c.killing && (c.killReach == spec.KillTree || groupOf(pid) == c.pid)
}

// remaining returns how many of the orphans count as left.
func (c *child) remaining() int {
	switch c.reach {
	case spec.KillTree:
		return len(c.left)
	case spec.KillGroup:
		n := 0
		for pid := range c.left {
			if groupOf(pid) == c.pid {
				n++
			}
		}
		return n
	}
	return 0
}

// send sends signals to a process, or with a negative number to a group, that
// cannot have been reaped: only the hand reaps, and it is what calls this.
func send(pid int, sigs []syscall.Signal) {
	for _, sig := range sigs {
		_ = syscall.Kill(pid, sig) // ESRCH: it has just ended, and its exit says so
	}
}

// groupOf returns the process group of a process, 0 if there is none.
func groupOf(pid int) int {
	pgid, err := syscall.Getpgid(pid)
	if err != nil {
		return 0
	}
	return pgid
}

// sorted returns the pids of a set, so that what is done to them has an order.
func sorted(set map[int]struct{}) []int {
	pids := make([]int, 0, len(set))
	for pid := range set {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids
}
