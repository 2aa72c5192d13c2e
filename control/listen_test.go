package control

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestListen(t *testing.T) {
	t.Parallel()
	at := func(dir string) string { return filepath.Join(dir, "gosup.sock") }
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		path    func(dir string) string
		want    string // in the error; "" for none
	}{
		{name: "nothing there", path: at},
		{name: "no folder", path: func(dir string) string { return filepath.Join(dir, "run", "deep", "x.sock") }},
		{name: "long path", path: func(dir string) string {
			return filepath.Join(dir, strings.Repeat("long-folder/", 12), "gosup.sock")
		}},
		{name: "stale socket", path: at, prepare: func(t *testing.T, dir string) {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at(dir), Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			l.SetUnlinkOnClose(false)
			l.Close()
		}},
		{name: "file", path: at, want: "is not a socket", prepare: func(t *testing.T, dir string) {
			if err := os.WriteFile(at(dir), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "symlink", path: at, want: "is not a socket", prepare: func(t *testing.T, dir string) {
			if err := os.Symlink("/etc/passwd", at(dir)); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "folder", path: at, want: "is not a socket", prepare: func(t *testing.T, dir string) {
			if err := os.Mkdir(at(dir), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "folder for everybody", path: at, want: "others can write to it", prepare: func(t *testing.T, dir string) {
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "folder for everybody, sticky", path: at, prepare: func(t *testing.T, dir string) {
			if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if test.prepare != nil {
				test.prepare(t, dir)
			}
			path := test.path(dir)
			l, err := Listen(Socket{Path: path, Mode: 0o640, GID: -1})
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("got error %v, want one with %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := info.Mode(), fs.ModeSocket|0o640; got != want {
				t.Errorf("mode is %v, want %v", got, want)
			}
			conn, err := dialAt(path, dialTimeout)
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			l.Close()
			left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
			hidden, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
			if left = append(left, hidden...); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestListenInUse(t *testing.T) {
	t.Parallel()
	s := Socket{Path: filepath.Join(t.TempDir(), "gosup.sock"), Mode: 0o600, GID: -1}
	first, err := Listen(s)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = Listen(s)
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.PID != os.Getpid() {
		t.Fatalf("got %v, want an InUseError with pid %d", err, os.Getpid())
	}
}

// A listener whose socket was replaced leaves the new one alone.
func TestListenerCloseLeavesOthers(t *testing.T) {
	t.Parallel()
	s := Socket{Path: filepath.Join(t.TempDir(), "gosup.sock"), Mode: 0o600, GID: -1}
	first, err := Listen(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.Path); err != nil {
		t.Fatal(err)
	}
	second, err := Listen(s)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := os.Lstat(s.Path); err != nil {
		t.Fatal(err)
	}
	second.Close()
	if _, err := os.Lstat(s.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v, want that it is gone", err)
	}
}

func TestListenGroup(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can give a socket to a group that it is not in")
	}
	path := filepath.Join(t.TempDir(), "gosup.sock")
	l, err := Listen(Socket{Path: path, Mode: 0o660, GID: 4242})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if gid := info.Sys().(*syscall.Stat_t).Gid; gid != 4242 {
		t.Errorf("gid is %d, want 4242", gid)
	}
}
