package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// readFile returns the text of a file, at most one byte more than a file may
// have. With onlyRoot it first makes sure that nobody but root can have
// written it: what root runs must be root's own choice.
func readFile(path string, onlyRoot bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is a folder")}
	}
	if onlyRoot {
		if err := checkTrust(path, f, info); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(f, maxFileBytes+1))
}

// trustError says who else than root can change a file.
type trustError struct{ what, hint string }

func (e *trustError) Error() string { return e.what }

// checkTrust returns a *trustError if others than root can write an open file
// or exchange it in its folder.
func checkTrust(path string, f *os.File, info fs.FileInfo) error {
	if info.Mode().IsRegular() && !readOnly(int(f.Fd())) {
		if who := writers(info); who != "" {
			return &trustError{
				"can be written by " + who + ", and gosup runs as root",
				"chown root " + path + " && chmod go-w " + path,
			}
		}
	}
	folders := []string{filepath.Dir(path)}
	if target, err := filepath.EvalSymlinks(path); err == nil && target != path {
		folders = append(folders, filepath.Dir(target))
	}
	for _, dir := range folders {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		di, err := d.Stat()
		ro := err == nil && readOnly(int(d.Fd()))
		_ = d.Close()
		if err != nil {
			return err
		}
		if who := writers(di); who != "" && !ro && di.Mode()&fs.ModeSticky == 0 {
			return &trustError{
				"is in the folder " + dir + ", which can be written by " + who + ", and gosup runs as root",
				"chown root " + dir + " && chmod go-w " + dir + ", or move the file",
			}
		}
	}
	return nil
}

// writers names who else than root may write a file or folder; "" for nobody.
// The user who became root with sudo(8) is as good as root.
func writers(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	switch mode := info.Mode().Perm(); {
	case mode&0o002 != 0:
		return fmt.Sprintf("everybody (mode %04o)", mode)
	case mode&0o020 != 0 && st.Gid != 0:
		return fmt.Sprintf("the group %d (mode %04o)", st.Gid, mode)
	case st.Uid != 0 && strconv.Itoa(int(st.Uid)) != os.Getenv("SUDO_UID"):
		return fmt.Sprintf("its owner, the user %d", st.Uid)
	}
	return ""
}

// readOnly reports whether a file is on a read-only mount, as configurations
// that are mounted into containers often are: nobody writes those.
func readOnly(fd int) bool {
	var st unix.Statfs_t
	const readOnlyMount = 1 // ST_RDONLY of statfs(2), MNT_RDONLY of darwin
	return unix.Fstatfs(fd, &st) == nil && st.Flags&readOnlyMount != 0
}
