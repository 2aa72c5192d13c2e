package procman

import (
	"runtime"
	"runtime/debug"
	"time"
)

// trimAfter is how long it has to be quiet before memory is given back: longer
// than the saver pauses, whose garbage is the last of a burst.
const trimAfter = 1500 * time.Millisecond

// trimSteps is how many steps of the loop make it worth while.
const trimSteps = 256

// trimmer gives memory back that only a burst of work has needed, above all
// the start: garbage, and the pages of code that nothing will run again. The
// first time is after the start, then after every burst.
type trimmer struct {
	timer *time.Timer
	steps int
}

// newTrimmer returns one that calls quiet, which is to trim.
func newTrimmer(quiet func()) *trimmer {
	return &trimmer{timer: time.AfterFunc(trimAfter, quiet)}
}

// stepped counts a step of the loop.
func (t *trimmer) stepped() {
	t.steps++
	if t.steps >= trimSteps {
		t.steps = 0
		t.timer.Reset(trimAfter)
	}
}

// trim takes some milliseconds.
func trim() {
	runtime.GC() // what lies in pools outlives one collection
	debug.FreeOSMemory()
	dropCode()
}
