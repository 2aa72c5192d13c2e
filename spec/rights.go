package spec

import "slices"

// Rights is as whom a process runs, and within which limits. The zero value
// changes nothing: it runs as gosup does.
type Rights struct {
	User            *User // nil: gosup's own, groups included
	Umask           *uint32
	Limits          []Limit
	Nice            *int // -20 to 19
	OOMScoreAdj     *int // -1000 to 1000
	NoNewPrivileges bool
	Capabilities    *Capabilities // nil: what the user has by itself
}

// User is an account as it was when the configuration was read. Where a file
// names only a group, the rest is gosup's own.
type User struct {
	Name   string // "" for a number that no account has
	Home   string
	Shell  string
	UID    uint32
	GID    uint32
	Groups []uint32 // all supplementary ones
}

// Unlimited is the size of a limit that limits nothing.
const Unlimited = ^uint64(0)

// Limit is one resource limit, see getrlimit(2).
type Limit struct {
	Resource string // one of LimitNames
	Soft     uint64 // in the unit that the resource has: bytes, seconds, a number
	Hard     uint64
}

var limitNames = []string{
	"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
	"rss", "rtprio", "rttime", "sigpending", "stack",
}

// LimitNames returns the names of the resources that can be limited: those of
// getrlimit(2) without RLIMIT_, in lower case.
func LimitNames() []string { return slices.Clone(limitNames) }

// Capabilities bounds what root may do, see capabilities(7).
type Capabilities struct {
	Limited bool   // Keep is all that the process and what it executes can ever have
	Keep    CapSet // if Limited
	Ambient CapSet // what it has though it is not root; within Keep, if Limited
}

// CapSet is a set of capabilities: bit n stands for that of number n.
type CapSet uint64

// Has reports whether the capability of number n is in the set.
func (s CapSet) Has(n int) bool { return s>>n&1 != 0 }

// capNames are the names of the capabilities by number, linux/capability.h.
var capNames = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
	"IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
	"SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
	"LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
	"WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

// CapNames returns the names of the capabilities without CAP_, each at the
// place of its number.
func CapNames() []string { return slices.Clone(capNames) }
