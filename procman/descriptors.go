package procman

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"gosup/notify"
	"gosup/spec"
	"gosup/tree"
)

const (
	// maxStored is how many descriptors gosup keeps for one process, and
	// maxStoredShare which share of all that it may have open they come to at
	// most, of all processes: no process can exhaust the daemon's.
	maxStored      = 64
	maxStoredShare = 4

	// firstHanded is SD_LISTEN_FDS_START, see sd_listen_fds(3).
	firstHanded = 3
)

// descriptors are what processes are handed beside their standard streams: the
// sockets that gosup has opened for them, and what they have given to gosup to
// keep over their restarts. Both are of a process, not of a run. Only numbers
// are kept: an *os.File would put a descriptor into Go's poller, where its
// sender could wake this daemon at will.
//
// The outfitter alone opens sockets and hands out. Descriptors come in on the
// goroutines of notify sockets and go, when they hang up, on that of the
// lookout.
type descriptors struct {
	log     *slog.Logger
	closer  notify.Closer
	lookout lookout
	passed  []passed // what a socket unit gave to gosup for its one command
	most    int      // stored ones in all

	mu      sync.Mutex
	sockets map[address]*openedSocket
	stored  map[string][]*storedFD // by process, in the order of arrival
	count   int                    // of stored
}

// address is what two processes must have in common to share a socket.
type address struct {
	spec.Socket        // without its name, unless the kernel chooses the port
	Process     string // then, what it is an instance of
}

func addressOf(process string, s spec.Socket) address {
	a := address{Socket: s}
	if s.AnyPort() {
		a.Process, _, _ = strings.Cut(process, "@")
	} else {
		a.Name = ""
	}
	return a
}

// fileID is which file a path was when it was made.
type fileID struct{ Dev, Ino uint64 }

// openedSocket is one that gosup listens on and never accepts from.
type openedSocket struct {
	address address
	fd      int
	file    fileID // of a path
	users   map[string]bool
	waiting map[string]func() // by user: to be called at the next arrival
}

func newOpenedSocket(a address, fd int, file fileID, users ...string) *openedSocket {
	o := &openedSocket{address: a, fd: fd, file: file, users: map[string]bool{}, waiting: map[string]func(){}}
	for _, process := range users {
		o.users[process] = true
	}
	return o
}

// storedFD is one that a process has given to gosup.
type storedFD struct {
	name string
	fd   int
	poll bool   // it goes when the other end does
	uid  uint32 // of the run that gave it: it may be more than another user should have
}

// passed is one that gosup was itself handed, for its one command.
type passed struct {
	name string
	fd   int
}

func newDescriptors(log *slog.Logger) *descriptors {
	d := &descriptors{
		log: log, closer: notify.NewCloser(), most: maxStored,
		sockets: map[address]*openedSocket{}, stored: map[string][]*storedFD{},
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		d.most = int(min(limit.Cur/maxStoredShare, 1<<20))
	}
	return d
}

// roomFor returns how many descriptors may be stored for a process. One that is
// ready by a descriptor has that one behind those that it is handed.
func roomFor(p *spec.Process) int {
	room := maxStored
	if r := p.Readiness; r != nil && r.FD != 0 {
		room = min(room, max(0, r.FD-firstHanded-len(p.Sockets)))
	}
	return room
}

// open opens the sockets of a process that are not open, and lets go of those
// that it no longer has. The outfitter alone may call it: it may wait for a
// disk.
func (d *descriptors) open(p *spec.Process) error {
	d.retain(p)
	for _, s := range p.Sockets {
		a := addressOf(p.Name, s)
		if d.join(a, p.Name) {
			continue
		}
		fd, file, err := openSocket(s)
		if err != nil {
			return fmt.Errorf("socket %s: %w", s.Name, err)
		}
		d.put(newOpenedSocket(a, fd, file, p.Name))
	}
	return nil
}

// join makes a process a user of a socket, if that is open.
func (d *descriptors) join(a address, process string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.sockets[a]
	if o != nil {
		o.users[process] = true
	}
	return o != nil
}

