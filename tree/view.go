package tree

import (
	"time"

	"gosup/policy"
	"gosup/spec"
)

// State is where a process is in its life.
type State uint8

// The states.
const (
	StateStopped  State = iota // by a person, or never asked to run
	StateWaiting               // wants to run; Node.WaitingOn says for what
	StateStarting              // being started, or not ready yet
	StateRunning
	StateStopping
	StateBackoff // waits for Node.NextStartAt
	StateExited  // over, as its policy says
	StateFailed  // permanently stopped
)

var stateNames = [...]string{"stopped", "waiting", "starting", "running", "stopping", "backoff", "exited", "failed"}

// String returns the name that people and the API use.
func (s State) String() string { return stateNames[s] }

// States returns the names of all states.
func States() []string { return stateNames[:] }

// Health is what the checks say of a running process.
type Health uint8

// The health of a process.
const (
	HealthNone Health = iota // has no check
	HealthUnknown
	Healthy
	Degraded
	HealthBad
)

var healthNames = [...]string{"none", "unknown", "healthy", "degraded", "unhealthy"}

// String returns the name that people and the API use.
func (h Health) String() string { return healthNames[h] }

// Node is what can be known of one process or group at one moment. It is
// immutable: readers on any goroutine may keep it.
type Node struct {
	ID       NodeID
	Name     string // full name
	Group    string // full name of the group above; "" at the top
	IsGroup  bool
	Strategy policy.Strategy // of a group
	Process  *spec.Process   // its definition; nil for a group. Env holds secrets: never shown

	State        State
	Cause        *Cause // nil for none
	Reason       string // the cause in words
	WaitingOn    []string
	Health       Health
	HealthReason string
	Checks       []Checkup // of the current run, in the order of the file
	Status       string    // what the process says it is doing; "" for nothing

	Frozen      bool   // a person makes it stand still
	PID         int    // 0 if none
	Run         uint64 // the current run, or the last
	Ready       bool
	StartedAt   Time // of the current run; 0 if none
	NextStartAt Time // of a backoff; 0 if none
	LastExit    *Exit

	TotalRestarts uint64 // automatic ones
	Failures      uint64 // unplanned ends, failed starts included
	Ends          Ends   // all of them, ordered ones too
	Orders        uint64 // wishes of people; a waiter whose number is passed was overtaken

	Budget    policy.Budget // read it by Restarts
	Limit     policy.Limit
	HasBudget bool // false: a group without one, or a member of a group that has the only one
}

// Ends counts how the runs of a process have ended.
type Ends struct {
	By  [NotStarted + 1]uint64 `json:"by"`            // by the kind of end
	OOM uint64                 `json:"oom,omitempty"` // of these, by the kernel for want of memory
}

// Checkup is what one check of a process says.
type Checkup struct {
	Name    string
	Health  Health
	Reason  string        // of the health
	Last    string        // what the last result said; "" for nothing but healthy
	At      Time          // of the last result; 0 for none
	Latency time.Duration // of it
	Failed  int           // failures in a row
}

// Restarts returns how many automatic restarts are remembered at now.
func (n *Node) Restarts(now Time) int {
	if !n.HasBudget {
		return 0
	}
	return n.Budget.Count(now, n.Limit)
}

// ReasonAt returns the reason in words as it is at now: where something is
// waited for that comes by itself, Reason says how long that took when the
// node last changed.
func (n *Node) ReasonAt(now Time) string {
	if n.Cause == nil || n.Cause.Until == 0 {
		return n.Reason
	}
	c := *n.Cause
	c.Delay = max(0, c.Until.Sub(now))
	return c.String()
}

// Uptime returns how long the current run has lasted at now; 0 if none.
func (n *Node) Uptime(now Time) time.Duration {
	if n.StartedAt == 0 {
		return 0
	}
	return now.Sub(n.StartedAt)
}

// Snapshot is the whole tree at one moment, in preorder: a group stands
// before its members. It is immutable.
type Snapshot struct {
	At       Time
	Version  uint64 // grows with each snapshot
	Nodes    []*Node
	Breakers []Breaker
	Stopping bool // the daemon is shutting down
}

// Crash is what was recorded of an end that nobody had ordered.
type Crash struct {
	Process string
	Run     uint64
	PID     int
	Wall    time.Time // of the end
	Exit    Exit
	Reason  string    // what it led to, in words
	Health  Health    // just before the end
	Checks  []Checkup // their last results
	Output  []byte    // the last 8 KiB of the run's output
}

// Descriptor is one that a process is handed at its start beside the standard
// ones.
type Descriptor struct {
	Name    string
	Kind    string // socket, pipe, file and the like
	Address string // of a socket that the supervisor has opened
	Stored  bool   // the process has given it to the supervisor to keep
}
