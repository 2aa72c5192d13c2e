package notify

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sendVariable makes the test binary a process that sends its value, to the
// socket in $NOTIFY_SOCKET, so often as countVariable says.
const (
	sendVariable  = "NOTIFY_TEST_SEND"
	countVariable = "NOTIFY_TEST_COUNT"
)

func TestMain(m *testing.M) {
	state, ok := os.LookupEnv(sendVariable)
	if !ok {
		os.Exit(m.Run())
	}
	n, err := strconv.Atoi(os.Getenv(countVariable))
	for i := 0; err == nil && i < n; i++ {
		err = Send(os.Getenv("NOTIFY_SOCKET"), state)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// sending returns a command that sends state n times.
func sending(s *Socket, state string, n int) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), sendVariable+"="+state, fmt.Sprint(countVariable, "=", n), "NOTIFY_SOCKET="+s.Path())
	cmd.Stderr = os.Stderr
	return cmd
}

// listen opens a socket whose callbacks fill channels.
func listen(t *testing.T) (*Socket, chan Datagram, chan Drop) {
	t.Helper()
	datagrams, drops := make(chan Datagram, 100000), make(chan Drop, 100000)
	s, err := Listen(filepath.Join(t.TempDir(), "notify"),
		func(d Datagram) { datagrams <- d }, func(d Drop) { drops <- d })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, datagrams, drops
}

// wait receives the next value, in time.
func wait[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
	}
	return v
}

// settle waits until now reports want.
func settle[T comparable](t *testing.T, what string, want T, now func() T) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for now() != want {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v, want %v", what, now(), want)
		}
		runtime.Gosched()
	}
}

// descriptors counts this process's open descriptors.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	return len(entries)
}

// sendFDs sends data with descriptors. The net package can't on a connected
// datagram socket.
func sendFDs(t *testing.T, s *Socket, data string, fds ...int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Sendmsg(fd, []byte(data), syscall.UnixRights(fds...), &syscall.SockaddrUnix{Name: s.Path()}, 0); err != nil {
		t.Fatal(err)
	}
}

