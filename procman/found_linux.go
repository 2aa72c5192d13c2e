package procman

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// findRuns returns what lives of the runs of a supervisor: what the records
// say, as far as /proc confirms it, and all that carry its GOSUP_RUN, for a
// daemon may have been killed between fork and record. The order is by name and
// run, tasks behind their run.
func findRuns(p *procfs, supervisor string, recs []runRecord, boot string) []*found {
	if p == nil {
		return nil
	}
	byKey := map[runTag]*found{}
	at := func(t runTag) *found {
		f := byKey[t]
		if f == nil {
			f = &found{name: t.name, run: t.run, task: t.task}
			byKey[t] = f
		}
		return f
	}
	self := os.Getpid()
	leaders := map[int]bool{}
	recorded := map[runTag]bool{}
	for _, rec := range recs {
		recorded[runTag{supervisor: supervisor, name: rec.Name, run: rec.Run}] = rec.Boot == boot
		st, ok := p.stat(rec.PID)
		if !ok || rec.PID <= 1 || rec.Boot != boot || !rec.is(st.start, inodeOf(rec.PID)) {
			continue // it has ended, and who has its number now is a stranger
		}
		t := runTag{supervisor: supervisor, name: rec.Name, run: rec.Run}
		if other, ok := parseRunTag(p.tag(rec.PID)); ok && other != t {
			continue // of another supervisor, in the pid namespace of an earlier container
		}
		f := at(t)
		f.pid, f.start, f.startedAt, f.inode = rec.PID, st.start, rec.StartedAt, rec.Inode
		leaders[rec.PID] = true
		if st.state == 'Z' && st.parent != self {
			f.pid, f.ended = 0, true
			if status, ok := p.zombieStatus(rec.PID, st.start); ok {
				f.status = &status
			}
		}
	}
	for _, pid := range p.list(p.root) {
		if pid == self || leaders[pid] {
			continue
		}
		t, ok := parseRunTag(p.tag(pid))
		if !ok || t.supervisor != supervisor {
			continue
		}
		if st, ok := p.stat(pid); ok && st.state != 'Z' {
			f := at(t)
			f.others = append(f.others, relative{pid, st.start, st.group, st.session})
		}
	}
	list := make([]*found, 0, len(byKey))
	for t, f := range byKey {
		if f.pid == 0 && !recorded[t] { // else it has ended
			f.lead(p)
		}
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b *found) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.run, b.run), strings.Compare(a.task, b.task))
	})
	return list
}

// findLeft is findRuns on this machine.
func findLeft(supervisor string, recs []runRecord, boot string) []*found {
	p := openProc("/proc", &reserve{})
	defer p.close()
	return findRuns(p, supervisor, recs, boot)
}

// lead finds the first process among those that carry a tag: it leads the
// session that it was given, and is the oldest that does.
func (f *found) lead(p *procfs) {
	slices.SortFunc(f.others, func(a, b relative) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.pid, b.pid)) })
	for i, r := range f.others {
		if r.session != r.pid {
			continue
		}
		if st, ok := p.stat(r.pid); ok && st.start == r.start {
			f.pid, f.start = r.pid, r.start
			f.others = slices.Delete(f.others, i, i+1)
			return
		}
	}
}

// bootID returns which boot this is: of the machine, and of the container that
// gosup is in, if it is in one, for with its PID 1 all processes of a pid
// namespace end. It is "" if that cannot be told.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text)) + "." + strconv.FormatUint(startOf(1), 10)
}

// inodeOf returns the inode of a process's pidfd, which no other process of this
// boot ever has (pidfs, Linux 6.9); 0 where there is none of that kind.
func inodeOf(pid int) uint64 {
	if !onPidfs() {
		return 0
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	return st.Ino
}

// onPidfs reports whether pidfds are on pidfs, and its inodes as long as the
// kernel makes them: half of one comes again.
var onPidfs = sync.OnceValue(func() bool {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil || strconv.IntSize < 64 {
		return false
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	return unix.Fstatfs(fd, &fs) == nil && fs.Type == unix.PID_FS_MAGIC
})

// marksOf returns what a process will be known by again: its inode, and where
// there is none, when it started. Reading that costs a start 20 µs.
func marksOf(pid int) (start, inode uint64) {
	if inode = inodeOf(pid); inode == 0 {
		start = startOf(pid)
	}
	return start, inode
}

// startOf returns when a process has started, in clock ticks after the boot; 0
// if it is no more.
func startOf(pid int) uint64 {
	p := procfs{root: "/proc/", reserve: &reserve{}, buf: make([]byte, 1<<10)}
	st, ok := p.stat(pid)
	if !ok {
		return 0
	}
	return st.start
}
