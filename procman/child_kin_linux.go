package procman

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"gosup/spec"
)

// kin knows the descendants that are nobody's first process: orphans, which
// the kernel has made children of this process because it is PID 1 or a
// subreaper, and below living processes those that a walk has met.
//
// Whose an orphan is, is told by what it cannot easily shed: the session or
// process group of a first process, its cgroup, GOSUP_RUN in its environment,
// or that it was met below a process of the run before. An orphan that none of these
// tells is a stranger, which is never signalled.
//
// Without /proc only the process groups can be known, from waitid(2).
type kin struct {
	proc    *procfs // nil without /proc
	cgroups cgroups
	leaders map[int]*child
	groups  map[int]*child    // by the first process's pid, which numbers its session and group
	tags    map[string]*child // by GOSUP_RUN
	orphans map[int]*child    // children that the hand has not forked; nil for a stranger's
	met     map[int]meeting   // by pid: descendants met while their parents lived
	unsure  map[int]int       // orphans that could not be told yet, and how often that was
	settled bool              // the last adopt has seen everything
	far     far               // runs that an earlier daemon has started
}

const (
	// adoptBatch bounds how many new orphans are dealt with at once: children
	// that fork faster than they can be killed must not hold up the hand.
	adoptBatch = 256
	// doubts bounds how often an orphan is looked at before it is taken for a
	// stranger: a zombie that is being traced, for one, cannot be reaped.
	doubts = 4096
	// walkLimit bounds a walk below one process.
	walkLimit = 1 << 14
)

func (k *kin) open(opt handOptions, r *reserve, leaders map[int]*child) {
	k.proc = openProc(opt.proc, r)
	if opt.noLists {
		k.proc.dropLists()
	}
	k.cgroups.open(opt)
	k.leaders = leaders
	k.groups = make(map[int]*child)
	k.tags = make(map[string]*child)
	k.orphans = make(map[int]*child)
	k.met = make(map[int]meeting)
	k.unsure = make(map[int]int)
	k.settled = true
	k.far.children, k.far.fds = make(map[int]*child), make(map[int]int)
}

func (k *kin) close() {
	k.proc.close()
	k.cgroups.close()
	k.far.close()
}

// born makes a new run known. Of several with one tag, which should not be, it
// is the oldest that orphans are given to.
func (k *kin) born(c *child) {
	k.groups[c.pid] = c
	if k.tags[c.tag] == nil {
		k.tags[c.tag] = c
	}
	if c.cgroup != "" {
		k.cgroups.runs[c.cgroup] = c
	}
}

// forget drops a run. What is alive of it from now on is a stranger's.
func (k *kin) forget(c *child) {
	if k.groups[c.pid] == c { // the number may be another run's by now
		delete(k.groups, c.pid)
	}
	if k.tags[c.tag] == c {
		delete(k.tags, c.tag)
	}
	for pid := range c.left {
		k.orphans[pid] = nil
	}
	k.cgroups.drop(c.cgroup)
	k.far.forget(c)
	for _, pid := range c.met {
		if k.met[pid].child == c {
			delete(k.met, pid)
		}
	}
}

// left reports whether anything is left of a run whose first process is over.
func (k *kin) left(c *child) bool {
	switch {
	case c.far:
		return k.farLeft(c)
	case c.reach == spec.KillProcess:
		return false
	case k.proc == nil:
		return groupHasChildren(c.pid)
	case !k.settled:
		return true // it is not known, so it is not denied
	}
	return c.remaining() > 0
}

// adopt reads the list of orphans, finds out whose the new ones are, and kills
// those whose run is being killed. While runs are in flight, one that belongs to
// none that is known is left for later. It reports whether the picture is
// complete.
func (k *kin) adopt(flying bool) bool {
	if k.proc == nil {
		return true
	}
	k.settled = true
	fresh := 0
	for _, pid := range k.proc.orphans() {
		if k.leaders[pid] != nil {
			continue
		}
		if _, known := k.orphans[pid]; known {
			continue
		}
		if fresh++; fresh > adoptBatch {
			k.settled = false
			break
		}
		k.welcome(pid, flying)
	}
	return k.settled
}

