package procman

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"gosup/spec"
	"gosup/tree"
)

// openFDs returns how many descriptors this process has open.
func openFDs(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// newStore returns descriptors, and checks at the end of the test that none is
// left open. So such tests do not run in parallel.
func newStore(t *testing.T) *descriptors {
	t.Helper()
	before := openFDs(t)
	d := newDescriptors(slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		d.close()
		until(t, "all descriptors to be closed", func() bool { return openFDs(t) <= before })
	})
	return d
}

// pipe returns both ends of a pipe. The caller closes them.
func pipe(t *testing.T) (from, to int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	return p[0], p[1]
}

// named returns what is to be known of a descriptor that a run of this user has
// stored.
func named(name string, poll bool) storedFD {
	return storedFD{name: name, poll: poll, uid: uint32(os.Geteuid())}
}

func names(list []tree.Descriptor) (out []string) {
	for _, f := range list {
		out = append(out, f.Name)
	}
	return out
}

// listening returns a process with sockets on ports that the kernel chooses.
func listening(name string, sockets ...string) *spec.Process {
	p := &spec.Process{Name: name}
	for _, s := range sockets {
		p.Sockets = append(p.Sockets, spec.Socket{Name: s, Address: "127.0.0.1:0", UID: -1, GID: -1})
	}
	return p
}

func mustLend(t *testing.T, d *descriptors, p *spec.Process) (fds []int, names []string) {
	t.Helper()
	if err := d.open(p); err != nil {
		t.Fatal(err)
	}
	fds, names, err := d.lend(p)
	if err != nil {
		t.Fatal(err)
	}
	return fds, names
}

