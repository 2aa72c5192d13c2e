package control

import (
	"slices"
	"strings"
	"time"

	"gosup/tree"
)

// Process is the status of one process. Names and meanings of its JSON keys
// are fixed: scripts rely on them. A time that is not there is null.
type Process struct {
	Name          string     `json:"name"`  // full name
	Group         string     `json:"group"` // "" at the top
	State         string     `json:"state"`
	Health        string     `json:"health"`
	HealthReason  string     `json:"health_reason"`
	PID           int        `json:"pid"` // 0 if none
	Ready         bool       `json:"ready"`
	StartedAt     *time.Time `json:"started_at"`
	UptimeSeconds *float64   `json:"uptime_seconds"`
	Restarts      int        `json:"restarts"` // automatic ones that the budget remembers
	TotalRestarts uint64     `json:"total_restarts"`
	MaxRestarts   *int       `json:"max_restarts"` // -1: unlimited; null: a group without a budget
	WithinSeconds *float64   `json:"within_seconds"`
	NextStartAt   *time.Time `json:"next_start_at"`
	Reason        string     `json:"reason"`
	WaitingOn     []string   `json:"waiting_on"` // names, or the addresses of its sockets; never null
	LastExit      *Exit      `json:"last_exit"`
	Run           uint64     `json:"run"`       // counts the starts of this process
	Succeeded     bool       `json:"succeeded"` // it is exited, and that was a success
	Frozen        bool       `json:"frozen"`    // a person makes it stand still

	// What the process and all its descendants use. They are null where that was
	// not asked for, or is not known.
	CPUPercent  *float64 `json:"cpu_percent"`  // of one CPU, in the last seconds if somebody has asked before, else since started_at
	MemoryBytes *int64   `json:"memory_bytes"` // resident; what several share counts for each
}

// Exit is how a run ended.
type Exit struct {
	Code       *int      `json:"code"`   // null after a signal, or when it is not known
	Signal     string    `json:"signal"` // "SIGKILL"; "" without one
	At         time.Time `json:"at"`
	RunSeconds float64   `json:"run_seconds"`
	OOMKilled  bool      `json:"oom_killed"`
	CoreDumped bool      `json:"core_dumped"`
	Cause      string    `json:"cause"` // exited, signalled, unhealthy, stopped, start_failed
}

// Node is a process or group of the tree. Of a group, pid, uptime and last
// exit are those of none.
type Node struct {
	Process
	Kind     string `json:"kind"`     // process, group
	Strategy string `json:"strategy"` // of a group; "" of a process
}

// clock converts what snapshots hold to what people read.
type clock struct {
	now   tree.Time
	wall  func(tree.Time) time.Time
	usage map[usageKey]usage // nil where nobody has asked for it
}

// usageKey is a run.
type usageKey struct {
	node tree.NodeID
	run  uint64
}

type usage struct {
	cpu         time.Duration
	cpuPercent  float64
	memoryBytes int64
}

func (c clock) time(t tree.Time) *time.Time {
	if t == 0 {
		return nil
	}
	w := stamp(c.wall(t))
	return &w
}

// stamp makes a wall time fit for the API: UTC, to the millisecond.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// seconds rounds to the millisecond, so that the text of the number is short.
func seconds(d time.Duration) float64 {
	return float64(d.Milliseconds()) / 1000
}

func (c clock) process(n *tree.Node) Process {
	p := Process{
		Name:          n.Name,
		Group:         n.Group,
		State:         n.State.String(),
		Health:        n.Health.String(),
		HealthReason:  n.HealthReason,
		PID:           n.PID,
		Ready:         n.Ready,
		StartedAt:     c.time(n.StartedAt),
		Restarts:      n.Restarts(c.now),
		TotalRestarts: n.TotalRestarts,
		NextStartAt:   c.time(n.NextStartAt),
		Reason:        n.ReasonAt(c.now),
		WaitingOn:     n.WaitingOn,
		LastExit:      c.exit(n.LastExit),
		Run:           n.Run,
		Frozen:        n.Frozen,
	}
	if n.StartedAt != 0 {
		up := seconds(n.Uptime(c.now))
		p.UptimeSeconds = &up
	}
	p.Succeeded = succeeded(n)
	if n.HasBudget {
		p.MaxRestarts = &n.Limit.Max // policy.Unlimited is the API's -1
		within := seconds(n.Limit.Within)
		p.WithinSeconds = &within
	}
	if u, ok := c.usage[usageKey{n.ID, n.Run}]; ok && n.PID != 0 {
		p.CPUPercent, p.MemoryBytes = &u.cpuPercent, &u.memoryBytes
	}
	if p.WaitingOn == nil {
		p.WaitingOn = []string{}
	}
	return p
}

// Listens reports whether a process waits for nothing but a connection, which
// starts it: as for what runs, there is nothing to be done.
func (p *Process) Listens() bool {
	isName := func(word string) bool { return !strings.Contains(word, "://") } // as addresses have it, and no name
	return p.State == tree.StateWaiting.String() && len(p.WaitingOn) > 0 && !slices.ContainsFunc(p.WaitingOn, isName)
}

// succeeded reports whether a process is exited and that was a success.
func succeeded(n *tree.Node) bool {
	return n.State == tree.StateExited && n.LastExit != nil && n.Process != nil &&
		n.LastExit.Signal == 0 && n.Process.Restart.Success(n.LastExit.Code)
}

func (c clock) exit(e *tree.Exit) *Exit {
	if e == nil {
		return nil
	}
	x := &Exit{
		Signal:     e.Name,
		At:         stamp(c.wall(e.At)),
		RunSeconds: seconds(e.Ran),
		OOMKilled:  e.OOM,
		CoreDumped: e.Core,
		Cause:      e.Cause.String(),
	}
	if e.Signal == 0 && e.Code >= 0 {
		code := e.Code
		x.Code = &code
	}
	return x
}

func (c clock) node(n *tree.Node) Node {
	v := Node{Process: c.process(n), Kind: "process"}
	if n.IsGroup {
		v.Kind, v.Strategy = "group", n.Strategy.String()
	}
	return v
}
