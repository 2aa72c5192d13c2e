package procman

import (
	"log/slog"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"gosup/spec"
)

// heldFD is one descriptor that gosup has for processes, as the daemon needs to
// know of it that goes on in its place and has the same descriptors open: one
// that this one has executed.
type heldFD struct {
	FD   int
	Name string

	// Of a socket that gosup has opened.
	Socket  *spec.Socket // without its name, unless the kernel has chosen the port
	Process string       // whose it is: of a socket, only where the kernel has chosen its port
	File    fileID       // of a path
	Users   []string     // the processes that have it

	// Of one that is stored, together with Process and Name.
	Stored bool
	Poll   bool   // it goes when the other end does
	UID    uint32 // of the run that gave it
}

// export returns all descriptors that gosup has for processes, but for those
// that it was handed itself: they are found by its environment. They stay
// open, and are not handed on over an exec unless the caller sees to that.
// Nothing is watched from then on, or one that hangs up would be closed though
// it was promised.
func (d *descriptors) export() []heldFD {
	d.lookout.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []heldFD
	for _, o := range d.sockets {
		s := o.address.Socket
		all = append(all, heldFD{FD: o.fd, Socket: &s, Process: o.address.Process, File: o.file,
			Users: slices.Sorted(maps.Keys(o.users))})
	}
	for process, list := range d.stored {
		for _, f := range list {
			all = append(all, heldFD{FD: f.fd, Name: f.name, Process: process, Stored: true, Poll: f.poll, UID: f.uid})
		}
	}
	slices.SortFunc(all, func(a, b heldFD) int { return a.FD - b.FD })
	return all
}

// adopt takes over what another daemon has exported, before anything else is
// opened. What belongs to a process that is not known any more is closed, and
// so is what is no descriptor of what was said: it is not handed to anybody.
func (d *descriptors) adopt(all []heldFD, known func(process string) bool) {
	for _, h := range all {
		if h.Socket != nil {
			d.adoptSocket(h, known)
			continue
		}
		unix.CloseOnExec(h.FD)
		if !h.Stored || !known(h.Process) || !spec.DescriptorName(h.Name) {
			d.closer.Release([]int{h.FD})
			continue
		}
		if refused := d.keep(h.Process, []int{h.FD}, storedFD{name: h.Name, poll: h.Poll, uid: h.UID}, maxStored); refused > 0 {
			d.log.Warn("stored descriptor lost", slog.String("process", h.Process), slog.String("name", h.Name))
		}
	}
}

func (d *descriptors) adoptSocket(h heldFD, known func(process string) bool) {
	users := slices.DeleteFunc(slices.Clone(h.Users), func(process string) bool { return !known(process) })
	o := newOpenedSocket(address{*h.Socket, h.Process}, h.FD, h.File, users...)
	if !listensOn(h.FD, *h.Socket) {
		d.log.Warn("socket lost: it is opened anew", slog.String("address", h.Socket.String()))
		return // whatever it is, it is not ours to close
	}
	unix.CloseOnExec(h.FD)
	if len(o.users) == 0 {
		o.close()
		return
	}
	d.put(o)
}

// recover takes the sockets of a process from a run of it that lives on after
// the daemon that opened them: while that has them, nobody else can open them.
// What it finds is used by all instances. Where the kernel does not allow it,
// or the run has closed them, they are opened anew at the next start.
func (d *descriptors) recover(p *spec.Process, pid int) {
	for _, s := range p.Sockets {
		a := addressOf(p.Name, s)
		if d.join(a, p.Name) {
			continue
		}
		fd, err := fetchSocket(pid, s, d.has)
		if err != nil {
			d.log.Info("socket not taken from its process: it is opened anew at the next start",
				slog.String("process", p.Name), slog.String("address", s.String()), slog.Any("err", err))
			continue
		}
		file := fileID{}
		if s.Network == spec.Unix {
			file = fileOf(s.Address)
		}
		d.put(newOpenedSocket(a, fd, file, p.Name))
	}
}

// has reports whether a descriptor is one of a socket that is known already.
func (d *descriptors) has(fd int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.sockets {
		if sameDescriptor(o.fd, fd) {
			return true
		}
	}
	return false
}
