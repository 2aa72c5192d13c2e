package tree

import (
	"slices"
	"time"

	"gosup/policy"
	"gosup/spec"
)

// Time is a point on the supervisor's monotonic clock: nanoseconds since the
// machine booted (CLOCK_MONOTONIC), so that it means the same to the next
// daemon. The wall clock never decides anything.
type Time = policy.Time

// NodeID names a process or group for as long as its definition lives. An ID
// is never used again.
type NodeID uint32

// Event is something that happened in the world. Events of a run that is over
// are ignored, so the shell may report late, but never twice.
type Event interface{ event() }

// Started answers a Start: the command has been executed. The shell sends
// exactly one Started or StartFailed for each Start.
type Started struct {
	Node NodeID
	Run  uint64
	PID  int
}

// StartFailed answers a Start: nothing runs. Busy means that the program's
// file was open for writing (ETXTBSY), which passes by itself.
type StartFailed struct {
	Node NodeID
	Run  uint64
	Why  string // "exec bin/web: no such file or directory"
	Busy bool
	Code int // what a shell would exit with: 127 for no such command, else 126
}

// Exited reports the end of a run's first process. The shell sends exactly
// one after each Started.
type Exited struct {
	Node NodeID
	Run  uint64
	Exit Exit
	Left bool // descendants are still there; a Gone follows when they are not
}

// Gone follows an Exited with Left: nothing of the run is alive any more.
type Gone struct {
	Node NodeID
	Run  uint64
}

// Moved reports that the first process of a run has ended and the run goes on
// in another, which now counts as the first: its Exited is still to come.
type Moved struct {
	Node NodeID
	Run  uint64
	PID  int
}

// Probed answers a Probe. The shell sends exactly one for each, at the latest
// when the probe's timeout has passed.
type Probed struct {
	Node       NodeID
	Run        uint64
	Check      int
	Dependency string
	Health     Health // Healthy, Degraded or HealthBad; HealthUnknown where the probe could not be made
	Reason     string // in words, unless Healthy
	Latency    time.Duration
}

// Notified is what a run has said of itself on $NOTIFY_SOCKET, see
// sd_notify(3), or by another channel that means the same: a log line or a
// descriptor that it is ready.
type Notified struct {
	Node      NodeID
	Run       uint64
	Ready     bool
	Reloading bool    // it reads its configuration again, until it is Ready
	Stopping  bool    // it is about to end by itself
	Beat      bool    // it is alive
	Broken    bool    // it knows that it is not well (WATCHDOG=trigger)
	Requests  *uint64 // totals of this run; nil where it said nothing of them
	Errors    *uint64
	Status    *string
	Extend    time.Duration // more time to start or stop, from now; 0 for none
}

// Guarded is how a command ended that was let through a breaker by AskGuard.
type Guarded struct {
	Dependency string
	OK         bool
	Why        string
}

// Asked is a person's wish. It is answered by exactly one Answer, in the same
// Step.
type Asked struct {
	ID     uint64 // chosen by the shell, for the Answer
	Verb   Verb
	Names  []string      // as spec.Select takes them
	Signal int           // for AskSignal
	Argv   []string      // for AskExec
	For    time.Duration // of what undoes itself: a stop, a freeze, bad health, a trip; 0 for no end
	By     string        // who, "uid 0" or "SIGHUP"
	Why    string        // the person's own words; may be empty
}

// Verb is what a person asks for.
type Verb uint8

// The verbs.
const (
	AskStart Verb = iota
	AskStop
	AskRestart
	AskSignal
	AskReload // the process's own reload
	AskFreeze // all of it stands still
	AskThaw
	AskFailHealth // its checks fail, whatever they say
	AskExec       // a command beside it; the shell does that, and this is for the history
	AskTrip       // a breaker, to open
	AskReset      // a breaker, to close
	AskGuard      // whether a command may pass a breaker
)

var verbNames = [...]string{"start", "stop", "restart", "signal", "reload", "freeze", "thaw", "fail-health", "exec", "trip", "reset", "guard"}

// String returns the verb as gosup ctl spells it.
func (v Verb) String() string { return verbNames[v] }

// Shutdown asks for the end of the daemon. Each one is at least as urgent as
// those before.
type Shutdown struct {
	Urgency Urgency
	Signal  int // in place of the first signal of each stop; 0 for none
	By      string
	Why     string
}

// Urgency is how much time a shutdown leaves.
type Urgency uint8

// The urgencies.
const (
	Orderly Urgency = iota // in order, each stop with its own patience
	Quick                  // in order, every stop timeout 0
	AtOnce                 // everything is killed now
)

// Reloaded replaces the definition of the tree. What did not change is not
// touched.
type Reloaded struct {
	Tree *spec.Tree
	By   string
	Why  string
}

func (Started) event()     {}
func (StartFailed) event() {}
func (Exited) event()      {}
func (Gone) event()        {}
func (Moved) event()       {}
func (Asked) event()       {}
func (Probed) event()      {}
func (Notified) event()    {}
func (Guarded) event()     {}
func (Shutdown) event()    {}
func (Reloaded) event()    {}

