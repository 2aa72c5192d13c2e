package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// dir is an open folder that log files are in, shared by all of them. Files
// are opened, renamed and removed in it by their base names, so that nobody
// can exchange a folder on the way while that is done.
type dir struct {
	path string
	fd   int
	refs int           // this and what follows is guarded by Pump.filesMu
	seen time.Duration // when the path was last seen to lead here
}

// acquireDir opens a folder, making it if need be, or shares it if it is open
// and still the one that its path names.
func (p *Pump) acquireDir(path string) (*dir, error) {
	now := p.since(p.now())
	p.filesMu.Lock()
	d := p.dirs[path]
	sure := d != nil && now-d.seen < checkEvery/10
	if d != nil {
		d.refs++
	}
	p.filesMu.Unlock()
	if sure {
		return d, nil
	}
	if d != nil {
		var open, at unix.Stat_t
		if unix.Fstat(d.fd, &open) == nil && unix.Stat(path, &at) == nil && open.Ino == at.Ino && open.Dev == at.Dev {
			p.filesMu.Lock()
			d.seen = now
			p.filesMu.Unlock()
			return d, nil
		}
		p.releaseDir(d)
	}
	fd, err := openDir(path, true)
	if err != nil {
		return nil, err
	}
	d = &dir{path: path, fd: fd, refs: 1, seen: now}
	p.filesMu.Lock()
	p.dirs[path] = d
	p.filesMu.Unlock()
	return d, nil
}

// releaseDir gives a folder back.
func (p *Pump) releaseDir(d *dir) {
	p.filesMu.Lock()
	defer p.filesMu.Unlock()
	if d.refs--; d.refs > 0 {
		return
	}
	unix.Close(d.fd)
	if p.dirs[d.path] == d {
		delete(p.dirs, d.path)
	}
}

// maxLinks is how many symbolic links a path may go through: as in Linux.
const maxLinks = 40

// OpenFolder opens a folder as those of logs are opened, for who makes files
// where the user of a process may lay a trap. Only names in it can be used by
// the descriptor, which is the caller's. With create, it is made if missing.
func OpenFolder(path string, create bool) (int, error) { return openDir(path, create) }

// openDir opens a folder by walking down to it, and makes what is missing on
// the way with mode 0755, if asked. A symbolic link is followed only if it belongs to
// root or to us: any other may be a trap laid by the user of a process.
func openDir(path string, create bool) (int, error) {
	at, err := unix.Open("/", pathOnly|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: "/", Err: err}
	}
	todo := strings.Split(filepath.Clean(path), "/")
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if name == "" || name == "." {
			continue
		}
		next, target, err := enter(at, name, create)
		if err != nil {
			unix.Close(at)
			return -1, &os.PathError{Op: "open folder", Path: path, Err: err}
		}
		if next >= 0 {
			unix.Close(at)
			at = next
			continue
		}
		if links++; links > maxLinks {
			unix.Close(at)
			return -1, &os.PathError{Op: "open folder", Path: path, Err: unix.ELOOP}
		}
		if strings.HasPrefix(target, "/") {
			unix.Close(at)
			if at, err = unix.Open("/", pathOnly|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
				return -1, &os.PathError{Op: "open", Path: "/", Err: err}
			}
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return at, nil
}

// enter opens a folder in a folder, making it if it is missing. For a symbolic
// link that may be followed it returns -1 and where the link leads.
func enter(at int, name string, create bool) (fd int, target string, err error) {
	const flags = pathOnly | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err = unix.Openat(at, name, flags, 0)
	if err == unix.ENOENT && create {
		if err = unix.Mkdirat(at, name, 0o755); err != nil && err != unix.EEXIST {
			return -1, "", fmt.Errorf("make %s: %w", name, err)
		}
		fd, err = unix.Openat(at, name, flags, 0)
	}
	if err == nil {
		return fd, "", nil
	}
	if err != unix.ENOTDIR && err != unix.ELOOP {
		return -1, "", err
	}
	var st unix.Stat_t
	if serr := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW); serr != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return -1, "", err
	}
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return -1, "", fmt.Errorf("%s is a symbolic link of user %d, which is not followed", name, st.Uid)
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(at, name, buf)
	if err != nil {
		return -1, "", err
	}
	return -1, string(buf[:n]), nil
}

// openLog opens a log file for reading and appending, making it with mode
// 0640, and returns what it is. Only a regular file is accepted, with no other
// name, of ours, of root or of the process's own user: with anything else that
// user could have us write where it may not.
func openLog(at int, name string, owner int, flags int) (int, *unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		// Before opening it, since opening some devices has effects.
		if err := trusted(&st, owner); err != nil {
			return -1, nil, err
		}
	} else if err != unix.ENOENT {
		return -1, nil, err
	}
	flags |= unix.O_RDWR | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	fd, err := unix.Openat(at, name, flags, 0o640)
	if err != nil {
		return -1, nil, err
	}
	if err = unix.Fstat(fd, &st); err == nil {
		err = trusted(&st, owner)
	}
	if err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, &st, nil
}

// trusted says why a file is not to be written to, if so.
func trusted(st *unix.Stat_t, owner int) error {
	switch kind := st.Mode & unix.S_IFMT; {
	case kind == unix.S_IFDIR:
		return unix.EISDIR
	case kind == unix.S_IFLNK:
		return fmt.Errorf("it is a symbolic link, which is not followed")
	case kind != unix.S_IFREG:
		return fmt.Errorf("it is not a regular file")
	case st.Nlink > 1:
		return fmt.Errorf("it has %d names (hard links), so it may be somebody else's file", st.Nlink)
	case st.Uid != 0 && int(st.Uid) != os.Geteuid() && int(st.Uid) != owner:
		return fmt.Errorf("it belongs to user %d", st.Uid)
	}
	return nil
}
