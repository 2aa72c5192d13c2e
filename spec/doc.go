// Package spec is what the user asked for, as plain values: validated,
// resolved, never changed after they were made, comparable field by field.
// Package config makes them from bytes; the tree decides by them, the shell
// acts by them.
//
// There is no behaviour in it, no parsing, and no pointer to anything that
// runs. Paths are absolute, durations and sizes are numbers, defaults are
// filled in: who reads a spec never asks what an empty field means unless its
// comment says so.
package spec

import (
	"slices"
	"time"

	"gosup/policy"
)

// Tree is one whole configuration.
type Tree struct {
	Supervisor   Supervisor
	Dependencies []Dependency // outside the supervisor
	Root         Group        // its Name is ""; one_for_one, with no budget of its own
}

// Supervisor is the daemon's own settings.
type Supervisor struct {
	Name            string
	RuntimeDir      string // sockets and FIFOs
	StateDir        string // what outlives the daemon
	LogDir          string
	Socket          string
	SocketMode      uint32 // permission bits
	SocketGroup     string // "" for none
	Listen          string // TCP address of /livez, /readyz and /metrics; "" for none
	TLS             TLS    // of that
	TokensFile      string // who may use the API there; "" for nobody
	LogLevel        string // debug, info, warn, error
	LogFormat       string // text, json
	ShutdownTimeout time.Duration
	ExitOn          ExitOn
	ParallelStarts  int  // processes that may be starting at one time; 0 for no limit
	WatchConfig     bool // reload when a configuration file changes
}

// TLS names the files, in PEM, by which the TCP address is encrypted. The zero
// value is plain text.
type TLS struct {
	Cert     string // the certificate, with those between it and its root
	Key      string
	ClientCA string // of whom clients must have a certificate; "": they need none
}

// ServesAPI reports whether the API is to be served on the TCP address too.
func (s Supervisor) ServesAPI() bool { return s.Listen != "" && s.TLS.Cert != "" && s.TokensFile != "" }

// ExitOn says when the daemon ends by itself.
type ExitOn uint8

// When the daemon ends by itself.
const (
	ExitNever     ExitOn = iota
	ExitAllDone          // every process is exited, failed or stopped
	ExitAnyFailed        // a process has failed
)

var exitOnNames = []string{"never", "all_done", "any_failed"}

// String returns the name that configuration files use.
func (e ExitOn) String() string { return exitOnNames[e] }

// ExitOnNames returns the names that configuration files use, in the order of
// the constants.
func ExitOnNames() []string { return slices.Clone(exitOnNames) }

// Group is a node of the supervision tree that has members.
type Group struct {
	Name        string // full name, "a/b"
	Strategy    policy.Strategy
	Restart     *Restart // the group's own budget and delays; nil where the file sets none
	OnExhausted policy.OnExhausted
	Members     []Member // in the order of start
}

// Member is a process or a group: exactly one field is set.
type Member struct {
	Process *Process
	Group   *Group
}

// Type says what the end of a process means.
type Type uint8

// The types of process.
const (
	Service Type = iota // is meant to run for ever
	Oneshot             // is meant to end; its success is final
)

// String returns the name that configuration files use.
func (t Type) String() string {
	if t == Oneshot {
		return "oneshot"
	}
	return "service"
}

// Process is one process to supervise.
type Process struct {
	Name         string // full name, "group/process", with "@2" for an instance
	Argv         []string
	Description  string
	Type         Type
	Autostart    bool
	Essential    bool     // when it ends for good, so does the daemon
	Dir          string   // absolute
	Env          []string // KEY=value, in effect order, the later wins; values are secrets
	CleanEnv     bool     // inherit nothing but PATH
	Rights       Rights
	Cgroup       Cgroup
	Restart      Restart
	Stop         Stop
	Logs         Logs
	Hooks        Hooks
	ReloadSignal int // what asks it to reload itself; 0 for none. Hooks[OnReload] comes first
	Checks       []Check
	Readiness    *Readiness // nil: spawned is ready
	DependsOn    []DependsOn
	Requires     []string // names of dependencies
	Watch        *Watch   // nil: no files are watched
	Sockets      []Socket // in the order in which they are handed over

	StartOnConnection bool // it waits with its start until somebody connects to one of Sockets
}

// Restart is when, how fast and how often a process is restarted.
type Restart struct {
	Policy       policy.When
	Backoff      policy.Backoff
	Limit        policy.Limit
	SuccessCodes []int
	OnExit       []ExitRule
	OnExhausted  policy.OnExhausted
}

// ExitRule is what restart.on_exit says of one class of failures.
type ExitRule struct {
	Class string        // "78", "SIGSEGV" or "oom"
	Never bool          // no restart any more
	Delay time.Duration // at least this one
}

// Success reports whether an exit code counts as success.
func (r Restart) Success(code int) bool { return slices.Contains(r.SuccessCodes, code) }

// Kill is how far the last signal of a stop reaches.
type Kill uint8

// The reaches of a stop.
const (
	KillTree    Kill = iota // every descendant, wherever it went
	KillGroup               // the process group
	KillProcess             // the process alone
)

// String returns the name that configuration files use.
func (k Kill) String() string { return [...]string{"tree", "group", "process"}[k] }

// Stop is how a process is stopped: each signal in turn with its wait, then
// SIGKILL.
type Stop struct {
	Steps []StopStep // at least one
	Kill  Kill
}

// StopStep is one rung of the ladder.
type StopStep struct {
	Signal int // a signal number of this platform
	Wait   time.Duration
}

// Output says where what a process writes goes.
type Output uint8

// The outputs. Auto is resolved by the daemon when it starts, since it
// depends on where its own stdout leads.
const (
	OutputAuto Output = iota
	OutputFile
	OutputConsole
	OutputBoth
	OutputNone
	OutputInherit
)

var outputNames = []string{"auto", "file", "console", "both", "none", "inherit"}

// String returns the name that configuration files use.
func (o Output) String() string { return outputNames[o] }

// OutputNames returns the names that configuration files use, in the order of
// the constants.
func OutputNames() []string { return slices.Clone(outputNames) }

// Format is how lines are written.
type Format uint8

// The formats. Text is for files, Prefix for the console.
const (
	FormatRaw Format = iota
	FormatText
	FormatJSON
	FormatPrefix
)

// String returns the name that configuration files use.
func (f Format) String() string { return [...]string{"raw", "text", "json", "prefix"}[f] }

// Compression is how rotated files are compressed.
type Compression uint8

// The compressions.
const (
	CompressNone Compression = iota
	CompressGzip
	CompressZstd
)

// String returns the name that configuration files use.
func (c Compression) String() string { return [...]string{"none", "gzip", "zstd"}[c] }

// Logs is what becomes of a process's output.
type Logs struct {
	Output        Output
	File          string // absolute
	StderrFile    string // absolute; "" for none: stderr goes to File
	Format        Format
	ConsoleFormat Format
	MaxSizeBytes  int64         // 0 for no limit
	MaxFiles      int           // rotated ones kept, beside the live file
	MaxAge        time.Duration // 0 for no limit
	Compress      Compression
	BlockOnFull   bool // on a full disk the writer waits instead of losing lines
}