func (d *descriptors) put(o *openedSocket) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sockets[o.address] = o
}

// retain lets go of the sockets of a process that its definition does not have.
func (d *descriptors) retain(p *spec.Process) {
	wanted := make(map[address]bool, len(p.Sockets))
	for _, s := range p.Sockets {
		wanted[addressOf(p.Name, s)] = true
	}
	d.release(p.Name, wanted)
}

// release ends the use of sockets by a process, but for those that are wanted.
// What nobody uses any more is closed.
func (d *descriptors) release(process string, wanted map[address]bool) {
	var unused []*openedSocket
	d.mu.Lock()
	for a, o := range d.sockets {
		if wanted[a] || !o.users[process] {
			continue
		}
		delete(o.users, process)
		d.unwait(o, process)
		if len(o.users) == 0 {
			delete(d.sockets, a)
			unused = append(unused, o)
		}
	}
	d.mu.Unlock()
	for _, o := range unused {
		o.close()
	}
}

func (o *openedSocket) close() {
	unix.Close(o.fd)
	if o.address.Network == spec.Unix {
		removeSocket(o.address.Address, o.file)
	}
}

// lend returns what a run of a process is handed from descriptor 3 on, and the
// names of that: its sockets in the order of the file, then what is stored, the
// oldest first. What a run of another user has stored goes. The descriptors are the caller's, to release when the run has
// been forked. Nobody waits for a connection for it any more.
func (d *descriptors) lend(p *spec.Process) (fds []int, names []string, err error) {
	uid := uidOf(p)
	d.discard(p.Name, func(f *storedFD) bool { return f.uid != uid })
	d.mu.Lock()
	defer d.mu.Unlock()
	add := func(name string, fd int) {
		copied, e := duplicate(fd)
		if e != nil {
			err = fmt.Errorf("hand over descriptor %s: %w", name, e)
			return
		}
		fds, names = append(fds, copied), append(names, name)
	}
	for _, f := range d.passed {
		add(f.name, f.fd)
	}
	for _, s := range p.Sockets {
		if o := d.sockets[addressOf(p.Name, s)]; o != nil {
			d.unwait(o, p.Name)
			add(s.Name, o.fd)
		}
	}
	stored := d.stored[p.Name]
	for _, f := range stored[:min(len(stored), roomFor(p))] {
		add(f.name, f.fd)
	}
	if err != nil {
		d.closer.Release(fds)
		return nil, nil, err
	}
	return fds, names, nil
}

// await has call called, once, when something arrives at one of the sockets of
// a process, or has arrived already. The sockets must be open.
func (d *descriptors) await(p *spec.Process, call func()) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range p.Sockets {
		o := d.sockets[addressOf(p.Name, s)]
		if o == nil {
			continue
		}
		o.waiting[p.Name] = call
		if err := d.lookout.watch(o.fd, arrival, func() { d.arrived(o) }); err != nil {
			return err
		}
	}
	return nil
}

// arrived tells all that wait for something to arrive at a socket.
func (d *descriptors) arrived(o *openedSocket) {
	d.mu.Lock()
	waiting := o.waiting
	o.waiting = map[string]func(){}
	d.mu.Unlock()
	for _, call := range waiting {
		call()
	}
}

// unwait ends the wait of a process at a socket.
func (d *descriptors) unwait(o *openedSocket, process string) {
	delete(o.waiting, process)
	if len(o.waiting) == 0 {
		d.lookout.forget(o.fd)
	}
}

// keep takes over descriptors that a run of a process has sent, as like says
// but for the number, and returns how many of them there was no room for. One
// that is stored already, under whatever name, is not stored again.
func (d *descriptors) keep(process string, fds []int, like storedFD, room int) (refused int) {
	var surplus []int
	d.mu.Lock()
	for _, fd := range fds {
		known := slices.ContainsFunc(d.stored[process], func(f *storedFD) bool { return sameDescriptor(f.fd, fd) })
		switch {
		case known:
			surplus = append(surplus, fd)
		case len(d.stored[process]) >= room || d.count >= d.most:
			surplus = append(surplus, fd)
			refused++
		default:
			f := &storedFD{name: like.name, fd: fd, poll: like.poll, uid: like.uid}
			d.stored[process] = append(d.stored[process], f)
			d.count++
			d.watch(process, f)
		}
	}
	d.mu.Unlock()
	d.closer.Release(surplus)
	return refused
}

