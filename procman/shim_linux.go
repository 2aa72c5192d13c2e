package procman

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"gosup/spec"
)

// findSelf returns how gosup can execute itself. The link in /proc leads to the
// same file also when that on disk has been replaced.
func findSelf() string {
	const link = "/proc/self/exe"
	if access(link) == nil {
		return link
	}
	l := &launch{Argv: os.Args[:1], Env: os.Environ()}
	path, _, err := lookPath(l, 0)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return link
	}
	return path
}

// Shim is the hidden command "gosup shim N". It gives up rights as the plan in
// descriptor N+1 says, proves that they are given up, and executes the plan's
// command with the descriptors 0 to N-1. It returns only if that fails; the
// hand has then been told over descriptor N.
func Shim(args []string) int {
	runtime.LockOSThread() // nice, capabilities and the like are a thread's, and exec keeps those of this one
	n := -1
	if len(args) == 1 {
		n, _ = strconv.Atoi(args[0])
	}
	var pipe, file unix.Stat_t
	if n < 0 || unix.Fstat(n, &pipe) != nil || unix.Fstat(n+1, &file) != nil ||
		pipe.Mode&unix.S_IFMT != unix.S_IFIFO || file.Mode&unix.S_IFMT != unix.S_IFREG || file.Nlink != 0 {
		fmt.Fprintln(os.Stderr, "gosup: shim is for gosup itself to call")
		return 2
	}
	unix.CloseOnExec(n)
	p, err := readPlan(n + 1)
	if err == nil {
		err = p.carryOut()
	}
	var errno syscall.Errno // of the exec alone: it tells a command that is missing or busy
	if err == nil {
		if err = p.exec(n); errors.Is(err, errNotFound) {
			errno = unix.ENOENT
		} else {
			errors.As(err, &errno)
		}
	}
	text := binary.LittleEndian.AppendUint32([]byte{markFailed}, uint32(errno))
	_, _ = unix.Write(n, append(text, err.Error()...)) // if nobody listens, nobody is to be told
	return 1
}

// planFile returns an open file that has the text, and no name.
func planFile(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("plan", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("shim: make a file for the plan: %w", err)
	}
	f := os.NewFile(uintptr(fd), "plan")
	if _, err := f.WriteAt(text, 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("shim: write the plan: %w", bare(err))
	}
	return f, nil
}

func readPlan(fd int) (*plan, error) {
	f := os.NewFile(uintptr(fd), "plan")
	defer f.Close()
	p := new(plan)
	if err := json.NewDecoder(f).Decode(p); err != nil {
		return nil, fmt.Errorf("shim: read the plan: %w", err)
	}
	return p, nil
}

// exec executes the command, and tells so right before. It returns the error
// if that fails.
func (p *plan) exec(report int) error {
	l := p.launch()
	if l.Dir != "" {
		if err := unix.Chdir(l.Dir); err != nil {
			return fmt.Errorf("chdir %s: %w", l.Dir, err)
		}
	}
	if p.Listens {
		// The pid is this one's: it stays over the exec.
		l.Env = append(l.Env, "LISTEN_PID="+strconv.Itoa(os.Getpid()))
	}
	path, _, err := lookPath(l, 0)
	if err != nil {
		return err
	}
	if _, err := unix.Write(report, []byte{markExec}); err != nil {
		return fmt.Errorf("shim: report: %w", err)
	}
	return explain(l, path, syscall.Exec(path, l.Argv, l.Env))
}