func TestSocketDeliversWithCredentials(t *testing.T) {
	t.Parallel()
	s, datagrams, _ := listen(t)
	if err := Send(s.Path(), "READY=1\nSTATUS=up"); err != nil {
		t.Fatal(err)
	}
	d := wait(t, datagrams)
	if !d.Message.Ready || d.Message.Status != "up" || d.PID != os.Getpid() || int(d.UID) != os.Getuid() || int(d.GID) != os.Getgid() {
		t.Errorf("got %+v", d)
	}
	info, err := os.Stat(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o666 {
		t.Errorf("mode %o", got)
	}
	if got, want := s.Stats(), (Stats{Delivered: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestAnotherUserMaySend and is named by the kernel, not by itself.
func TestAnotherUserMaySend(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to become somebody else")
	}
	s, datagrams, _ := listen(t)
	// The folder of the socket and the test binary must be within reach.
	for dir := filepath.Dir(s.Path()); dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := sending(s, "READY=1", 1)
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = filepath.Join(filepath.Dir(s.Path()), "sender")
	if err := os.WriteFile(cmd.Path, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65533}}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if d := wait(t, datagrams); d.UID != 65534 || d.GID != 65533 || d.PID != cmd.Process.Pid {
		t.Errorf("got %+v, want pid %d", d, cmd.Process.Pid)
	}
}

// TestSenderThatIsGone: its pid is still told, though /proc has lost it.
func TestSenderThatIsGone(t *testing.T) {
	t.Parallel()
	arrived, proceed := make(chan Datagram, 10), make(chan struct{})
	s, err := Listen(filepath.Join(t.TempDir(), "notify"), func(d Datagram) { arrived <- d; <-proceed }, func(Drop) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	defer close(proceed)
	if err := Send(s.Path(), "STATUS=holds up the reader"); err != nil {
		t.Fatal(err)
	}
	wait(t, arrived)
	cmd := sending(s, "READY=1", 1)
	if err := cmd.Run(); err != nil { // exited and reaped
		t.Fatal(err)
	}
	proceed <- struct{}{}
	d := wait(t, arrived)
	if !d.Message.Ready || d.PID != cmd.Process.Pid {
		t.Errorf("got %+v, want pid %d", d, cmd.Process.Pid)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", d.PID)); err == nil {
		t.Errorf("pid %d is still there", d.PID)
	}
}

func TestSocketDropsWhatIsUnfit(t *testing.T) {
	before := descriptors()
	s, datagrams, drops := listen(t)
	open := descriptors()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fd := int(w.Fd())
	many := make([]int, maxFDs)
	for i := range many {
		many[i] = fd
	}
	sendFDs(t, s, "STATUS="+strings.Repeat("x", MaxSize), many...)
	if d := wait(t, drops); !errors.Is(d.Err, ErrTooLong) || d.PID != os.Getpid() || d.Count != 1 {
		t.Errorf("got %+v", d)
	}
	sendFDs(t, s, "", fd, fd)
	sendFDs(t, s, "MAINPID=x", many...)
	sendFDs(t, s, "BARRIER=1")
	sendFDs(t, s, "BARRIER=1", fd, fd)
	sendFDs(t, s, "READY=1\nBARRIER=1", fd)
	sendFDs(t, s, "READY=1", fd, fd, fd) // fit, but nobody asked for these
	if d := wait(t, datagrams); !d.Message.Ready || d.FDs != nil {
		t.Errorf("got %+v", d)
	}
	want := Stats{Delivered: 1, TooLong: 1, Malformed: 5, ClosedFDs: 2*maxFDs + 8}
	settle(t, "stats", want, s.Stats)
	settle(t, "descriptors", open+2, descriptors)
	w.Close()
	// Were one of ours left, this would wait for ever.
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("read %d, %v", n, err)
	}
	r.Close()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	settle(t, "descriptors at the end", before, descriptors)
}

func TestDescriptorsAreHandedOver(t *testing.T) {
	t.Parallel()
	s, datagrams, _ := listen(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	many := make([]int, maxFDs)
	for i := range many {
		many[i] = int(w.Fd())
	}
	sendFDs(t, s, "FDSTORE=1\nFDNAME=pipe", many...)
	d := wait(t, datagrams)
	if !d.Message.FDStore || d.Message.FDName != "pipe" || len(d.FDs) != maxFDs {
		t.Fatalf("got %+v", d)
	}
	for _, fd := range d.FDs {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		if errno != 0 || flags&syscall.FD_CLOEXEC == 0 {
			t.Fatalf("descriptor %d: flags %d, %v", fd, flags, errno)
		}
	}
	w.Close()
	if _, err := syscall.Write(d.FDs[7], []byte("x")); err != nil {
		t.Error(err)
	}
	closeAll(d.FDs)
	if got, err := io.ReadAll(r); string(got) != "x" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

// TestLostDescriptors: with too few free slots the kernel delivers what fits.
// Those must be closed as well.
func TestLostDescriptors(t *testing.T) {
	s, _, drops := listen(t)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	sender, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(sender)
	highest, err := syscall.Dup(0) // the lowest free number
	if err != nil {
		t.Fatal(err)
	}
	syscall.Close(highest)
	before := descriptors()
	tight := old
	tight.Cur = uint64(highest + 3)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &tight); err != nil {
		t.Fatal(err)
	}
	rights := syscall.UnixRights(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	err = syscall.Sendmsg(sender, []byte("FDSTORE=1"), rights, &syscall.SockaddrUnix{Name: s.Path()}, 0)
	var d Drop
	if err == nil {
		d = wait(t, drops)
	}
	if e := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); e != nil {
		t.Fatal(e)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(d.Err, ErrLostFDs) {
		t.Errorf("got %+v", d)
	}
	settle(t, "descriptors", before, descriptors)
	if s.Stats().ClosedFDs == 0 {
		t.Error("none had been delivered: this test has tested nothing")
	}
}

func TestBarrier(t *testing.T) {
	t.Parallel()
	proceed, handled := make(chan struct{}), make(chan string, 10)
	s, err := Listen(filepath.Join(t.TempDir(), "notify"),
		func(d Datagram) { <-proceed; handled <- d.Message.Status }, func(Drop) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := Send(s.Path(), "STATUS=first"); err != nil {
		t.Fatal(err)
	}
	sendFDs(t, s, "BARRIER=1", int(w.Fd()))
	w.Close()
	released := make(chan error, 1)
	go func() { // ends when the barrier's descriptor is closed
		_, err := r.Read(make([]byte, 1))
		released <- err
	}()
	proceed <- struct{}{}
	wait(t, handled)
	select {
	case <-released:
		t.Error("released before the callback for the barrier had returned")
	default:
	}
	close(proceed)
	if err := wait(t, released); err != io.EOF {
		t.Errorf("got %v", err)
	}
}

// TestFlood: a process that sends without pause loses its own messages, not
// those of others, and what is left of them is bounded.
func TestFlood(t *testing.T) {
	t.Parallel()
	s, datagrams, drops := listen(t)
	const floods, each = 2, 20000
	begin := time.Now()
	ended := make(chan error, floods)
	pids := map[int]int{}
	for range floods {
		cmd := sending(s, "WATCHDOG=1", each)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pids[cmd.Process.Pid] = 0
		go func() { ended <- cmd.Wait() }() // ends with the command
	}
	if d := wait(t, drops); !errors.Is(d.Err, ErrFlood) || pids[d.PID] != 0 {
		t.Errorf("got %+v", d)
	}
	if err := Send(s.Path(), "READY=1"); err != nil {
		t.Fatal(err)
	}
	for ready := false; !ready; {
		d := wait(t, datagrams)
		ready = d.Message.Ready
		pids[d.PID]++
	}
	for range floods {
		if err := wait(t, ended); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, "datagrams", floods*each+1, func() uint64 { st := s.Stats(); return st.Delivered + st.Flooded })
	most := uint64(floods*(burstPerPID+ratePerPID*(int(time.Since(begin).Seconds())+1)) + 1)
	if got := s.Stats(); got.Delivered > most || got.Flooded == 0 {
		t.Errorf("got %+v, want at most %d delivered", got, most)
	}
	if n := len(drops); n > 4*floods*(int(time.Since(begin).Seconds())+1) {
		t.Errorf("told of drops %d times", n)
	}
}

// TestDescriptorThatIsSlowToClose: the last close of a socket with SO_LINGER
// and unsent data takes as long as its owner chose.
func TestDescriptorThatIsSlowToClose(t *testing.T) {
	t.Parallel()
	arrived, proceed := make(chan string, 100), make(chan struct{})
	s, err := Listen(filepath.Join(t.TempDir(), "notify"),
		func(d Datagram) { arrived <- d.Message.Status; <-proceed }, func(Drop) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := Send(s.Path(), "STATUS=first"); err != nil {
		t.Fatal(err)
	}
	wait(t, arrived)
	l, err := net.Listen("tcp", "127.0.0.1:0") // which never reads
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range maxClosers {
		fd := stuffed(t, l.Addr().(*net.TCPAddr).Port)
		sendFDs(t, s, "READY=1", fd)
		syscall.Close(fd) // not the last one: the datagram has not been received
	}
	close(proceed)
	begin := time.Now()
	if err := Send(s.Path(), "STATUS=next"); err != nil {
		t.Fatal(err)
	}
	for wait(t, arrived) != "next" {
	}
	if took := time.Since(begin); took > lingerSeconds*time.Second/2 {
		t.Errorf("the reader was held up for %v", took)
	}
}

const lingerSeconds = 20

// stuffed returns a connection to a port of ours that nobody reads from,
// whose last close takes lingerSeconds.
func stuffed(t *testing.T, port int) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}),
		syscall.SetNonblock(fd, true),
		syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1, Linger: lingerSeconds}),
	); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = syscall.Write(fd, make([]byte, 1<<16))
	}
	return fd
}

