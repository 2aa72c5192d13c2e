package procman

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gosup/spec"
)

// mustOpen opens a socket that is closed with the test.
func mustOpen(t *testing.T, s spec.Socket) (int, fileID) {
	t.Helper()
	fd, file, err := openSocket(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd, file
}

func unixSocket(path string) spec.Socket {
	return spec.Socket{Name: "x", Network: spec.Unix, Address: path, Mode: 0o600, UID: -1, GID: -1}
}

// TestOpenSocketAccepts: who connects is accepted by a copy of the descriptor.
func TestOpenSocketAccepts(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		fd, _, err := openSocket(spec.Socket{Address: address})
		if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
			continue // without IPv6
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		_, port, _ := net.SplitHostPort(boundTo(fd))
		host, _, _ := net.SplitHostPort(address)
		if host == "" {
			host = "127.0.0.1" // all addresses: of IPv4 too
		}
		conn, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		conn.Close()
		accepted, _, err := unix.Accept(fd)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(accepted)
	}
}

func TestOpenSocketTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	fd, _ := mustOpen(t, spec.Socket{Address: "127.0.0.1:0"})
	udp, _ := mustOpen(t, spec.Socket{Network: spec.UDP, Address: "127.0.0.1:0"})
	tests := []struct {
		name   string
		socket spec.Socket
		want   string
	}{
		{"tcp in use", spec.Socket{Address: boundTo(fd)}, "listen on tcp://" + boundTo(fd) + ": address already in use (stop what listens there, or choose another address)"},
		{"udp in use", spec.Socket{Network: spec.UDP, Address: boundTo(udp)}, "listen on udp://" + boundTo(udp) + ": address already in use (stop what listens there, or choose another address)"},
		{"no address of ours", spec.Socket{Address: "192.0.2.1:80"}, "listen on tcp://192.0.2.1:80: cannot assign requested address (it is no address of this machine)"},
		{"no interface", spec.Socket{Address: "[fe80::1%nosuch0]:80"}, "(name an interface of this machine behind the %)"},
	}
	for _, tt := range tests {
		fd, _, err := openSocket(tt.socket)
		if err == nil {
			unix.Close(fd)
			t.Errorf("%s: opened", tt.name)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

// TestOpenPath: a path has its mode whatever the umask, can be connected to
// though it is longer than a socket's address, and leaves nothing else.
func TestOpenPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	s := unixSocket(filepath.Join(dir, "x.sock"))
	s.Mode = 0o622
	fd, file := mustOpen(t, s)
	info, err := os.Lstat(s.Address)
	if err != nil || info.Mode() != os.ModeSocket|0o622 {
		t.Fatalf("got %v, %v", info, err)
	}
	if names, _ := filepath.Glob(dir + "/.*"); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
	connect(t, s.Address)
	if conn, _, err := unix.Accept(fd); err != nil {
		t.Error(err)
	} else {
		unix.Close(conn)
	}
	removeSocket(s.Address, fileID{file.Dev, file.Ino + 1})
	if _, err := os.Lstat(s.Address); err != nil {
		t.Errorf("another file was removed: %v", err)
	}
	removeSocket(s.Address, file)
	if _, err := os.Lstat(s.Address); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("not removed: %v", err)
	}
}

// connect connects to a path, however long it is.
func connect(t *testing.T, path string) {
	t.Helper()
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	conn, err := net.Dial("unix", inFolder(dir, filepath.Base(path)))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// TestOpenPathReplacesOnlyTheDead: a socket that nobody listens on makes room,
// anything else stays as it is.
func TestOpenPathReplacesOnlyTheDead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	fd, _, err := openSocket(unixSocket(path))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := openSocket(unixSocket(path)); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("one that is listened on: got %v", err)
	}
	connect(t, path)
	unix.Close(fd) // as by a kill: the path stays
	mustOpen(t, unixSocket(path))

	place := map[string]func(string) error{
		"file":    func(p string) error { return os.WriteFile(p, []byte("precious"), 0o644) },
		"link":    func(p string) error { return os.Symlink(path, p) },
		"dangler": func(p string) error { return os.Symlink(filepath.Join(dir, "nothing"), p) },
		"fifo":    func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"folder":  func(p string) error { return os.Mkdir(p, 0o755) },
	}
	for name, put := range place {
		p := filepath.Join(dir, name)
		if err := put(p); err != nil {
			t.Fatal(err)
		}
		before, _ := os.Lstat(p)
		_, _, err := openSocket(unixSocket(p))
		if err == nil || !strings.Contains(err.Error(), "something else than a socket (remove it, or choose another path)") {
			t.Errorf("%s: got %v", name, err)
		}
		if after, err := os.Lstat(p); err != nil || !os.SameFile(before, after) || after.Mode() != before.Mode() {
			t.Errorf("%s: it was touched: %v, %v", name, after, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a link was followed: %v", err)
	}
}

// TestOpenPathIsNoTrap: a user who owns the folder cannot have root make or
// give away a socket elsewhere, by a symbolic link on the way.
func TestOpenPathIsNoTrap(t *testing.T) {
	needRoot(t)
	t.Parallel()
	dir := t.TempDir()
	home, target := filepath.Join(dir, "home"), filepath.Join(dir, "etc")
	for _, d := range []string{home, target} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(home, "run")
	if err := errors.Join(os.Chown(home, 47110, 47111), os.Symlink(target, link), os.Lchown(link, 47110, 47111)); err != nil {
		t.Fatal(err)
	}
	s := unixSocket(filepath.Join(link, "x.sock"))
	s.UID, s.GID = 47110, 47111
	if _, _, err := openSocket(s); err == nil || !strings.Contains(err.Error(), "symbolic link of user 47110") {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(target); len(left) > 0 {
		t.Errorf("made in the wrong place: %v", left)
	}
	s.Address = filepath.Join(home, "y.sock")
	mustOpen(t, s)
	info, err := os.Lstat(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 47110 || st.Gid != 47111 || info.Mode().Perm() != 0o600 {
		t.Errorf("got %d:%d, %v", st.Uid, st.Gid, info.Mode())
	}
}

// TestListenPID: what executes finds its own pid in LISTEN_PID, and its
// descriptors from 3 on, whatever else the shim has to do.
func TestListenPID(t *testing.T) {
	rights := []spec.Rights{{}, {Umask: set(uint32(0o22))}}
	if os.Getuid() == 0 {
		rights = append(rights, spec.Rights{User: &none})
	}
	for i, rights := range rights {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r := newRig(t, handOptions{})
			l := r.shell(`echo "pid $$ $LISTEN_PID $LISTEN_FDS"; echo hello >&3; read x <&4; echo "read $x"`)
			l.Dir, l.Rights, l.Listens = "/", rights, true
			l.Env = append(l.Env, "LISTEN_FDS=2", "LISTEN_PID=1")
			back, out, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer back.Close()
			defer out.Close()
			in, forth, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			defer forth.Close()
			l.Files = append(l.Files, int(out.Fd()), int(in.Fd()))
			forth.WriteString("world\n")
			run := r.start(l)
			pid := r.started(run).PID
			if got, want := r.line(run, "pid "), fmt.Sprintf("%d %d 2", pid, pid); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if got := r.line(run, "read "); got != "world" {
				t.Errorf("descriptor 4: got %q", got)
			}
			text := make([]byte, 6)
			if n, _ := back.Read(text); string(text[:n]) != "hello\n" {
				t.Errorf("descriptor 3: got %q", text[:n])
			}
		})
	}
}
