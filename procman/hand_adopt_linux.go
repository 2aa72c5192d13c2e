package procman

import (
	"os"
	"syscall"
)

// adoptAll takes runs over before the hand begins to work. After an upgrade they
// are children of this process, as ever; after the death of the last daemon
// they are far.
func (h *hand) adoptAll(list []adoption) {
	self := os.Getpid()
	for _, a := range list {
		c := &child{runKey: a.runKey, tag: a.tag, pid: a.pid, start: a.start, reach: a.reach, tty: -1, started: a.started}
		h.runs[c.runKey] = c
		st, ok := procStat{}, false
		if a.pid != 0 && h.kin.proc != nil {
			st, ok = h.kin.proc.stat(a.pid)
		}
		switch {
		case ok && st.start == a.start && st.parent == self:
			c.cgroup = h.kin.cgroups.nameOf(h.kin.proc, a.pid)
			h.leaders[a.pid] = c
			h.kin.born(c)
		case h.kin.proc == nil:
			c.over, c.looked = true, true
		default:
			if err := h.kin.openFar(func() { h.mail.put(message{fell: true}) }); err != nil {
				h.kin.cgroups.warn(err)
			}
			h.kin.adoptFar(c, a.others)
		}
		if !c.over {
			continue
		}
		c.exit = h.farExit(c)
		if a.over {
			h.fading = append(h.fading, c)
		} else {
			h.late = append(h.late, c)
		}
	}
	h.dead, h.again = true, true
}

// killStrays ends what the daemon before this one has left and nobody waits for:
// the commands of probes, and hooks that are run again.
func (k *kin) killStrays(list []relative) {
	for _, r := range list {
		k.sendTo(r, []syscall.Signal{syscall.SIGKILL})
	}
}

// blink forgets what was seen of /proc: it is true for one turn.
func (k *kin) blink() { k.far.picture = nil }