func TestListenReplacesStaleSockets(t *testing.T) {
	t.Parallel()
	nothing, nobody := func(Datagram) {}, func(Drop) {}
	path := filepath.Join(t.TempDir(), "notify")
	stale, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, nothing, nobody); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a socket in use: got %v", err)
	}
	stale.Close()
	s, err := Listen(path, nothing, nobody)
	if err != nil {
		t.Fatal(err)
	}
	if err := Send(path, "READY=1"); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the path is still there: %v", err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, nothing, nobody); err == nil || !strings.Contains(err.Error(), "something else than a socket") {
		t.Errorf("a file: got %v", err)
	}
	if got, err := os.ReadFile(path); string(got) != "precious" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if _, err := Listen(filepath.Join(filepath.Dir(path), "none", "notify"), nothing, nobody); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: got %v", err)
	}
	if _, err := Listen("/"+strings.Repeat("x", maxPath), nothing, nobody); err == nil || !strings.Contains(err.Error(), "at most 107 bytes") {
		t.Errorf("a long path: got %v", err)
	}
}

// TestCloseLeavesWhatIsNotOurs: a path that somebody else has taken since.
func TestCloseLeavesWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	s, _, _ := listen(t)
	other := s.Path() + ".new"
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, s.Path()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(s.Path()); err != nil {
		t.Error(err)
	}
}