// carryOut does what comes before the command, in this order: what needs the
// daemon's rights, then the rights themselves, then the proof.
func (p *plan) carryOut() error {
	r := &p.Rights
	if r.OOMScoreAdj != nil {
		if err := writeFile("/proc/self/oom_score_adj", strconv.Itoa(*r.OOMScoreAdj)); err != nil {
			return fmt.Errorf("set oom_score_adj %d: %w", *r.OOMScoreAdj, err)
		}
	}
	if r.Nice != nil {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, *r.Nice); err != nil {
			return fmt.Errorf("set nice %d: %w", *r.Nice, err)
		}
	}
	if r.Umask != nil {
		unix.Umask(int(*r.Umask))
	}
	for _, l := range r.Limits {
		if err := setLimit(l); err != nil {
			return err
		}
	}
	if r.User != nil || r.Capabilities != nil {
		if err := p.changeUser(); err != nil {
			return err
		}
	}
	if r.NoNewPrivileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("set no_new_privileges: %w", err)
		}
		if on, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || on != 1 {
			return fmt.Errorf("set no_new_privileges: it is not set (%w)", errUnproved)
		}
	}
	if p.Terminal {
		// 0: one that is another session's stays so.
		if err := unix.IoctlSetInt(0, unix.TIOCSCTTY, 0); err != nil {
			return fmt.Errorf("take over the terminal: %w", err)
		}
	}
	return nil
}

// errUnproved means that a system call said yes and the kernel shows otherwise.
var errUnproved = errors.New("not proved")

func writeFile(path, text string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}

// limitNumbers are the resources by the names that spec gives them.
var limitNumbers = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA,
	"fsize": unix.RLIMIT_FSIZE, "locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK,
	"msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE, "nofile": unix.RLIMIT_NOFILE,
	"nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS, "rtprio": unix.RLIMIT_RTPRIO,
	"rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
}

func setLimit(l spec.Limit) error {
	number, ok := limitNumbers[l.Resource]
	if !ok {
		return fmt.Errorf("set limit %s: %w", l.Resource, unix.EINVAL)
	}
	// Package syscall, not unix: it notes that the limit of descriptors, which
	// Go raises for itself, is not to be put back before exec.
	if err := syscall.Setrlimit(number, &syscall.Rlimit{Cur: l.Soft, Max: l.Hard}); err != nil {
		return fmt.Errorf("set limit %s to %s:%s: %w", l.Resource, size(l.Soft), size(l.Hard), err)
	}
	return nil
}

func size(n uint64) string {
	if n == spec.Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// changeUser gives up capabilities and changes the user, and proves it.
func (p *plan) changeUser() error {
	var caps spec.Capabilities
	if p.Rights.Capabilities != nil {
		caps = *p.Rights.Capabilities
	}
	if caps.Limited {
		if err := boundCaps(caps.Keep); err != nil {
			return err
		}
	}
	user := p.Rights.User
	if user != nil {
		// What is to be ambient must outlive the change of the user.
		if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("keep capabilities: %w", err)
		}
		if err := become(user); err != nil {
			return err
		}
	}
	want, err := wantedCaps(caps, user != nil)
	if err != nil {
		return err
	}
	if err := want.set(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keep no capabilities: %w", err)
	}
	return prove(user, caps, want)
}

// boundCaps takes everything but keep out of the bounding set.
func boundCaps(keep spec.CapSet) error {
	for n := range 64 {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0)
		if err != nil {
			return nil // the kernel knows no more of them
		}
		if has == 0 || keep.Has(n) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(n), 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %s: %w", capName(n), err)
		}
	}
	return nil
}

func capName(n int) string {
	if names := spec.CapNames(); n < len(names) {
		return names[n]
	}
	return strconv.Itoa(n)
}

// become changes groups and user, for all threads of the shim.
func become(u *spec.User) error {
	groups := make([]int, len(u.Groups))
	for i, g := range u.Groups {
		groups[i] = int(g)
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("set %d supplementary groups: %w", len(groups), err)
	}
	gid, uid := int(u.GID), int(u.UID)
	// To setresuid(2), this number means no change.
	if u.GID == math.MaxUint32 {
		return fmt.Errorf("set group %d: %w", gid, unix.EINVAL)
	}
	if u.UID == math.MaxUint32 {
		return fmt.Errorf("set user %d: %w", uid, unix.EINVAL)
	}
	if err := syscall.Setresgid(gid, gid, gid); err != nil {
		return fmt.Errorf("set group %d: %w", gid, err)
	}
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("set user %d: %w", uid, err)
	}
	return nil
}

// capState is the capabilities of a thread.
type capState struct {
	permitted, effective, inheritable, ambient spec.CapSet
}