// welcome finds out whose a new orphan is.
func (k *kin) welcome(pid int, flying bool) {
	c, sure := k.owner(pid)
	if c == nil && flying {
		k.settled = false
		return
	}
	if !sure && k.unsure[pid] < doubts {
		k.unsure[pid]++
		k.settled = false
		return
	}
	delete(k.unsure, pid)
	k.orphans[pid] = c
	if c == nil {
		return
	}
	if c.left == nil {
		c.left = make(map[int]struct{})
	}
	c.left[pid] = struct{}{}
	if c.killOnSight(pid) {
		k.signalOrphan(c, pid, c.killReach, []syscall.Signal{syscall.SIGKILL})
	}
}

// owner returns the run that an orphan belongs to, nil if none can be told.
// It is not sure of that when the orphan was just ending, so that its own
// children may have become orphans after the list was read, or just executing
// a program, so that it has no environment yet.
func (k *kin) owner(pid int) (c *child, sure bool) {
	st, ok := k.proc.stat(pid)
	if !ok {
		return nil, false
	}
	for _, id := range [...]int{st.session, st.group} {
		if c := k.groups[id]; c != nil && c.pinned() {
			return c, true
		}
	}
	if m, ok := k.met[pid]; ok && m.start == st.start {
		return m.child, true
	}
	if c := k.cgroups.owner(k.proc, pid); c != nil {
		return c, true
	}
	if tag := k.proc.tag(pid); tag != "" {
		return k.tags[tag], true
	}
	// No tag counts only if the environment was there to be read, from before
	// that until after it.
	after, ok := k.proc.stat(pid)
	return nil, ok && !st.bare() && !after.bare() && st.environ == after.environ
}

// pinned reports whether the number of the run's session and group cannot have
// been given to somebody else: while the first process is not reaped, until
// the look right after that, and as long as a known orphan is a member.
func (c *child) pinned() bool {
	if !c.over || !c.looked {
		return true
	}
	for pid := range c.left {
		if groupOf(pid) == c.pid {
			return true
		}
		if sid, err := unix.Getsid(pid); err == nil && sid == c.pid {
			return true
		}
	}
	return false
}

// dying is told of an orphan that is a zombie and about to be reaped, and
// reports whether it belonged to a run.
func (k *kin) dying(pid int) bool {
	delete(k.unsure, pid)
	c, known := k.orphans[pid]
	delete(k.orphans, pid)
	if c != nil {
		delete(c.left, pid)
	}
	if known {
		return c != nil
	}
	if c = k.groups[groupOf(pid)]; c != nil {
		return true
	}
	sid, err := unix.Getsid(pid)
	return err == nil && k.groups[sid] != nil
}

// signal sends signals to everything that is known of a run, within reach.
func (k *kin) signal(c *child, reach spec.Kill, sigs []syscall.Signal) {
	if c.far {
		k.signalFar(c, reach, sigs)
		return
	}
	if k.proc == nil {
		if !c.over || groupHasChildren(c.pid) {
			send(-c.pid, sigs)
		}
		return
	}
	kill := func() {
		if reach == spec.KillTree && sigs[0] == syscall.SIGKILL {
			k.cgroups.kill(c.cgroup)
		}
	}
	if c.over {
		kill()
		for _, pid := range sorted(c.left) {
			k.signalOrphan(c, pid, reach, sigs)
		}
		return
	}
	// Who is there is read before anything is killed, for it is the living
	// parents that lead to those who left the session.
	var below []relative
	if reach == spec.KillTree {
		below = k.walk(c, c.pid)
	}
	kill()
	send(-c.pid, sigs)
	if reach != spec.KillTree {
		return
	}
	for _, r := range below {
		if r.group != c.pid {
			k.sendTo(r, sigs)
		}
	}
	for _, pid := range sorted(c.left) {
		if groupOf(pid) != c.pid {
			k.signalOrphan(c, pid, reach, sigs)
		}
	}
}

