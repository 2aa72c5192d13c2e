package procman

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"gosup/tree"
)

// newLook returns the look of a meter at the runs of a supervisor, whose
// cgroups, if there are any, are in a folder.
func newLook(supervisor, cgroups string) func(*tree.Snapshot) map[runKey]use {
	return func(snap *tree.Snapshot) map[runKey]use {
		w := newWalk("/proc", supervisor, cgroups)
		if w == nil {
			return map[runKey]use{}
		}
		return w.uses(snap)
	}
}

// clockTick is the unit of CPU time in /proc/PID/stat: USER_HZ, which is 100
// wherever Go runs.
const clockTick = time.Second / 100

// walk is one walk over all processes, to find whose they are. The hand has its
// own picture of that, and its own thread: it is not asked.
type walk struct {
	proc       *procfs
	supervisor string
	cgroups    string // the end of a path in /proc/PID/cgroup; "" for none

	stats   map[int]procStat
	leaders map[int]runKey    // first processes, by pid
	tags    map[string]runKey // by GOSUP_RUN
	paths   map[string]runKey // by cgroup; nil until it is needed
	owners  map[int]runKey    // what was found out; the zero value is nobody's
}

// newWalk returns nil where there is no procfs that can be used.
func newWalk(root, supervisor, cgroups string) *walk {
	// No reserve: when descriptors run out, it is this that does without.
	proc := openProc(root, nil)
	if proc == nil {
		return nil
	}
	proc.dropLists()
	w := &walk{proc: proc, supervisor: supervisor, owners: map[int]runKey{}}
	if cgroups != "" {
		w.cgroups = "/" + filepath.Base(cgroups) + "/"
	}
	return w
}

// uses sums up what belongs to each run.
func (w *walk) uses(snap *tree.Snapshot) map[runKey]use {
	w.leaders = make(map[int]runKey, len(snap.Nodes))
	w.tags = make(map[string]runKey, len(snap.Nodes))
	for _, n := range snap.Nodes {
		if n.PID != 0 {
			key := runKey{n.ID, n.Run}
			w.leaders[n.PID] = key
			w.tags[environment{id: w.supervisor}.tag(n.Process, n.Run)] = key
		}
	}
	w.stats = make(map[int]procStat, 2*len(snap.Nodes))
	for _, pid := range w.proc.list(w.proc.root) {
		if st, ok := w.proc.stat(pid); ok {
			w.stats[pid] = st
		}
	}
	page := int64(os.Getpagesize())
	uses := make(map[runKey]use, len(w.leaders))
	for pid, st := range w.stats {
		if key := w.owner(pid); key != (runKey{}) {
			u := uses[key]
			u.cpu += time.Duration(st.ticks) * clockTick
			u.memoryBytes += st.pages * page
			uses[key] = u
		}
	}
	return uses
}

// owner returns the run that a process belongs to: that of its parent, or for
// an orphan what it cannot easily shed says.
func (w *walk) owner(pid int) runKey {
	if key, ok := w.leaders[pid]; ok {
		return key
	}
	if key, ok := w.owners[pid]; ok {
		return key
	}
	st, ok := w.stats[pid]
	if !ok {
		return runKey{}
	}
	w.owners[pid] = runKey{} // parents do not go round in circles, but they are read one after the other
	key := w.owner(st.parent)
	if key == (runKey{}) {
		key = w.orphanOwner(pid, st)
	}
	w.owners[pid] = key
	return key
}

func (w *walk) orphanOwner(pid int, st procStat) runKey {
	// A leader's number cannot be another's session or group while it lives.
	for _, id := range [...]int{st.session, st.group} {
		if key, ok := w.leaders[id]; ok {
			return key
		}
	}
	if st.parent != w.proc.self && st.parent != 1 || pid == w.proc.self {
		return runKey{} // no orphan, or one that somebody else looks after
	}
	if key, ok := w.tags[w.proc.tag(pid)]; ok {
		return key
	}
	return w.byCgroup(pid)
}

// byCgroup finds a run by the cgroup that its first process is in.
func (w *walk) byCgroup(pid int) runKey {
	path := w.cgroup(pid)
	if path == "" {
		return runKey{}
	}
	if w.paths == nil {
		w.paths = make(map[string]runKey, len(w.leaders))
		for leader, key := range w.leaders {
			w.paths[w.cgroup(leader)] = key
		}
	}
	return w.paths[path]
}

// cgroup returns the name of the run's cgroup that a process is in or below,
// "" if it is in none.
func (w *walk) cgroup(pid int) string {
	path := cgroupPath(string(w.proc.readFile(w.proc.path(pid, "/cgroup"))))
	_, name, ok := strings.Cut(path, w.cgroups)
	if w.cgroups == "" || !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, "/")
	return name
}