// TestInherit: what was sent while nobody read is delivered by the next.
func TestInherit(t *testing.T) {
	t.Parallel()
	held, proceed := make(chan struct{}), make(chan struct{})
	old, err := Listen(filepath.Join(t.TempDir(), "notify"), func(Datagram) { held <- struct{}{}; <-proceed }, func(Drop) {})
	if err != nil {
		t.Fatal(err)
	}
	f, err := old.File()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Send(old.Path(), "STATUS=read"), Send(old.Path(), "STATUS=not read")); err != nil {
		t.Fatal(err)
	}
	wait(t, held)
	// As an execve would: the old one is gone, without removing the path.
	ended := make(chan struct{})
	go func() { _ = old.conn.Close(); close(proceed); <-old.done; close(ended) }()
	wait(t, ended)
	datagrams := make(chan Datagram, 10)
	s, err := Inherit(f, old.Path(), func(d Datagram) { datagrams <- d }, func(Drop) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if d := wait(t, datagrams); d.Message.Status != "not read" || d.PID != os.Getpid() {
		t.Errorf("got %+v", d)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Inherit(null, old.Path(), nil, nil); err == nil {
		t.Error("a file was taken for a socket")
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	if err := Send("", "READY=1"); err != nil {
		t.Errorf("without a socket: %v", err)
	}
	for _, socket := range []string{"relative", "@", "/", "vsock:2:1234", "/none/notify"} {
		if err := Send(socket, "READY=1"); err == nil {
			t.Errorf("%s: no error", socket)
		}
	}
	name := "@gosup-test-" + strings.ReplaceAll(t.TempDir(), "/", "-")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := Send(name, "READY=1\nSTATUS=x"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, err := conn.Read(b)
	if string(b[:n]) != "READY=1\nSTATUS=x" || err != nil {
		t.Errorf("got %q, %v", b[:n], err)
	}
	// A receiver that does not read: the queue fills, and Send gives up.
	var full error
	for i := 0; full == nil && i < 10000; i++ {
		full = Send(name, "WATCHDOG=1")
	}
	if !errors.Is(full, os.ErrDeadlineExceeded) {
		t.Errorf("a full queue: got %v", full)
	}
}

// TestFlush: what was sent before has been delivered when it returns.
func TestFlush(t *testing.T) {
	s, datagrams, _ := listen(t)
	for i := range 50 {
		if err := Send(s.Path(), fmt.Sprintf("STATUS=%d", i)); err != nil {
			t.Fatal(err)
		}
		if i%10 != 9 {
			continue
		}
		if err := s.Flush(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		seen := 0
		for len(datagrams) > 0 {
			if d := <-datagrams; !d.Message.Barrier {
				seen++
			}
		}
		if seen != 10 {
			t.Errorf("after %d messages: %d of the last 10 were delivered", i+1, seen)
		}
	}
}

// TestFlushHasALimit: a callback that hangs holds up nobody but its socket.
func TestFlushHasALimit(t *testing.T) {
	hang := make(chan struct{})
	s, err := Listen(filepath.Join(t.TempDir(), "notify"), func(Datagram) { <-hang }, func(Drop) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	defer close(hang)
	if err := s.Flush(20 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want that its time was over", err)
	}
}
