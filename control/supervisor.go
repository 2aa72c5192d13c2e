package control

import (
	"context"
	"io"
	"time"

	"gosup/logs"
	"gosup/spec"
	"gosup/tree"
)

// Supervisor is what the server needs of the daemon. All methods may be
// called from any goroutine, and none of them makes the supervision wait for
// the caller.
type Supervisor interface {
	// Snapshot returns the latest state of the tree. It takes no lock.
	Snapshot() *tree.Snapshot

	// Changed waits until there is a snapshot with a Version above after, and
	// returns the latest. The error is that of ctx, or says that the daemon
	// ends.
	Changed(ctx context.Context, after uint64) (*tree.Snapshot, error)

	// Ask hands a wish to the tree and returns its answer. The ID is filled in
	// by the Supervisor. The error is that of ctx, or says that the daemon
	// ends; what is wrong with the wish itself is in the answer.
	Ask(ctx context.Context, a tree.Asked) (tree.Answer, error)

	// Tell hands an event that has no answer to the tree and returns at once.
	Tell(e tree.Event)

	// Shutdown asks for the end of the daemon and returns at once.
	Shutdown(u tree.Urgency, by, why string)

	// Events returns what is kept of the history after the note number since,
	// oldest first, and whether notes in between are no longer kept. The
	// caller does not change what it is given.
	Events(since uint64) (notes []tree.Noted, gap bool)

	// EventsChanged waits until there is a note with a number above since.
	EventsChanged(ctx context.Context, since uint64) error

	// Source returns where the output of a process goes.
	Source(n *tree.Node) logs.Source

	// ReadOutput hands to emit what processes have written, as logs.Pump.Read
	// does.
	ReadOutput(ctx context.Context, from []logs.Source, q logs.Query, emit func(logs.Record) error) error

	// Descriptors returns what a process is handed at its start beside its
	// standard streams, as things are now.
	Descriptors(p *spec.Process) []tree.Descriptor

	// Execute runs a command beside a process, as it is run. The descriptors
	// become the command's 0, 1 and 2, and are closed; where terminal is set, the
	// first is one. Signals go to its process group. It is ended with ctx, and
	// nothing is left of it when Execute returns. The error may have a method
	// ExitCode: what a shell would exit with where the command cannot be run.
	Execute(ctx context.Context, n *tree.Node, argv []string, files []int, terminal bool, signals <-chan int) (tree.Exit, error)

	// Crashes returns what is recorded of the last crashes of a process, oldest
	// first. It may wait for a disk.
	Crashes(name string) ([]tree.Crash, error)

	// Usage hands to each what every running process uses with all its
	// descendants, where that is known, maybe as it was a second ago. It may take
	// a while on a machine with many processes. cpu is the time of those that
	// live and of those that they have waited for.
	Usage(each func(id tree.NodeID, run uint64, cpu time.Duration, cpuPercent float64, memoryBytes int64))

	// Output returns what has been carried of the output of a process.
	Output(n *tree.Node) logs.Stats

	// WriteMeasured writes how long the loop and the probes have taken, as
	// samples in the text format of Prometheus, each family in one piece.
	WriteMeasured(w io.Writer)

	// Strangers returns how many orphans were reaped that no process of ours had
	// left.
	Strangers() uint64

	// Alive returns once the loop has gone round. The error is that of ctx, or
	// says that the daemon ends.
	Alive(ctx context.Context) error

	// Now reads the clock that times in snapshots are measured on.
	Now() tree.Time

	// Wall returns the wall time of a point on that clock.
	Wall(t tree.Time) time.Time

	// Name returns the name of this supervisor, as configured.
	Name() string

	// Started returns when the daemon began.
	Started() tree.Time
}