// wantedCaps returns what the thread is to have before it executes the
// command. Of that, a user who is not root keeps the ambient ones over the
// exec, and root gets all of the bounding set.
func wantedCaps(caps spec.Capabilities, changed bool) (capState, error) {
	have, err := readCaps()
	if err != nil {
		return have, err
	}
	root := unix.Geteuid() == 0
	switch {
	case !root && (changed || caps.Limited):
		return capState{caps.Ambient, caps.Ambient, caps.Ambient, caps.Ambient}, nil
	case caps.Limited:
		p := have.permitted & caps.Keep
		return capState{p, p, caps.Ambient, caps.Ambient}, nil
	}
	have.effective = have.permitted // keeping them over the change has left these out
	have.inheritable |= caps.Ambient
	have.ambient |= caps.Ambient
	return have, nil
}

func readCaps() (capState, error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return capState{}, fmt.Errorf("read capabilities: %w", err)
	}
	join := func(lo, hi uint32) spec.CapSet { return spec.CapSet(lo) | spec.CapSet(hi)<<32 }
	s := capState{
		permitted:   join(data[0].Permitted, data[1].Permitted),
		effective:   join(data[0].Effective, data[1].Effective),
		inheritable: join(data[0].Inheritable, data[1].Inheritable),
	}
	for n := range 64 {
		on, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, uintptr(n), 0, 0)
		if err != nil {
			break
		}
		s.ambient |= spec.CapSet(on) << n
	}
	return s, nil
}

func (s capState) set() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		data[i].Permitted = uint32(s.permitted >> (32 * i))
		data[i].Effective = uint32(s.effective >> (32 * i))
		data[i].Inheritable = uint32(s.inheritable >> (32 * i))
	}
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		return fmt.Errorf("set capabilities: %w", err)
	}
	for rest := uint64(s.ambient); rest != 0; rest &= rest - 1 {
		n := bits.TrailingZeros64(rest)
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(n), 0, 0); err != nil {
			return fmt.Errorf("make capability %s ambient: %w", capName(n), err)
		}
	}
	return nil
}

// prove reads back what has been set: every wall that a mistake, a security
// module or a strange kernel may have left open is looked at once more.
func prove(u *spec.User, caps spec.Capabilities, want capState) error {
	if u != nil {
		r, e, s := unix.Getresuid()
		rg, eg, sg := unix.Getresgid()
		uid, gid := int(u.UID), int(u.GID)
		if r != uid || e != uid || s != uid || rg != gid || eg != gid || sg != gid {
			return fmt.Errorf("set user %d and group %d: got %d %d %d and %d %d %d: %w", uid, gid, r, e, s, rg, eg, sg, errUnproved)
		}
		groups, err := unix.Getgroups()
		if err != nil {
			return fmt.Errorf("read supplementary groups: %w", err)
		}
		for _, g := range groups {
			if !slices.Contains(u.Groups, uint32(g)) {
				return fmt.Errorf("set supplementary groups %v: got %v: %w", u.Groups, groups, errUnproved)
			}
		}
	}
	if have, err := readCaps(); err != nil {
		return err
	} else if have != want {
		return fmt.Errorf("set capabilities: got %+v, want %+v: %w", have, want, errUnproved)
	}
	for n := 0; caps.Limited && n < 64; n++ {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0)
		if err != nil {
			break
		}
		if has != 0 && !caps.Keep.Has(n) {
			return fmt.Errorf("drop capability %s: %w", capName(n), errUnproved)
		}
	}
	return nil
}

// whoAmI returns as whom the daemon runs.
func whoAmI() identity {
	d := identity{uid: uint32(unix.Geteuid()), gid: uint32(unix.Getegid())}
	groups, err := unix.Getgroups()
	for _, g := range groups {
		d.groups = append(d.groups, uint32(g))
	}
	secure, serr := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	caps, cerr := readCaps()
	d.sheds = d.uid == 0 && unix.Getuid() == 0 && secure == 0 && caps.inheritable == 0 && caps.ambient == 0 &&
		errors.Join(err, serr, cerr) == nil
	return d
}
