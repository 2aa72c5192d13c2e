package procman

import (
	"encoding/binary"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"gosup/spec"
	"gosup/tree"
)

// A far run was started by the daemon before this one, and is no child of this
// process: when that daemon died, its children were given to whoever is above.
// So nothing of it can be waited for, and none of its pids is pinned. It is held
// by pidfds, see pidfd_open(2): they tell when a process has ended, and a signal
// through one reaches that process or none. Each pid is believed only with its
// start time.
//
// Who belongs to a far run is told by its cgroup, by GOSUP_RUN, and, as long as
// its first process lives, by its session, its group and by descent. Orphans of
// it do not come to gosup, so the only way to find them is to read all of /proc:
// once for all far runs that a turn of the hand has to do with.

// far knows the far runs, and waits for the ends of their processes.
type far struct {
	epoll    int
	watcher  *os.File // of epoll, in Go's own poller: no thread waits for it
	fds      map[int]int
	children map[int]*child // by the pid of a first process that has not ended
	picture  []glimpse      // what the last read of /proc saw; nil for none in this turn
}

// glimpse is one process as a read of /proc saw it.
type glimpse struct {
	pid  int
	stat procStat
	tag  string
	in   string // its cgroup below that of the runs, "" for none
}

// openFar makes what watches. fell is called, on a goroutine that ends with
// close, when processes that are watched may have ended.
func (k *kin) openFar(fell func()) error {
	f := &k.far
	if f.watcher != nil {
		return nil
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // for Go's poller alone
		unix.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	f.epoll = fd
	f.watcher = os.NewFile(uintptr(fd), "ends of far processes")
	raw, err := f.watcher.SyscallConn()
	if err != nil {
		return err
	}
	go func() { // ends with close
		events := make([]unix.EpollEvent, 64)
		for {
			err := raw.Read(func(fd uintptr) bool {
				n, err := unix.EpollWait(int(fd), events, 0)
				return n > 0 || err != nil && err != unix.EINTR
			})
			if err != nil {
				return
			}
			fell()
		}
	}()
	return nil
}

func (f *far) close() {
	if f.watcher != nil {
		f.watcher.Close()
	}
	for _, fd := range f.fds {
		unix.Close(fd)
	}
}

// hold opens a pidfd of a process and has its end watched. It reports whether
// the process is still the one that was meant; one that has ended and is not
// reaped is.
func (k *kin) hold(pid int, start uint64) bool {
	f := &k.far
	if _, held := f.fds[pid]; held {
		return true
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	if st, ok := k.proc.stat(pid); !ok || st.start != start {
		unix.Close(fd)
		return false
	}
	// Once: that it has ended is true for ever.
	if err := unix.EpollCtl(f.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT}); err != nil {
		unix.Close(fd)
		return false
	}
	f.fds[pid] = fd
	return true
}

func (f *far) release(pid int) {
	if fd, held := f.fds[pid]; held {
		unix.Close(fd)
		delete(f.fds, pid)
	}
}

// forget drops all that is held of a far run.
func (f *far) forget(c *child) {
	if !c.far {
		return
	}
	delete(f.children, c.pid)
	f.release(c.pid)
	for pid := range c.near {
		f.release(pid)
	}
}

// adoptFar takes a run over that is no child of this process. It reports whether
// its first process could be held; if not, that has just ended, or never was.
func (k *kin) adoptFar(c *child, others []relative) bool {
	c.far, c.near = true, make(map[int]relative)
	if c.pid != 0 && k.hold(c.pid, c.start) {
		k.far.children[c.pid] = c
		c.cgroup = k.cgroups.nameOf(k.proc, c.pid)
	} else {
		c.over, c.looked = true, true
	}
	k.tags[c.tag] = c
	for _, r := range others {
		if c.cgroup == "" {
			c.cgroup = k.cgroups.nameOf(k.proc, r.pid)
		}
		k.approach(c, r)
	}
	if c.cgroup != "" {
		k.cgroups.runs[c.cgroup] = c
	}
	return !c.over
}

// approach notes that a process belongs to a far run.
func (k *kin) approach(c *child, r relative) {
	if r.pid != c.pid && k.hold(r.pid, r.start) {
		c.near[r.pid] = r
	}
}

// look reads all of /proc, unless this turn has done so, and notes who belongs
// to far run c.
func (k *kin) look(c *child) {
	if k.far.picture == nil {
		for _, pid := range k.proc.list(k.proc.root) {
			if st, ok := k.proc.stat(pid); ok && st.state != 'Z' {
				k.far.picture = append(k.far.picture, glimpse{pid, st, k.proc.tag(pid), k.cgroups.nameOf(k.proc, pid)})
			}
		}
	}
	self := os.Getpid()
	for _, g := range k.far.picture {
		mine := g.tag == c.tag || c.cgroup != "" && g.in == c.cgroup
		if !c.over {
			mine = mine || g.stat.session == c.pid || g.stat.group == c.pid
		}
		if mine && g.pid != self {
			k.approach(c, relative{g.pid, g.stat.start, g.stat.group, g.stat.session})
		}
	}
	if !c.over {
		for _, r := range k.walk(c, c.pid) {
			k.approach(c, r)
		}
	}
	for _, r := range c.near {
		for _, d := range k.walk(c, r.pid) {
			k.approach(c, d)
		}
	}
}

// ended reports whether a process that is held has.
func (f *far) ended(pid int) bool {
	fd, held := f.fds[pid]
	if !held {
		return true
	}
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n > 0
}

// signalFar sends signals to what is known of a far run, within reach.
func (k *kin) signalFar(c *child, reach spec.Kill, sigs []syscall.Signal) {
	if reach != spec.KillProcess {
		k.look(c)
		if reach == spec.KillTree && sigs[0] == syscall.SIGKILL {
			k.cgroups.kill(c.cgroup)
		}
	}
	if !c.over {
		k.far.send(c.pid, sigs)
	}
	for pid, r := range c.near {
		if reach == spec.KillTree || reach == spec.KillGroup && r.group == c.pid {
			k.far.send(pid, sigs)
		}
	}
}

func (f *far) send(pid int, sigs []syscall.Signal) {
	fd, held := f.fds[pid]
	if !held {
		return
	}
	for _, sig := range sigs {
		_ = unix.PidfdSendSignal(fd, sig, nil, 0) // ESRCH: it has just ended
	}
}

// farLeft reports whether anything is left of a far run whose first process is
// over. What is, gets the signal that everything of it was to get.
func (k *kin) farLeft(c *child) bool {
	if c.reach == spec.KillProcess {
		return false
	}
	k.look(c)
	left := false
	for pid, r := range c.near {
		switch {
		case k.far.ended(pid):
			k.far.release(pid)
			delete(c.near, pid)
		case c.reach == spec.KillTree || r.group == c.pid:
			left = true
			if c.killing && (c.killReach == spec.KillTree || r.group == c.pid) {
				k.far.send(pid, []syscall.Signal{syscall.SIGKILL})
			}
		}
	}
	return left
}

// farEnded takes the ends of first processes of far runs, and returns the runs.
func (h *hand) farEnded() (ended []*child) {
	h.kin.far.picture = nil
	for pid, c := range h.kin.far.children {
		if !h.kin.far.ended(pid) {
			continue
		}
		h.kin.look(c) // while its session may still tell who is of it
		c.exit = h.farExit(c)
		c.over, c.looked = true, true
		delete(h.kin.far.children, pid)
		h.kin.far.release(pid)
		ended = append(ended, c)
	}
	return ended
}

// farExit says how a process ended that is no child. Who is its parent takes
// the status; until then the zombie shows it in /proc/PID/stat to who may trace
// it, and from Linux 6.15 on its pidfd tells it afterwards. Otherwise the code
// is not known, and said to be: it is never taken for a success.
func (h *hand) farExit(c *child) tree.Exit {
	at := h.now()
	e := tree.Exit{Code: -1, At: at, Ran: at.Sub(c.started), Cause: tree.Ended, Unseen: true}
	status, ok := h.kin.proc.zombieStatus(c.pid, c.start)
	if !ok {
		status, ok = pidfdStatus(h.kin.far.fds[c.pid])
	}
	if !ok {
		return e
	}
	e.Unseen = false
	readStatus(&e, status)
	return e
}

// zombieStatus reads the status of a zombie, in the form of wait(2). To who may
// not trace it the kernel shows 0 instead, which io(5) tells apart: it is shown
// to the same people.
func (p *procfs) zombieStatus(pid int, start uint64) (syscall.WaitStatus, bool) {
	st, ok := p.stat(pid)
	if !ok || st.start != start || st.state != 'Z' {
		return 0, false
	}
	if st.exitCode == 0 && len(p.readFile(p.path(pid, "/io"))) == 0 {
		return 0, false
	}
	return syscall.WaitStatus(st.exitCode), true
}

// pidfdStatus asks a pidfd for the status of a process that was reaped, by
// PIDFD_GET_INFO with PIDFD_INFO_EXIT (linux/pidfd.h).
func pidfdStatus(fd int) (syscall.WaitStatus, bool) {
	const (
		getInfo  = 0xc040ff0b // _IOWR(0xff, 11, struct pidfd_info) of 64 bytes
		infoExit = 1 << 3
		codeAt   = 60 // behind mask, cgroupid and eleven numbers of 32 bits
	)
	var info [64]byte
	binary.NativeEndian.PutUint64(info[:], infoExit)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), getInfo, uintptr(unsafe.Pointer(&info)))
	if errno != 0 || binary.NativeEndian.Uint64(info[:])&infoExit == 0 {
		return 0, false
	}
	return syscall.WaitStatus(binary.NativeEndian.Uint32(info[codeAt:])), true
}

// nameOf returns the name of the run's cgroup that a process is in, "" for none.
func (g *cgroups) nameOf(p *procfs, pid int) string {
	if g.root == "" {
		return ""
	}
	path := cgroupPath(string(p.readFile(p.path(pid, "/cgroup"))))
	rest, ok := strings.CutPrefix(path, g.path+"/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// pidfdsWork reports whether far runs can be held at all: from Linux 5.3 on,
// unless a filter of system calls forbids it.
func pidfdsWork() bool {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}
