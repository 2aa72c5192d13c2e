package procman

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// cgroups gives each run a cgroup of its own where that can be done, see
// cgroups(7) on version 2. Then no descendant can hide, whatever it does to its
// session and environment, and cgroup.kill ends all at once, also those that
// fork faster than anybody could signal them.
//
// A cgroup serves one run: since Linux 6.14 a child that is cloned into one
// that has ever been killed is killed at birth.
type cgroups struct {
	root  string // folder of the runs' cgroups, "" if there are none
	off   bool   // no more are made
	path  string // the same as /proc/PID/cgroup tells it
	warn  func(error)
	last  uint64
	why   error             // why there are none
	on    map[string]bool   // controllers that limit the runs' cgroups
	leaf  string            // the cgroup that gosup moved to for that; "" if it did not
	runs  map[string]*child // by the name of the cgroup below root
	stale []string          // cgroups of runs that are over, not yet looked at
	spare []string          // empty ones for the next runs
	next  openCgroup        // none of those: the first that is taken
	spent map[string]bool   // those to remove: after a kill, a child that is put there dies at birth
}

// makeCgroups makes the folder in which the runs of a supervisor get their
// cgroups, below the cgroup that the daemon is in, and clears it of what an
// earlier daemon has left. The error says why there can be none.
func makeCgroups(supervisor string) (root string, err error) {
	mount, below, err := cgroupMount("/proc")
	if err != nil {
		return "", err
	}
	root = filepath.Join(mount, aboveLeaf(below), "gosup."+supervisor)
	if err := os.Mkdir(root, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("make a cgroup: %w", err)
	}
	if _, err := os.Stat(filepath.Join(root, "cgroup.kill")); err != nil {
		_ = os.Remove(root)
		return "", fmt.Errorf("kill by cgroup needs Linux 5.14: %w", err)
	}
	clearCgroups(root)
	return root, nil
}

// clearCgroups removes the empty cgroups below root. The kernel refuses to
// remove others.
func clearCgroups(root string) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			_ = unix.Rmdir(filepath.Join(root, e.Name()))
		}
	}
}

