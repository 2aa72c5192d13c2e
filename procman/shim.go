package procman

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"syscall"

	"gosup/spec"
	"gosup/tree"
)

// The shim is gosup itself, executed between the fork and the command to do
// what a fork in Go cannot: limits, umask, nice, oom_score_adj, capabilities,
// no_new_privileges, and to tell a process its own pid in LISTEN_PID. It is told what to do by a plan in a file without a name,
// does it step by step, and reports over a pipe that closes when the command is
// executed. Until then the run is preparing: it has a pid, and neither a
// Started nor a StartFailed has been emitted for it.
//
//	hand ──fork──▶ gosup shim ──drops rights, proves it──exec──▶ command
//	  ▲                 │
//	  └── 'x', or 'f' errno text: listen ─┘

// plan is what the shim is to do. Strings are bytes: an environment may hold
// any, and JSON may not.
type plan struct {
	Argv, Env [][]byte
	Dir       []byte
	Terminal  bool
	Rights    spec.Rights
	Listens   bool
}

func newPlan(l *launch, r spec.Rights) plan {
	p := plan{Dir: []byte(l.Dir), Terminal: l.Terminal, Rights: r, Listens: l.Listens}
	for _, s := range l.Argv {
		p.Argv = append(p.Argv, []byte(s))
	}
	for _, s := range l.Env {
		p.Env = append(p.Env, []byte(s))
	}
	return p
}

// launch returns the part of a plan that is the command.
func (p *plan) launch() *launch {
	l := &launch{Dir: string(p.Dir), Rights: p.Rights}
	for _, b := range p.Argv {
		l.Argv = append(l.Argv, string(b))
	}
	for _, b := range p.Env {
		l.Env = append(l.Env, string(b))
	}
	return l
}

// The shim reports markExec when it is about to execute the command, and
// markFailed, an errno of four bytes and a text when a step has failed.
const (
	markExec   = 'x'
	markFailed = 'f'
)

// maxReport bounds what is read of a report.
const maxReport = 16 << 10

// report is how a shim's work ended.
type report struct {
	runKey
	err error // nil: the command is being executed
}

// parseReport reads what a shim has written until it closed its pipe.
func parseReport(text []byte) error {
	executed := false
	if len(text) > 0 && text[0] == markExec {
		executed, text = true, text[1:]
	}
	if len(text) >= 5 && text[0] == markFailed {
		errno := syscall.Errno(binary.LittleEndian.Uint32(text[1:]))
		return &shimError{errno: errno, text: string(text[5:])}
	}
	if len(text) > 0 || !executed {
		return errors.New("gosup shim ended before it could run the command")
	}
	return nil
}

// shimError is the step of a shim that failed, and why.
type shimError struct {
	errno syscall.Errno
	text  string
}

func (e *shimError) Error() string { return e.text }
func (e *shimError) Unwrap() error { return e.errno }

// rights says how a run gets its rights: by a credential that the fork sets, or
// through the shim. Both are zero for a run that has the daemon's.
func (h *hand) rights(r spec.Rights) (spec.Rights, *syscall.Credential, bool) {
	if r.User != nil && h.self.is(r.User) {
		r.User = nil
	}
	if r.Umask != nil || len(r.Limits) > 0 || r.Nice != nil || r.OOMScoreAdj != nil || r.NoNewPrivileges ||
		r.Capabilities != nil || r.User != nil && !h.self.sheds {
		return r, nil, true
	}
	if r.User == nil {
		return r, nil, false
	}
	return r, &syscall.Credential{Uid: r.User.UID, Gid: r.User.GID, Groups: r.User.Groups}, false
}

// identity is as whom the daemon runs.
type identity struct {
	uid, gid uint32
	groups   []uint32
	sheds    bool // a change of the user leaves nothing behind: root, and no capabilities set by hand
}

// is reports whether a user is the one that the daemon runs as. Who is not
// root cannot change its groups: then it is enough that it has none that the
// user has not.
func (d *identity) is(u *spec.User) bool {
	if d.uid != u.UID || d.gid != u.GID {
		return false
	}
	within := func(a, b []uint32) bool {
		return !slices.ContainsFunc(a, func(g uint32) bool { return g != u.GID && !slices.Contains(b, g) })
	}
	return within(d.groups, u.Groups) && (d.uid != 0 || within(u.Groups, d.groups))
}

// forkShim starts the shim for a run. What becomes of it comes as a report.
func (h *hand) forkShim(o *startOrder, r spec.Rights) error {
	l := &o.launch
	text, err := json.Marshal(newPlan(l, r))
	if err != nil {
		return fmt.Errorf("shim: %w", err)
	}
	file, err := planFile(text)
	if err != nil {
		return err
	}
	defer file.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("shim: %w", bare(err))
	}
	defer write.Close()
	n := len(l.Files)
	shim := *l
	shim.Argv = []string{"gosup", "shim", strconv.Itoa(n)}
	shim.Dir = ""
	// The environment is not the command's: GOMEMLIMIT=nonsense would end the
	// shim, which is a Go program. Preemption would start threads, which the
	// limits may forbid by then.
	shim.Env = []string{"GOSUP_RUN=" + l.Tag, "GODEBUG=asyncpreemptoff=1", "GOGC=off"}
	shim.Files = append(slices.Clone(l.Files), int(write.Fd()), int(file.Fd()))
	c, err := h.spawn(&shim, h.shim, nil)
	if err != nil {
		read.Close()
		if refused := (*cgroupError)(nil); errors.As(err, &refused) {
			return err
		}
		return fmt.Errorf("exec %s, which sets limits and rights: %w", h.shim, err)
	}
	c.preparing = true
	h.born(o, c)
	go h.listen(c.runKey, read)
	return nil
}

// listen waits for a shim's report. Its goroutine ends when the command is
// executed, or the shim has ended.
func (h *hand) listen(k runKey, pipe *os.File) {
	text, _ := io.ReadAll(io.LimitReader(pipe, maxReport)) // what came before an error counts
	pipe.Close()
	h.mail.put(message{report: &report{runKey: k, err: parseReport(text)}})
}

// prepared takes the report of a shim. Where the process has ended by now, the
// next reaping tells the rest.
func (h *hand) prepared(r *report) {
	c := h.runs[r.runKey]
	if c == nil {
		return
	}
	c.preparing = false
	c.failure = r.err
	if r.err == nil {
		if !c.over {
			c.started = h.now()
		}
		h.tell(c)
	}
	if c.over {
		h.late = append(h.late, c)
		h.dead = true
	}
}

// tell tells that a run's command is being executed, and delivers what was
// ordered for it before.
func (h *hand) tell(c *child) {
	h.emit(tree.Started{Node: c.node, Run: c.run, PID: c.pid})
	held := c.held
	c.held = nil
	for _, s := range held {
		h.deliver(s)
	}
}