// signalOrphan sends signals to an orphan and what is below it. An orphan is a
// child of this process, so its pid is safe; those below are not.
func (k *kin) signalOrphan(c *child, pid int, reach spec.Kill, sigs []syscall.Signal) {
	below := k.walk(c, pid)
	if reach == spec.KillTree || groupOf(pid) == c.pid {
		send(pid, sigs)
	}
	for _, r := range below {
		if reach == spec.KillTree || r.group == c.pid {
			k.sendTo(r, sigs)
		}
	}
}

// meeting is which run a process was found below.
type meeting struct {
	child *child
	start uint64 // of the process, as procStat has it
}

// walk finds the descendants of a process and notes that they were met: if
// they become orphans, they are known by that.
func (k *kin) walk(c *child, root int) []relative {
	var found []relative
	next := []int{root}
	for len(next) > 0 && len(found) < walkLimit {
		parent := next[0]
		next = next[1:]
		pids := k.proc.children(parent)
		for _, pid := range pids {
			st, ok := k.proc.stat(pid)
			if !ok || st.parent != parent {
				continue // it has ended, or has just become an orphan
			}
			found = append(found, relative{pid, st.start, st.group, st.session})
			next = append(next, pid)
			if m := (meeting{c, st.start}); k.met[pid] != m {
				k.met[pid] = m
				c.met = append(c.met, pid)
			}
		}
	}
	return found
}

// sendTo sends signals to a process that is not a child of this one. The pidfd
// is opened first and the identity checked then, so that what is signalled is
// what was met, or nothing.
func (k *kin) sendTo(r relative, sigs []syscall.Signal) {
	fd, err := unix.PidfdOpen(r.pid, 0)
	if err == unix.EMFILE || err == unix.ENFILE {
		k.proc.reserve.drop()
		defer k.proc.reserve.fill()
		fd, err = unix.PidfdOpen(r.pid, 0)
	}
	old := err == unix.ENOSYS || err == unix.EPERM // before Linux 5.3, or forbidden by a seccomp filter
	if err != nil && !old {
		return
	}
	if !old {
		defer unix.Close(fd)
	}
	if st, ok := k.proc.stat(r.pid); !ok || st.start != r.start {
		return
	}
	for _, sig := range sigs {
		if old {
			_ = syscall.Kill(r.pid, sig)
		} else {
			_ = unix.PidfdSendSignal(fd, sig, nil, 0)
		}
	}
}

// groupHasChildren reports whether a child of this process is in a group.
func groupHasChildren(pgid int) bool {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PGID, pgid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil
		}
	}
}

// reapOne reaps a child that has ended: the one with that pid, if it is one, or
// with 0 any. The pid is peeked at first: until the zombie is reaped, nobody else
// can have its number.
func (h *hand) reapOne(pid int) (_ int, status syscall.WaitStatus, usage *syscall.Rusage, ok bool) {
	if pid != 0 {
		pid = waitFor(unix.P_PID, pid, unix.WNOHANG)
	}
	if pid == 0 {
		pid = waitFor(unix.P_ALL, 0, unix.WNOHANG)
	}
	if pid == 0 {
		return 0, 0, nil, false
	}
	h.pinned(pid)
	usage = new(syscall.Rusage)
	for {
		got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, usage)
		if err != syscall.EINTR {
			return pid, status, usage, err == nil && got == pid
		}
	}
}

// waitFor waits for the end of a child, or of any, and returns its pid. It stays
// a zombie. 0 means that there is no such child, or with WNOHANG that none has
// ended. To look for any the kernel looks at all.
func waitFor(idType, id, options int) int {
	var info unix.Siginfo
	for {
		err := unix.Waitid(idType, id, &info, unix.WEXITED|unix.WNOWAIT|options, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0 // ECHILD
		}
		// si_pid is the first field of the union, which is aligned as a pointer
		// is; see sigaction(2).
		const union = (unsafe.Offsetof(info.Code) + 4 + unsafe.Sizeof(uintptr(0)) - 1) &^ (unsafe.Sizeof(uintptr(0)) - 1)
		return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), union)))
	}
}