// Exit is how a run ended.
type Exit struct {
	Code   int    // -1 when a signal ended it, or when it is not known
	Signal int    // 0 unless a signal ended it
	Name   string // the signal's name, "SIGKILL"; "" without one
	Core   bool
	OOM    bool
	At     Time
	Ran    time.Duration // from Started
	User   time.Duration // CPU time, of the first process and what it waited for
	System time.Duration
	MaxRSS int64 // bytes
	Cause  Ending
	Unseen bool // the code is not known: no gosup was there, or it was not its child
}

// Ending is the kind of an end, as GOSUP_EXIT_REASON tells it.
type Ending uint8

// The kinds of end. The shell reports Ended or Signalled; the tree knows when
// it had ordered the end itself.
const (
	Ended Ending = iota
	Signalled
	Unhealthy
	Stopped
	NotStarted
)

var endingNames = [...]string{"exited", "signalled", "unhealthy", "stopped", "start_failed"}

// String returns the word that hooks and the API use.
func (e Ending) String() string { return endingNames[e] }

// Endings returns the words of all kinds of end, in the order of the constants.
func Endings() []string { return endingNames[:] }

// Effect is something that the shell is to do.
type Effect interface{ effect() }

// Start begins a run: fork and exec. Answered by Started or StartFailed.
type Start struct {
	Node     NodeID
	Run      uint64 // counts the runs of this node, from 1
	Process  *spec.Process
	Restarts int // automatic restarts not yet forgotten
}

// Signal sends a signal to a run that has started, or to what is left of it.
type Signal struct {
	Node   NodeID
	Run    uint64
	Signal int
	Reach  spec.Kill
}

// Probe sends one probe of a process's check, of its readiness (Check below 0)
// or of a dependency. Answered by exactly one Probed with the same Node, Run,
// Check and Dependency.
type Probe struct {
	Node       NodeID // 0 for a dependency
	Run        uint64
	Check      int
	Dependency string // "" for a process
	Process    string // its name, "" for a dependency
	Name       string // of the check; "" where the file has none for it
	Probe      spec.Probe
	Timeout    time.Duration
}

// Crashed tells that a run has ended and nobody had ordered it, for the flight
// recorder. It comes before the Start of the next run.
type Crashed struct {
	Node  NodeID
	Crash Crash // but for Wall and Output
}

// Answer is the reply to Asked.
type Answer struct {
	ID      uint64
	Results []Result // in tree order
	Err     error    // the names meant nothing, *spec.UnknownError; nothing was done
}

// Result is what a wish led to for one process.
type Result struct {
	Node     NodeID
	Name     string
	Changed  bool     // false: it was so already
	Err      string   // it cannot be done, and why; "" otherwise
	Order    uint64   // the node's Orders after this wish, see Node
	Run      uint64   // the run at the time of the wish
	Failures uint64   // the node's Failures at the time of the wish
	Without  []string // of a stop: running processes that depend on it and now do without
}

// Forget tells the shell that a node is no more and had no run left: what was
// kept for it (output, names) can go.
type Forget struct {
	Node NodeID
	Name string
}

// Changed tells the shell of a new definition that asks for no new run.
type Changed struct {
	Node    NodeID
	Process *spec.Process
}

// Exiting ends the daemon: nothing runs any more.
type Exiting struct {
	Code int
	Why  string
}

func (Start) effect()   {}
func (Signal) effect()  {}
func (Answer) effect()  {}
func (Crashed) effect() {}
func (Probe) effect()   {}
func (Forget) effect()  {}
func (Changed) effect() {}
func (Exiting) effect() {}
func (Note) effect()    {}

// NoteType groups notes.
type NoteType uint8

// The types of notes.
const (
	NoteState NoteType = iota
	NoteHealth
	NoteBreaker
	NoteGroup
	NoteRequest
	NoteReload
	NoteLog
	NoteDaemon
)

var noteTypeNames = [...]string{"state", "health", "breaker", "group", "request", "reload", "log", "daemon"}

// String returns the name that the API uses.
func (t NoteType) String() string { return noteTypeNames[t] }

// ParseNoteType returns the type of a name that the API uses.
func ParseNoteType(name string) (NoteType, bool) {
	i := slices.Index(noteTypeNames[:], name)
	return NoteType(max(0, i)), i >= 0
}

// Note is a line of the history: something that people may want to know.
type Note struct {
	Seq     uint64 // counts from 1
	At      Time
	Type    NoteType
	Process string // full name of a process or group; "" for the daemon
	From    string // the state left, where one was
	To      string // the state entered
	Cause   *Cause // nil for none
	PID     int
	Exit    *Exit
	By      string
	Detail  string // further words: the person's reason, a number of restarts
}

// Noted is a note with the wall time at which it was taken.
type Noted struct {
	Note
	Wall time.Time
}
