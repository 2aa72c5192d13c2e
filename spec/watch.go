package spec

import "time"

// Watch is which files make a process act when they change.
type Watch struct {
	Paths    []string      // absolute: files, folders with all in them, globs in which ** is any number of folders
	Ignore   []string      // absolute globs; what they match does not count, nor what lies in it
	Debounce time.Duration // how long there must be no further change
	Action   WatchAction
}

// WatchAction is what a process does when a file has changed.
type WatchAction uint8

// The actions.
const (
	WatchRestart WatchAction = iota
	WatchReload              // as `ctl reload NAME`
)

var watchActionNames = []string{"restart", "reload"}

// String returns the name that configuration files use.
func (a WatchAction) String() string { return watchActionNames[a] }
