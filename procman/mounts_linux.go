package procman

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// remoteKinds are the file systems for which another machine answers, or a
// program: where it does not, whoever touches a file waits without an end.
var remoteKinds = []string{
	"9p", "afs", "autofs", "ceph", "cifs", "coda", "fuse", "fuseblk", "gfs2", "glusterfs", "lustre", "ncpfs", "nfs",
	"nfs4", "ocfs2", "orangefs", "pvfs2", "smb3", "smbfs", "virtiofs",
}

// mounts knows what may hang, without touching it: from the kernel's table of
// mounts alone. It belongs to the hand's goroutine. The zero value knows of
// nothing.
type mounts struct {
	path   string   // of the table; "" where there is none
	table  int      // its descriptor
	remote []string // where something remote is mounted, but for /, which gosup itself would hang on
}

func (m *mounts) open(proc string) {
	path := filepath.Join(proc, "self/mountinfo")
	// No os.File: the runtime's poller would take the news of changes.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return // no start is the safer for it
	}
	m.path, m.table = path, fd
	m.read()
}

func (m *mounts) close() {
	if m.path != "" {
		unix.Close(m.table)
	}
}

// read reads the table, see proc_pid_mountinfo(5).
func (m *mounts) read() {
	m.remote = nil
	data, err := os.ReadFile(m.path)
	if err != nil {
		return
	}
	for line := range bytes.Lines(data) {
		before, after, _ := strings.Cut(string(line), " - ")
		fields := strings.Fields(before)
		kind, _, _ := strings.Cut(after, " ")
		kind, _, _ = strings.Cut(kind, ".") // fuse.sshfs
		if len(fields) > 4 && slices.Contains(remoteKinds, kind) {
			if at := unescape(fields[4]); at != "/" {
				m.remote = append(m.remote, at)
			}
		}
	}
}

// unescape undoes what the kernel does to blanks in paths.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// hangs reports whether the start of l would touch a folder that may hang. The
// interpreter of a script, and libraries, are not looked at.
func (m *mounts) hangs(l *launch) bool {
	if m.path == "" {
		return false
	}
	// The kernel says by POLLPRI that the table has changed since it was polled.
	poll := []unix.PollFd{{Fd: int32(m.table), Events: unix.POLLPRI}}
	if n, err := unix.Poll(poll, 0); err == nil && n > 0 {
		m.read()
	}
	if len(m.remote) == 0 {
		return false
	}
	if m.within(l.Dir) {
		return true
	}
	if len(l.Argv) > 0 && strings.Contains(l.Argv[0], "/") {
		return m.within(inDir(l.Dir, l.Argv[0]))
	}
	return slices.ContainsFunc(searched(l), func(dir string) bool { return m.within(inDir(l.Dir, dir)) })
}

// maxLinks bounds the symbolic links of one path, as the kernel does.
const maxLinks = 40

// within reports whether an absolute path leads into what is mounted from
// elsewhere. It follows links, one part of the path after the other, and stops
// in front of the mount.
func (m *mounts) within(path string) bool {
	at, rest := "/", strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		at = filepath.Join(at, part) // ".." is right, too: there are no links in at
		if slices.Contains(m.remote, at) {
			return true
		}
		target, err := os.Readlink(at)
		if err != nil {
			continue
		}
		if links++; links > maxLinks {
			return false // the start fails by itself
		}
		at = filepath.Dir(at)
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return false
}
