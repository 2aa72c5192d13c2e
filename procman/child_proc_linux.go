package procman

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// procfs reads what proc(5) tells of processes, with few system calls and no
// garbage: a stop of a thousand processes asks it a thousand times.
type procfs struct {
	root    string
	reserve *reserve
	mine    int // the list of this process's orphans, kept open; -1 without CONFIG_PROC_CHILDREN
	self    int
	buf     []byte
	pids    []int
}

// openProc returns nil if there is no procfs at root, or one of another pid
// namespace, in which the same numbers mean other processes.
func openProc(root string, r *reserve) *procfs {
	p := &procfs{root: root + "/", reserve: r, self: os.Getpid(), buf: make([]byte, 16<<10)}
	if self, err := os.Readlink(p.root + "self"); err != nil || self != strconv.Itoa(p.self) {
		return nil
	}
	p.mine = p.openFile(p.childrenFile(p.self, p.self))
	return p
}

// dropLists makes p do without the kernel's lists of children.
func (p *procfs) dropLists() {
	p.close()
	p.mine = -1
}

func (p *procfs) close() {
	if p != nil && p.mine >= 0 {
		unix.Close(p.mine)
	}
}

// orphans returns the children of the main thread, which is whom the kernel
// gives orphans to; the hand's own are another thread's. It is complete: only
// the hand removes from that list, and what comes is put at its end. It is
// valid until the next call.
func (p *procfs) orphans() []int {
	p.pids = p.pids[:0]
	if p.mine < 0 {
		p.pids = p.scan(p.pids, p.self)
		return p.pids
	}
	p.pids = p.readPids(p.pids, p.mine)
	return p.pids
}

// children returns the children of a process. Some may be missing when they
// end or come meanwhile.
func (p *procfs) children(pid int) []int {
	if p.mine < 0 {
		return p.scan(nil, pid)
	}
	var info unix.Stat_t
	task := p.path(pid, "/task")
	if unix.Stat(task, &info) != nil {
		return nil
	}
	if info.Nlink <= 3 { // ., .. and one thread
		return p.childrenOf(nil, pid, pid)
	}
	var pids []int
	for _, tid := range p.list(task) {
		pids = p.childrenOf(pids, pid, tid)
	}
	return pids
}

func (p *procfs) childrenOf(dst []int, pid, tid int) []int {
	fd := p.openFile(p.childrenFile(pid, tid))
	if fd < 0 {
		return dst
	}
	defer unix.Close(fd)
	return p.readPids(dst, fd)
}

func (p *procfs) childrenFile(pid, tid int) string {
	return p.path(pid, "/task/"+strconv.Itoa(tid)+"/children")
}

// readPids appends the numbers that a file holds.
func (p *procfs) readPids(dst []int, fd int) []int {
	pid, off := 0, int64(0)
	for {
		n, err := unix.Pread(fd, p.buf, off)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return dst
		}
		off += int64(n)
		for _, b := range p.buf[:n] {
			if b >= '0' && b <= '9' {
				pid = pid*10 + int(b-'0')
			} else if pid > 0 {
				dst = append(dst, pid)
				pid = 0
			}
		}
	}
}

// scan finds the children of a process by looking at every process there is,
// for kernels without lists of children.
func (p *procfs) scan(dst []int, parent int) []int {
	for _, pid := range p.list(p.root) {
		if st, ok := p.stat(pid); ok && st.parent == parent {
			dst = append(dst, pid)
		}
	}
	return dst
}

// list returns the entries of a folder that are numbers.
func (p *procfs) list(dir string) []int {
	entries, err := os.ReadDir(dir)
	if err != nil {
		p.reserve.drop()
		defer p.reserve.fill()
		entries, _ = os.ReadDir(dir) // of what has ended there is none
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// procStat is the part of /proc/PID/stat that matters here.
type procStat struct {
	state    byte
	parent   int
	group    int
	session  int
	ticks    uint64 // of CPU time, with that of the children that it has waited for
	start    uint64 // clock ticks since boot
	pages    int64  // resident
	code     uint64 // address; 1 if it may not be known
	environ  uint64 // address; 0 if it may not be known
	exitCode uint32 // of a zombie, as wait(2) has it; 0 if it may not be known
}

// bare reports whether the process has no program: it has given up its memory
// to become a zombie, or execve(2) has not finished, not even the environment.
func (s procStat) bare() bool { return s.code == 0 }

// stat returns what is known of a process; false if it is no more.
func (p *procfs) stat(pid int) (procStat, bool) {
	line := p.readFile(p.path(pid, "/stat"))
	// The name in parentheses may hold anything, also parentheses and spaces.
	i := bytes.LastIndexByte(line, ')')
	if i < 0 || i+2 >= len(line) {
		return procStat{}, false
	}
	var fields [50][]byte
	rest := bytes.TrimSuffix(line[i+2:], []byte{'\n'})
	for k := range fields {
		fields[k], rest, _ = bytes.Cut(rest, []byte{' '})
		if len(fields[k]) == 0 {
			return procStat{}, false
		}
	}
	return procStat{
		state:    fields[0][0],
		parent:   atoi(fields[1]),
		group:    atoi(fields[2]),
		session:  atoi(fields[3]),
		ticks:    uint64(atoi(fields[11]) + atoi(fields[12]) + atoi(fields[13]) + atoi(fields[14])),
		start:    uint64(atoi(fields[19])),
		pages:    int64(atoi(fields[21])),
		code:     uint64(atoi(fields[23])),
		environ:  uint64(atoi(fields[47])),
		exitCode: uint32(atoi(fields[49])),
	}, true
}

// tag returns the value of GOSUP_RUN in a process's environment, "" if there
// is none or it may not be read.
func (p *procfs) tag(pid int) string {
	fd := p.openFile(p.path(pid, "/environ"))
	if fd < 0 {
		return ""
	}
	defer unix.Close(fd)
	have := 0
	skip := false // the rest of an entry that is longer than the buffer
	for {
		n, err := unix.Read(fd, p.buf[have:])
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return ""
		}
		rest := p.buf[:have+n]
		for {
			entry, after, ok := bytes.Cut(rest, []byte{0})
			if !ok {
				break
			}
			if v, ok := bytes.CutPrefix(entry, []byte("GOSUP_RUN=")); ok && !skip {
				return string(v)
			}
			rest, skip = after, false
		}
		have = copy(p.buf, rest)
		if have == len(p.buf) {
			have, skip = 0, true
		}
	}
}

// readFile returns the beginning of a file, as much as the buffer holds.
func (p *procfs) readFile(path string) []byte {
	fd := p.openFile(path)
	if fd < 0 {
		return nil
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Read(fd, p.buf)
		if err == unix.EINTR {
			continue
		}
		if n < 0 || err != nil {
			return nil
		}
		return p.buf[:n]
	}
}

// openFile opens for reading, with a reserved descriptor if no other is left.
func (p *procfs) openFile(path string) int {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.EMFILE || err == unix.ENFILE {
		p.reserve.drop()
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		defer p.reserve.fill()
	}
	if err != nil {
		return -1
	}
	return fd
}

func (p *procfs) path(pid int, name string) string {
	return p.root + strconv.Itoa(pid) + name
}

func atoi(b []byte) int {
	n, err := strconv.Atoi(string(b))
	if err != nil {
		return 0
	}
	return n
}
