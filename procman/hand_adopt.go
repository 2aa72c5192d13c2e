package procman

import (
	"gosup/spec"
	"gosup/tree"
)

// adoption is a run that the daemon before this one has started and that is
// still there, wholly or in part. The hand does not answer it: that it is there
// its giver knows. From then on it is a run like any other: exactly one Exited
// comes, and a Gone after one with Left.
type adoption struct {
	runKey
	tag     string
	pid     int // of the first process; 0 if that is over
	start   uint64
	others  []relative // who else is known to be of it
	reach   spec.Kill
	started tree.Time
	over    bool // its Exited has been told: only a Gone is to come
}
