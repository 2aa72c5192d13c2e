package procman

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"gosup/journal"
	"gosup/spec"
	"gosup/tree"
)

// Past is what the daemon before this one has left on disk. The zero value is
// nothing.
type Past struct {
	state   *journal.State // nil for none
	records []runRecord
	left    bool // there were records of runs: that daemon did not end in order
	boot    string
	handoff *Handoff // of a daemon that has executed this program; nil for none
	began   string   // how this daemon began, then
}

// maxStateBytes bounds what is read of a saved state: a thousand processes
// need less than one MiB.
const maxStateBytes = 256 << 20

func stateFile(dir string) string { return filepath.Join(dir, "gosup.state") }

// OpenPast reads what the daemon before this one has left in the state folder
// and the runtime folder. It is to be called by who has claimed that one. What
// cannot be used is set aside and told of, and never a reason not to start.
func OpenPast(set spec.Supervisor, log *slog.Logger) *Past {
	p := &Past{boot: bootID()}
	p.records, p.left = readRecords(set.RuntimeDir)
	if set.StateDir == "" {
		return p
	}
	file := stateFile(set.StateDir)
	data, err := readOwn(file, maxStateBytes)
	if err == nil {
		p.state, err = journal.Decode(data)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("saved state set aside: gosup begins without it", slog.Any("err", err), slog.String("to", setAside(file)))
	}
	return p
}

// setAside renames a file that cannot be used, and returns its new name. There
// is one of each: the last.
func setAside(file string) string {
	to := file + ".unusable"
	if err := os.Rename(file, to); err != nil {
		return "nowhere: " + err.Error()
	}
	return to
}

// disown forgets the state of another supervisor, which has the same state
// folder, and reports whether it was one.
func (p *Past) disown(id string) bool {
	if p.handoff != nil || p.state == nil || p.state.Supervisor == id {
		return false
	}
	p.state = nil
	return true
}

// Scaled returns how many instances of processes people want.
func (p *Past) Scaled() map[string]journal.Scale {
	if p.state == nil {
		return nil
	}
	return p.state.Scaled
}

// supervisor returns the ID that the last daemon had; "" for none.
func (p *Past) supervisor() string {
	if p.state == nil {
		return ""
	}
	return p.state.Supervisor
}

// alive reports whether the daemon before this one has ended without stopping
// its processes, on this boot of the machine.
func (p *Past) alive() bool {
	return p.left || p.handoff != nil || p.state != nil && !p.state.Orderly && p.state.Boot == p.boot
}

// image returns what the tree is to know. shift leads from the clock of the
// state to today's.
func (p *Past) image(t *spec.Tree, c clock) tree.Past {
	if p.state == nil {
		return tree.Past{}
	}
	saved := p.state.Image.At
	shift := c.at(p.state.Wall).Sub(saved)
	past := p.state.Past(t, p.boot, shift)
	if p.handoff != nil {
		past.Changed = nil // its definition was that of the file, and another gosup may sum it otherwise
	}
	return past
}

// definition returns how to stop a process that is no longer defined.
func (p *Past) definition(name string) *spec.Process {
	var d journal.Definition
	d.UID = -1
	d.Logs.Output = spec.OutputNone
	if p.state != nil {
		if kept, ok := p.state.Processes[name]; ok {
			d = kept
		}
	}
	return d.Process(name)
}