// watch lets go of a stored descriptor when it hangs up.
func (d *descriptors) watch(process string, f *storedFD) {
	if _, hangs := describeFD(f.fd); !f.poll || !hangs {
		return
	}
	err := d.lookout.watch(f.fd, hangup, func() {
		d.discard(process, func(g *storedFD) bool { return f == g })
	})
	if err != nil {
		d.log.Warn("stored descriptor not watched: it stays when it hangs up", slog.String("process", process), slog.Any("err", err))
	}
}

// remove lets go of what is stored for a process under a name.
func (d *descriptors) remove(process, name string) {
	d.discard(process, func(f *storedFD) bool { return f.name == name })
}

// discard lets go of those stored for a process that match.
func (d *descriptors) discard(process string, match func(*storedFD) bool) {
	var gone []int
	d.mu.Lock()
	left := slices.DeleteFunc(d.stored[process], func(f *storedFD) bool {
		if !match(f) {
			return false
		}
		d.lookout.forget(f.fd)
		gone = append(gone, f.fd)
		return true
	})
	d.stored[process] = left
	if len(left) == 0 {
		delete(d.stored, process)
	}
	d.count -= len(gone)
	d.mu.Unlock()
	d.closer.Release(gone)
}

// drop lets go of everything of a process that is no more.
func (d *descriptors) drop(process string) {
	d.release(process, nil)
	d.discard(process, func(*storedFD) bool { return true })
}

// close lets go of everything of everybody.
func (d *descriptors) close() {
	d.lookout.close()
	for _, process := range d.processes() {
		d.drop(process)
	}
}

// processes returns who has something, in order.
func (d *descriptors) processes() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string]bool{}
	for process := range d.stored {
		all[process] = true
	}
	for _, o := range d.sockets {
		maps.Copy(all, o.users)
	}
	return slices.Sorted(maps.Keys(all))
}

// list returns what people may know of the descriptors of a process, in the
// order in which they are handed over.
func (d *descriptors) list(p *spec.Process) []tree.Descriptor {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []tree.Descriptor
	for _, f := range d.passed {
		kind, _ := describeFD(f.fd)
		all = append(all, tree.Descriptor{Name: f.name, Kind: kind})
	}
	for _, s := range p.Sockets {
		o := d.sockets[addressOf(p.Name, s)]
		if o == nil {
			continue
		}
		at := s.String()
		if bound := boundTo(o.fd); s.AnyPort() && bound != "" {
			at = s.Network.String() + "://" + bound
		}
		all = append(all, tree.Descriptor{Name: s.Name, Kind: "socket", Address: at})
	}
	for _, f := range d.stored[p.Name] {
		kind, _ := describeFD(f.fd)
		all = append(all, tree.Descriptor{Name: f.name, Kind: kind, Stored: true})
	}
	return all
}

// passOn takes what a socket unit of systemd gave to gosup, as its environment
// tells, see sd_listen_fds(3): gosup's one command is what it is for.
func (d *descriptors) passOn(environ []string, pid int) {
	vars := map[string]string{}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, "LISTEN_") {
			vars[name] = value
		}
	}
	n, err := strconv.Atoi(vars["LISTEN_FDS"])
	if err != nil || vars["LISTEN_PID"] != strconv.Itoa(pid) {
		return // they are for another process
	}
	names := strings.Split(vars["LISTEN_FDNAMES"], ":")
	for i := range min(n, maxStored) {
		fd := firstHanded + i
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			return // there are fewer than it was told
		}
		name := "unknown" // as sd_listen_fds_with_names(3) has it
		if i < len(names) && spec.DescriptorName(names[i]) {
			name = names[i]
		}
		d.passed = append(d.passed, passed{name, fd})
	}
}