// TestSocketsAreKept: a socket is the same from run to run, through a reload
// that does not change it, and for all instances; and it is closed with the
// last that has it.
func TestSocketsAreKept(t *testing.T) {
	d := newStore(t)
	one, two := listening("web@1", "a"), listening("web@2", "a")
	other := listening("other", "a")
	at := func(p *spec.Process) string { return d.list(p)[0].Address }
	fds, _ := mustLend(t, d, one)
	d.closer.Release(fds)
	first := at(one)
	for _, p := range []*spec.Process{one, two, other} {
		fds, _ := mustLend(t, d, p)
		d.closer.Release(fds)
	}
	if at(one) != first || at(two) != first || at(other) == first {
		t.Errorf("got %s, %s and %s, first %s", at(one), at(two), at(other), first)
	}
	d.drop("web@1")
	if got := at(two); got != first {
		t.Errorf("without web@1: got %s, want %s", got, first)
	}
	d.retain(listening("web@2"))
	until(t, "the socket that nobody has any more to be closed", func() bool {
		conn, err := net.Dial("tcp", first[len("tcp://"):])
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

// TestSocketIsNotItsName: another name is no other socket, but where the kernel
// has chosen the port: there two names are two sockets.
func TestSocketIsNotItsName(t *testing.T) {
	d := newStore(t)
	p := listening("web", "a", "b")
	p.Sockets = append(p.Sockets, unixSocket(filepath.Join(t.TempDir(), "x")))
	fds, _ := mustLend(t, d, p)
	if sameDescriptor(fds[0], fds[1]) {
		t.Error("two sockets are one")
	}
	q := *p
	q.Sockets = slices.Clone(p.Sockets)
	q.Sockets[2].Name = "y"
	d.retain(&q)
	again, names := mustLend(t, d, &q)
	for i := range again {
		if !sameDescriptor(again[i], fds[i]) {
			t.Errorf("%s is another socket", names[i])
		}
	}
	d.closer.Release(append(fds, again...))
}

// TestSocketFailsToOpen: those that are open stay for the next try.
func TestSocketFailsToOpen(t *testing.T) {
	d := newStore(t)
	p := listening("web", "good")
	p.Sockets = append(p.Sockets, unixSocket("/proc/nothing/here"))
	err := d.open(p)
	if err == nil || err.Error() != "socket x: listen on unix:///proc/nothing/here: open folder /proc/nothing: make nothing: no such file or directory" {
		t.Errorf("got %v", err)
	}
	p.Sockets[1] = unixSocket(filepath.Join(t.TempDir(), "x"))
	fds, got := mustLend(t, d, p)
	d.closer.Release(fds)
	if diff := cmp.Diff([]string{"good", "x"}, got); diff != "" {
		t.Error(diff)
	}
	d.close()
	if _, err := os.Lstat(p.Sockets[1].Address); !os.IsNotExist(err) {
		t.Errorf("the path is still there: %v", err)
	}
}

// TestStore: what is stored comes after the sockets, in the order of arrival,
// as descriptors of the same files.
func TestStore(t *testing.T) {
	d := newStore(t)
	p := listening("web", "http")
	from, to := pipe(t)
	memory, err := unix.MemfdCreate("state", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	again, err := duplicate(memory)
	if err != nil {
		t.Fatal(err)
	}
	d.keep("web", []int{from, to}, named("pipe", true), maxStored)
	d.keep("web", []int{memory}, named("state", true), maxStored)
	if refused := d.keep("web", []int{again}, named("other", true), 3); refused != 0 {
		t.Error("the same file under another name was refused, not known")
	}
	d.keep("web", []int{folder}, named("folder", true), maxStored)
	for range 2 { // each run is handed the same
		fds, got := mustLend(t, d, p)
		if diff := cmp.Diff([]string{"http", "pipe", "pipe", "state", "folder"}, got); diff != "" {
			t.Error(diff)
		}
		if !sameDescriptor(fds[3], memory) || !sameDescriptor(fds[1], from) {
			t.Error("other descriptors are handed over than were stored")
		}
		d.closer.Release(fds)
	}
	want := []string{"socket", "pipe", "pipe", "file", "folder"}
	var kinds []string
	for _, f := range d.list(p) {
		kinds = append(kinds, f.Kind)
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
	d.remove("web", "pipe")
	d.remove("other", "state")
	if diff := cmp.Diff([]string{"http", "state", "folder"}, names(d.list(p))); diff != "" {
		t.Error(diff)
	}
	d.drop("web")
	if got := d.processes(); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}

// TestStoreIsOfOneUser: what a run has stored as one user, a run as another one
// does not get: neither is to have the rights of the other.
func TestStoreIsOfOneUser(t *testing.T) {
	d := newStore(t)
	p := &spec.Process{Name: "web", Rights: spec.Rights{User: &spec.User{UID: uint32(os.Getuid())}}}
	from, to := pipe(t)
	defer unix.Close(to)
	d.keep("web", []int{from}, named("secret", false), maxStored)
	fds, _ := mustLend(t, d, p)
	d.closer.Release(fds)
	if len(fds) != 1 {
		t.Errorf("the same user is handed %d descriptors", len(fds))
	}
	p.Rights.User = &none
	fds, _ = mustLend(t, d, p)
	d.closer.Release(fds)
	if len(fds)+len(d.list(p)) > 0 {
		t.Errorf("another user is handed %d descriptors, and %v are kept", len(fds), d.list(p))
	}
}

// TestStoreIsBounded: by process, by the descriptor of its readiness, and in
// all.
func TestStoreIsBounded(t *testing.T) {
	d := newStore(t)
	flood := func(process string, n, room int) (refused int) {
		t.Helper()
		before := openFDs(t)
		for range n {
			from, to := pipe(t)
			unix.Close(to)
			refused += d.keep(process, []int{from}, named("x", false), room)
		}
		stored := n - refused
		until(t, "what was refused to be closed", func() bool { return openFDs(t) <= before+stored })
		return refused
	}
	if got := flood("a", 200, maxStored); got != 200-maxStored {
		t.Errorf("%d of 200 refused", got)
	}
	p := &spec.Process{Name: "b", Readiness: &spec.Readiness{FD: 7}, Sockets: listening("b", "x", "y").Sockets}
	if got := flood("b", 5, roomFor(p)); got != 3 {
		t.Errorf("with sockets at 3 and 4 and readiness at 7: %d of 5 refused", got)
	}
	p.Readiness.FD = 6 // a reload leaves room for one of them
	fds, _ := mustLend(t, d, p)
	d.closer.Release(fds)
	if len(fds) != 3 {
		t.Errorf("%d descriptors, and readiness at 6", len(fds))
	}
	d.most = d.count + 10
	if got := flood("c", 20, maxStored); got != 10 {
		t.Errorf("%d of 20 refused, with room for 10 in all", got)
	}
	d.drop("a")
	if got := flood("c", 20, maxStored); got != 0 {
		t.Errorf("%d of 20 refused, after others have gone", got)
	}
}

// TestStoreLetsGoOfWhatHangsUp: a pipe without a writer goes, with FDPOLL=0 it
// stays, and so does what cannot hang up.
func TestStoreLetsGoOfWhatHangsUp(t *testing.T) {
	d := newStore(t)
	p := &spec.Process{Name: "web"}
	var writers []int
	for i, poll := range []bool{true, true, false} {
		from, to := pipe(t)
		writers = append(writers, to)
		d.keep("web", []int{from}, named(strconv.Itoa(i), poll), maxStored)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.keep("web", pair[:1], named("pair", true), maxStored)
	fds, _ := mustLend(t, d, p) // a run has them as well: they must go all the same
	defer d.closer.Release(fds)
	for _, fd := range []int{writers[0], writers[2], pair[1]} {
		unix.Close(fd)
	}
	until(t, "two to go", func() bool { return len(d.list(p)) == 2 })
	if diff := cmp.Diff([]string{"1", "2"}, names(d.list(p))); diff != "" {
		t.Error(diff)
	}
	unix.Close(writers[1])
	until(t, "the third to go", func() bool { return len(d.list(p)) == 1 })
}

// TestAwait: who waits is called once for what has come and is not accepted,
// also when it had come before; who does not wait any more is not.
func TestAwait(t *testing.T) {
	d := newStore(t)
	one, two, three := listening("web@1", "http"), listening("web@2", "http"), listening("web@3", "http")
	for _, p := range []*spec.Process{one, two, three} {
		if err := d.open(p); err != nil {
			t.Fatal(err)
		}
	}
	called := make(chan string, 100)
	wait := func(p *spec.Process) {
		t.Helper()
		if err := d.await(p, func() { called <- p.Name }); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []*spec.Process{one, two, three} {
		wait(p)
	}
	fds, _ := mustLend(t, d, three) // it is started by hand
	defer d.closer.Release(fds)
	dial := func() {
		t.Helper()
		conn, err := net.Dial("tcp", d.list(one)[0].Address[len("tcp://"):])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	dial()
	got := []string{<-called, <-called}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"web@1", "web@2"}, got); diff != "" {
		t.Error(diff)
	}
	dial()
	wait(two)
	if got := <-called; got != "web@2" {
		t.Errorf("%s was called", got)
	}
	for range 2 {
		conn, _, err := unix.Accept(fds[0])
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(conn)
	}
	wait(one)
	d.drop("web@1")
	dial()
	wait(three)
	if got := <-called; got != "web@3" || len(called) > 0 {
		t.Errorf("%s was called, and %d more", got, len(called))
	}
}

// TestAwaitDatagram: a datagram that arrives is told of, and stays for the
// process.
func TestAwaitDatagram(t *testing.T) {
	d := newStore(t)
	p := listening("dns", "udp")
	p.Sockets[0].Network = spec.UDP
	if err := d.open(p); err != nil {
		t.Fatal(err)
	}
	called := make(chan bool)
	if err := d.await(p, func() { close(called) }); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", d.list(p)[0].Address[len("udp://"):])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	<-called
	fds, _ := mustLend(t, d, p)
	defer d.closer.Release(fds)
	text := make([]byte, 20)
	if n, _, err := unix.Recvfrom(fds[0], text, unix.MSG_DONTWAIT); err != nil || string(text[:n]) != "question" {
		t.Errorf("got %q, %v", text[:max(n, 0)], err)
	}
}

// TestPassOn: what systemd gives to gosup is for gosup's own pid alone, and no
// more than there is.
func TestPassOn(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		want    []passed
	}{
		{"nothing", nil, nil},
		{"for another", []string{"LISTEN_PID=1", "LISTEN_FDS=1"}, nil},
		{"no number", []string{"LISTEN_PID=42", "LISTEN_FDS=x"}, nil},
		{"negative", []string{"LISTEN_PID=42", "LISTEN_FDS=-1"}, nil},
		{"one", []string{"LISTEN_PID=42", "LISTEN_FDS=1", "LISTEN_FDNAMES=http"}, []passed{{"http", 3}}},
		{"without names", []string{"LISTEN_PID=42", "LISTEN_FDS=1"}, []passed{{"unknown", 3}}},
		{"a bad name", []string{"LISTEN_PID=42", "LISTEN_FDS=1", "LISTEN_FDNAMES=a\nb"}, []passed{{"unknown", 3}}},
	}
	// Descriptor 3 of a test may be anything, but it is there.
	if _, err := unix.FcntlInt(3, unix.F_GETFD, 0); err != nil {
		from, to := pipe(t)
		defer unix.Close(from)
		defer unix.Close(to)
	}
	for _, tt := range tests {
		d := newDescriptors(slog.New(slog.DiscardHandler))
		d.passOn(tt.environ, 42)
		if fmt.Sprint(d.passed) != fmt.Sprint(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, d.passed, tt.want)
		}
	}
}

// abandon does what the death of the daemon does: all is closed, and nothing
// is removed.
func (d *descriptors) abandon() {
	d.lookout.close()
	for _, h := range d.export() {
		unix.Close(h.FD)
	}
	clear(d.sockets)
	clear(d.stored)
}

// TestHandOn: the next daemon in this process has what this one had, but for
// what belongs to nobody any more, and goes on to look after it.
func TestHandOn(t *testing.T) {
	first := newStore(t)
	web, gone, other := listening("web@1", "http"), listening("gone", "x"), listening("other", "y")
	web.Sockets = append(web.Sockets, unixSocket(filepath.Join(t.TempDir(), "web.sock")))
	for _, p := range []*spec.Process{web, gone, other} {
		if err := first.open(p); err != nil {
			t.Fatal(err)
		}
	}
	from, to := pipe(t)
	lost, end := pipe(t)
	unix.Close(end)
	first.keep("web@1", []int{from}, named("conns", true), maxStored)
	first.keep("gone", []int{lost}, named("conns", false), maxStored)
	want := append(first.list(web), first.list(other)...)
	var all []heldFD
	text, err := json.Marshal(first.export())
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	first.lookout.close() // an exec leaves nothing of it
	clear(first.sockets)
	clear(first.stored)

	second := newStore(t)
	second.adopt(all, func(name string) bool { return name != "gone" })
	if diff := cmp.Diff(want, append(second.list(web), second.list(other)...)); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
	if got := second.processes(); !slices.Equal(got, []string{"other", "web@1"}) {
		t.Errorf("something is kept for %v", got)
	}
	unix.Close(to)
	until(t, "what hung up to go", func() bool { return len(second.list(web)) == 2 })
	if err := second.open(web); err != nil {
		t.Error(err)
	}
	for _, h := range second.export() {
		if flags, err := unix.FcntlInt(uintptr(h.FD), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%+v would reach every child: %d, %v", h, flags, err)
		}
	}
}

// TestHandOnIsNotBelieved: a descriptor that is not what was said is not handed
// to anybody.
func TestHandOnIsNotBelieved(t *testing.T) {
	d := newStore(t)
	web := listening("web", "http")
	from, to := pipe(t)
	defer unix.Close(from)
	connected, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(connected)
	elsewhere, _ := mustOpen(t, spec.Socket{Address: "127.0.0.1:0"})
	socket := web.Sockets[0]
	fixed := spec.Socket{Address: "127.0.0.1:1", UID: -1, GID: -1}
	d.adopt([]heldFD{
		{FD: from, Socket: &socket, Process: "web", Users: []string{"web"}},
		{FD: connected, Socket: &socket, Process: "web", Users: []string{"web"}},
		{FD: elsewhere, Socket: &fixed, Users: []string{"web"}},
		{FD: 1 << 20, Socket: &socket, Process: "web", Users: []string{"web"}},
		{FD: to, Process: "web", Name: "a:b", Stored: true},
	}, func(string) bool { return true })
	if got := d.processes(); len(got) > 0 {
		t.Errorf("kept for %v: %+v", got, d.export())
	}
}

// TestRecover: after the daemon's death a run has the sockets that the next
// daemon cannot open; it takes them from the run.
func TestRecover(t *testing.T) {
	first := newStore(t)
	p := listening("web@1", "a")
	p.Sockets[0].Address = "[::1]:0"
	if err := first.open(p); err != nil {
		p.Sockets[0].Address = "127.0.0.1:0" // without IPv6
	}
	dir := t.TempDir()
	p.Sockets = append(p.Sockets, unixSocket(filepath.Join(dir, "b")), unixSocket(filepath.Join(dir, "c")),
		spec.Socket{Name: "d", Network: spec.UDP, Address: "127.0.0.1:0", UID: -1, GID: -1}, p.Sockets[0])
	p.Sockets[4].Name = "e"
	fds, _ := mustLend(t, first, p)
	r := newRig(t, handOptions{})
	l := r.launch("sleep")
	l.Files = append(l.Files, fds...)
	run := r.start(l)
	pid := r.started(run).PID
	r.ready(run, 1)
	for _, fd := range fds {
		unix.Close(fd)
	}
	want := first.list(p)
	first.abandon()
	if _, _, err := openSocket(p.Sockets[1]); err == nil {
		t.Error("the run does not have its socket any more: this tests nothing")
	}

	second := newStore(t)
	second.recover(p, pid)
	if diff := cmp.Diff(want, second.list(p)); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
	sibling := *p
	sibling.Name = "web@2"
	if err := second.open(&sibling); err != nil {
		t.Error(err)
	}
	second.drop("web@1")
	second.drop("web@2")
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("paths are left: %v", left)
	}
	second.recover(listening("web@1", "a"), pid+1<<20) // nobody: nothing is found, and nothing breaks
}
