package spec

import "time"

// Moment is when a hook runs.
type Moment uint8

// The moments of a run.
const (
	PreStart  Moment = iota // before the command
	PostStart               // once it is ready
	PreStop                 // before the signal of a stop that gosup ordered
	PostStop                // after every end, and after a start that failed
	OnReload                // when a person asks the process to reload itself
)

var momentNames = [...]string{"pre_start", "post_start", "pre_stop", "post_stop", "reload"}

// String returns the name that configuration files and $GOSUP_HOOK use.
func (m Moment) String() string { return momentNames[m] }

// Hook is what runs at one moment of a run, as the process's user, in its
// directory and environment.
type Hook struct {
	Commands [][]string    // in this order, each only after success of the one before
	Timeout  time.Duration // of all together; what runs then is killed
	MayFail  bool          // on_failure: ignore. Otherwise a start fails with it
}

// Hooks are the hooks of a process, by their moment; nil for none.
type Hooks [5]*Hook