// cgroupMount returns where the version 2 hierarchy is mounted and which
// folder in there is the calling process's.
func cgroupMount(proc string) (mount, below string, err error) {
	own, err := os.ReadFile(proc + "/self/cgroup")
	if err != nil {
		return "", "", fmt.Errorf("find the cgroup of gosup: %w", err)
	}
	path := cgroupPath(string(own))
	mounts, err := os.ReadFile(proc + "/self/mountinfo")
	if err != nil || path == "" {
		return "", "", errors.Join(errNoCgroups, err)
	}
	for line := range strings.Lines(string(mounts)) {
		// 36 35 98:0 ROOT MOUNT OPTIONS [FIELDS] - TYPE SOURCE OPTIONS
		head, tail, _ := strings.Cut(line, " - ")
		fields := strings.Fields(head)
		if !strings.HasPrefix(tail, "cgroup2 ") || len(fields) < 6 {
			continue
		}
		rest, ok := strings.CutPrefix(path+"/", strings.TrimSuffix(fields[3], "/")+"/")
		if ok && !strings.Contains(fields[4], `\`) { // an escaped blank: not a place for a cgroup
			return fields[4], rest, nil
		}
	}
	return "", "", errNoCgroups
}

var errNoCgroups = errors.New("no cgroup v2 is mounted")

// cgroupPath returns the version 2 line of a /proc/PID/cgroup, "" if there is
// none.
func cgroupPath(text string) string {
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(path, "\n")
		}
	}
	return ""
}

func (g *cgroups) open(opt handOptions) {
	g.warn = opt.warn
	g.runs, g.on, g.why = make(map[string]*child), make(map[string]bool), opt.without
	if opt.cgroups == "" {
		return
	}
	own, err := os.ReadFile(opt.proc + "/self/cgroup")
	if err != nil {
		return
	}
	g.root = opt.cgroups
	g.path = filepath.Join(aboveLeaf(cgroupPath(string(own))), filepath.Base(g.root))
}

func (g *cgroups) close() {
	if g.next.name != "" {
		unix.Close(g.next.fd)
	}
	if g.root != "" {
		clearCgroups(g.root)
		_ = unix.Rmdir(g.root) // not if processes live on
		g.moveBack()
	}
}

// add makes a cgroup for a run and returns its name and an open descriptor of
// it; "" and -1 if there is none.
func (g *cgroups) add() (string, int) {
	if g.root == "" || g.off {
		return "", -1
	}
	c := g.next
	g.next = openCgroup{}
	if c.name == "" {
		c = g.ready()
	}
	if c.name == "" {
		return "", -1
	}
	return c.name, c.fd
}

// openCgroup is a cgroup with a descriptor of it. The zero value is none.
type openCgroup struct {
	name string
	fd   int
}

// ready returns an empty cgroup, one that there is or a new one.
func (g *cgroups) ready() openCgroup {
	name := ""
	if n := len(g.spare); n > 0 {
		name, g.spare = g.spare[n-1], g.spare[:n-1]
	} else if name = g.fresh(); name == "" {
		return openCgroup{}
	}
	dir := g.root + "/" + name
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = unix.Rmdir(dir)
		return openCgroup{} // no descriptor: this run does without
	}
	return openCgroup{name, fd}
}

// fresh makes a cgroup and returns its name; "" if that is not possible.
func (g *cgroups) fresh() string {
	for {
		g.last++
		name := "run." + strconv.FormatUint(g.last, 10)
		err := unix.Mkdir(g.root+"/"+name, 0o755)
		if err == nil {
			return name
		}
		if err != unix.EEXIST { // a run of the daemon before this one is in there
			g.fail(fmt.Errorf("make cgroup %s/%s: %w", g.root, name, err))
			return ""
		}
	}
}

// maxSpare is how many empty cgroups are kept.
const maxSpare = 32

// tidy makes the cgroups of runs that are over ready for the next ones, and
// sees that there is one at hand. Making and removing a cgroup takes as long as
// half a fork, and the kernel goes on with it in the background, which holds up
// the next fork: so they are used again, and all this is done when nobody waits
// for it.
func (g *cgroups) tidy() {
	if g.root == "" || g.off {
		return
	}
	g.stale = slices.DeleteFunc(g.stale, func(name string) bool {
		switch {
		case g.spent[name] || len(g.spare) >= maxSpare:
			if unix.Rmdir(g.root+"/"+name) == unix.EBUSY {
				return false
			}
			delete(g.spent, name)
		case g.populated(name):
			return false
		default:
			g.spare = append(g.spare, name)
		}
		return true
	})
	if g.next.name == "" {
		g.next = g.ready()
	}
}

// spend keeps later runs out of a cgroup.
func (g *cgroups) spend(name string) {
	if g.spent == nil {
		g.spent = make(map[string]bool)
	}
	g.spent[name] = true
}

// populated reports whether there may be a process in a cgroup, or in one below
// it. It does without package os, which would have every file watched: that
// alone wakes another thread while the next run is starting.
func (g *cgroups) populated(name string) bool {
	fd, err := unix.Open(g.root+"/"+name+"/cgroup.events", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	var text [256]byte
	n, err := unix.Pread(fd, text[:], 0)
	return err != nil || !strings.Contains(string(text[:n]), "populated 0")
}

// fail gives cgroups up for all later runs.
func (g *cgroups) fail(err error) {
	g.off, g.why = true, err
	if g.warn != nil {
		g.warn(fmt.Errorf("runs get no cgroup of their own: %w", err))
	}
}

// intoCgroup makes a fork place the child in a cgroup.
func intoCgroup(attr *syscall.SysProcAttr, fd int) { attr.UseCgroupFD, attr.CgroupFD = fd >= 0, fd }

// cgroupRefused reports whether a fork may have failed because of its cgroup.
func cgroupRefused(err error) bool {
	errno, ok := err.(syscall.Errno)
	return ok && slices.Contains([]syscall.Errno{
		unix.EACCES, unix.EPERM, unix.EBUSY, unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL, unix.ENOENT, unix.ENODEV, unix.EBADF}, errno)
}

// drop gives up the cgroup of a run that is over.
func (g *cgroups) drop(name string) {
	if name == "" {
		return
	}
	delete(g.runs, name)
	g.stale = append(g.stale, name)
}

// kill sends SIGKILL to all in a run's cgroup.
func (g *cgroups) kill(name string) {
	if name != "" {
		g.spend(name)
		_ = writeFile(g.root+"/"+name+"/cgroup.kill", "1")
	}
}

// owner returns the run in whose cgroup, or in one below that, a process is.
func (g *cgroups) owner(p *procfs, pid int) *child {
	if len(g.runs) == 0 {
		return nil
	}
	path := cgroupPath(string(p.readFile(p.path(pid, "/cgroup"))))
	rest, ok := strings.CutPrefix(path, g.path+"/")
	if !ok {
		return nil
	}
	name, _, _ := strings.Cut(rest, "/")
	return g.runs[name]
}
