package tree

import (
	"time"

	"gosup/policy"
)

// Image is all that a tree knows and the next daemon cannot find out by itself:
// what was decided, what that was decided by, and how far each run was. It holds
// no definitions. Values of it are immutable.
//
// Its numbers stand for constants of this package and of policy. Who changes the
// meaning of one raises the version that package journal writes beside it.
type Image struct {
	At       Time           `json:"at"`
	Seq      uint64         `json:"seq"` // of the last note
	LastID   NodeID         `json:"last_id"`
	Random   uint64         `json:"random"`
	Nodes    []*NodeImage   `json:"-"` // written one by one: most are as they were
	Breakers []BreakerImage `json:"breakers,omitempty"`
}

// NodeImage is what is known of one process or group.
type NodeImage struct {
	ID    NodeID `json:"id"`
	Name  string `json:"name"`
	Group bool   `json:"group,omitempty"`

	// Kept is set by Decisions: Rest is what a person, or the file that was
	// followed, wanted in the end.
	Kept bool `json:"-"`

	Rest       rest                `json:"rest,omitempty"`
	Cause      *Cause              `json:"cause,omitempty"`
	Budget     policy.BudgetMemory `json:"budget,omitzero"`
	Total      uint64              `json:"total,omitempty"`
	Failures   uint64              `json:"failures,omitempty"`
	Ends       Ends                `json:"ends,omitzero"`
	Orders     uint64              `json:"orders,omitempty"`
	Cycle      bool                `json:"cycle,omitempty"`
	Auto       bool                `json:"auto,omitempty"`
	Held       bool                `json:"held,omitempty"`
	NotBefore  Time                `json:"not_before,omitempty"`
	Failed     bool                `json:"failed,omitempty"`     // of a group
	Restarting bool                `json:"restarting,omitempty"` // of a group

	Body      body   `json:"body,omitempty"`
	Run       uint64 `json:"run,omitempty"`
	PID       int    `json:"pid,omitempty"`
	StartedAt Time   `json:"started_at,omitempty"`
	LastExit  *Exit  `json:"last_exit,omitempty"`
	Ready     bool   `json:"ready,omitempty"`
	Ailing    Ending `json:"ailing,omitempty"`
	Planned   bool   `json:"planned,omitempty"`
	Counted   bool   `json:"counted,omitempty"` // it began as an automatic restart
	Bowing    bool   `json:"bowing,omitempty"`
	Bowed     bool   `json:"bowed,omitempty"`
	Step      int    `json:"step,omitempty"`
	Deadline  Time   `json:"deadline,omitempty"`
	ReadyAt   Time   `json:"ready_at,omitempty"`
	ReadyBy   Time   `json:"ready_by,omitempty"`
	Status    string `json:"status,omitempty"`

	Frozen    bool   `json:"frozen,omitempty"`
	SickUntil Time   `json:"sick_until,omitempty"`
	UndoAt    Time   `json:"undo_at,omitempty"`
	UndoBy    *Asked `json:"undo_by,omitempty"`

	UpSince Time         `json:"up_since,omitempty"`
	Checks  []CheckImage `json:"checks,omitempty"`
}

// CheckImage is what a check has said of a run. Results that change nothing
// leave it as it is.
type CheckImage struct {
	Name   string        `json:"name,omitempty"`
	Health Health        `json:"health"`
	Reason string        `json:"reason,omitempty"`
	LastOK bool          `json:"last_ok,omitempty"`
	Passed bool          `json:"passed,omitempty"`
	Acted  bool          `json:"acted,omitempty"`
	Streak policy.Streak `json:"streak"`
}

// BreakerImage is what is known of a dependency outside the supervisor.
type BreakerImage struct {
	Name    string               `json:"name"`
	Breaker policy.BreakerMemory `json:"breaker"`
	Reason  string               `json:"reason,omitempty"`
	WellAt  Time                 `json:"well_at,omitempty"`
}

// Image returns what the tree knows. Nodes about which nothing was decided since
// the last call are the same values.
func (t *Tree) Image() *Image {
	m := &Image{At: t.now, Seq: t.seq, LastID: t.lastID, Random: t.random, Nodes: make([]*NodeImage, 0, len(t.nodes))}
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.image == nil {
			n.image = t.imageOf(n)
		}
		m.Nodes = append(m.Nodes, n.image)
	}
	for i := range t.deps {
		s := &t.deps[i]
		m.Breakers = append(m.Breakers, BreakerImage{s.spec.Name, s.breaker.Memory(), s.reason, s.wellAt})
	}
	return m
}

func (t *Tree) imageOf(n *node) *NodeImage {
	m := &NodeImage{
		ID: n.id, Name: n.name, Group: n.isGroup(),
		Rest: n.rest, Cause: n.cause, Budget: n.budget.Memory(),
		Total: n.total, Failures: n.failures, Ends: n.ends, Orders: n.orders,
		Cycle: n.cycle, Auto: n.auto, Held: n.held, NotBefore: n.notBefore,
		Failed: n.failed, Restarting: n.restarting,
		Body: n.body, Run: n.run, PID: n.pid, StartedAt: n.startedAt, LastExit: n.lastExit,
		Ready: n.ready, Ailing: n.ailing, Planned: n.planned, Counted: n.counted, Bowing: n.bowing, Bowed: n.bowed, Step: n.step,
		ReadyAt: n.readyAt, ReadyBy: n.readyBy, Status: n.status,
		Frozen: n.frozen, SickUntil: n.sickUntil,
	}
	if n.step > 0 {
		m.Deadline = n.deadline
	}
	if n.undoAt != 0 {
		m.UndoAt, m.UndoBy = n.undoAt, n.undoBy
	}
	if v := n.vigil; v != nil {
		m.UpSince, m.Checks = v.since, make([]CheckImage, len(v.checks))
		for i := range v.checks {
			m.Checks[i] = imageOfCheck(&v.checks[i], n.proc.Checks[i].Name, n.proc.Checks[i].Threshold)
		}
	}
	return m
}

// imageOfCheck leaves out what no threshold asks about.
func imageOfCheck(c *checkup, name string, h policy.Threshold) CheckImage {
	streak := c.streak
	streak.Succeeded = min(streak.Succeeded, h.Successes)
	return CheckImage{name, c.health, c.reason, c.lastOK, c.passed, c.acted, streak}
}

// Decisions returns what of an image still holds for a daemon that begins anew,
// after an orderly end or on a machine that has booted since: what people
// decided, and what was counted. What befell the runs is over: a process that
// had failed, or was done, has a new life. Times are moved by shift, which leads
// from the clock of the image to today's.
func (m *Image) Decisions(shift time.Duration) *Image {
	d := &Image{Seq: m.Seq, LastID: m.LastID, Random: m.Random}
	for _, n := range m.Nodes {
		k := &NodeImage{ID: n.ID, Name: n.Name, Group: n.Group, Rest: wanted,
			Total: n.Total, Failures: n.Failures, Ends: n.Ends, Orders: n.Orders, Run: n.Run}
		if n.LastExit != nil {
			exit := *n.LastExit
			exit.At = exit.At.Add(shift)
			k.LastExit = &exit
		}
		switch {
		case n.Group || n.UndoAt != 0: // a fault that somebody injected ends with the daemon
		case n.Rest == wanted:
			k.Kept = true
		case n.Rest == stopped && n.Cause != nil && n.Cause.Kind == CauseAsked:
			k.Kept, k.Rest, k.Cause = true, stopped, n.Cause
		}
		d.Nodes = append(d.Nodes, k)
	}
	return d
}
