package procman

import (
	"errors"
	"fmt"
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

// rebirth is what a new daemon does about the runs of the one before it.
type rebirth struct {
	tree    *tree.Tree
	events  []tree.Event    // for the first Step
	resumed []resumption    // output and ears for runs
	ended   []tree.Event    // of runs that are over, told once their output is drained
	adopt   []adoption      // for the hand
	strays  []relative      // to be killed
	hooks   []tree.NodeID   // whose hooks still run
	told    map[runKey]bool // ends that the last daemon has seen and not acted on
}

// resumption gives a run of the daemon before this one what a run has beside
// its process.
type resumption struct {
	start tree.Start
	pid   int
	ready bool
	found *found // nil for a run that is over
}

// reborn brings together what the last daemon knew and what lives.
func (p *Past) reborn(s *spec.Tree, seed uint64, c clock, id string, lives []*found, seq uint64) *rebirth {
	past := p.image(s, c)
	past.Seq = seq
	defined := map[string]bool{}
	for _, proc := range s.Processes() {
		defined[proc.Name] = true
	}
	newest := map[string]*found{}
	for _, f := range lives {
		if f.task != "" {
			continue
		}
		newest[f.name] = f // they are in the order of their runs
		if !defined[f.name] {
			defined[f.name] = true
			past.Orphaned = append(past.Orphaned, p.definition(f.name))
		}
	}
	r := &rebirth{tree: tree.Restore(s, seed, c.now(), past), told: map[runKey]bool{}}
	handed := p.handed(r)
	nodes := map[string]*tree.Node{}
	for _, n := range r.tree.View(nil) {
		if !n.IsGroup {
			nodes[n.Name] = n
		}
	}
	expected := map[tree.NodeID]tree.Expected{}
	for _, e := range r.tree.Expected() {
		expected[e.Node] = e
	}
	for _, f := range lives {
		n := nodes[f.name]
		if f.task != "" && n != nil && handed[runTag{name: f.name, run: f.run, task: f.task}] {
			continue
		}
		if f.task != "" || n == nil || newest[f.name] != f || f.run < n.Run || !r.take(f, n, expected, id, c, p.handoff != nil) {
			r.strays = append(r.strays, f.all()...)
		}
	}
	for _, e := range r.tree.Expected() {
		if _, missing := expected[e.Node]; missing {
			r.miss(e, c)
		}
	}
	if how := p.how(r); how != "" {
		r.events = append(r.events, tree.Reborn{How: how, Hooks: r.hooks})
	}
	if p.handoff != nil {
		r.events = append(r.events, p.handoff.Events...)
	}
	return r
}

// take has a run adopted, if there is anything to adopt.
func (r *rebirth) take(f *found, n *tree.Node, expected map[tree.NodeID]tree.Expected, id string, c clock, handed bool) bool {
	e, known := expected[n.ID]
	known = known && e.Run == f.run
	if f.pid == 0 && !known {
		return false
	}
	switch {
	case f.ended && !e.Leaving:
		r.end(e, f, c)
	case e.Leaving && f.pid == 0 && len(f.others) == 0:
		r.ended = append(r.ended, tree.Gone{Node: e.Node, Run: e.Run})
	}
	if f.startedAt == 0 {
		f.startedAt = c.now()
	}
	a := adoption{runKey: runKey{n.ID, f.run}, pid: f.pid, start: f.start, others: f.others,
		tag: runTag{supervisor: id, name: f.name, run: f.run}.String(), reach: n.Process.Stop.Kill,
		started: f.startedAt, over: known && (e.Leaving || f.ended || r.told[runKey{n.ID, f.run}])}
	if f.pid != 0 && !(handed && known) { // else the tree knows it as it is
		r.events = append(r.events, tree.Adopted{Node: n.ID, Run: f.run, PID: f.pid, StartedAt: f.startedAt})
	}
	a.over = a.over && f.pid == 0
	if f.pid != 0 || len(f.others) > 0 {
		r.adopt = append(r.adopt, a)
	}
	r.resumed = append(r.resumed, resumption{
		start: tree.Start{Node: n.ID, Run: f.run, Process: n.Process, Restarts: n.Restarts(c.now())},
		pid:   f.pid, ready: known && e.Ready, found: f})
	delete(expected, n.ID)
	return true
}

// miss tells of a run that has ended while no daemon was there.
func (r *rebirth) miss(e tree.Expected, c clock) {
	r.resumed = append(r.resumed, resumption{start: tree.Start{Node: e.Node, Run: e.Run, Process: e.Process}, ready: true})
	if r.told[runKey{e.Node, e.Run}] {
		return
	}
	if e.Leaving {
		r.ended = append(r.ended, tree.Gone{Node: e.Node, Run: e.Run})
		return
	}
	r.end(e, &found{}, c)
}

// end tells of the end of the first process of a run.
func (r *rebirth) end(e tree.Expected, f *found, c clock) {
	at := c.now()
	exit := tree.Exit{Code: -1, At: at, Ran: at.Sub(e.StartedAt), Cause: tree.Ended, Unseen: f.status == nil}
	if f.status != nil {
		readStatus(&exit, *f.status)
	}
	r.ended = append(r.ended, tree.Exited{Node: e.Node, Run: e.Run, Exit: exit, Left: len(f.others) > 0})
}

// records returns the records of the runs that are adopted.
func (r *rebirth) records(boot string) (list []runRecord) {
	for _, s := range r.resumed {
		if f := s.found; f != nil {
			list = append(list, runRecord{Name: f.name, Node: s.start.Node, Run: f.run, PID: f.pid, Start: f.start, Boot: boot, StartedAt: f.startedAt})
		}
	}
	return list
}

// all returns the processes of what was found.
func (f *found) all() []relative {
	all := f.others
	if f.pid != 0 {
		all = append(all[:len(all):len(all)], relative{pid: f.pid, start: f.start})
	}
	return all
}

// handed takes note of what a daemon that was replaced has handed on, and
// returns the tags of the hooks that go on.
func (p *Past) handed(r *rebirth) map[runTag]bool {
	tags := map[runTag]bool{}
	if p.handoff == nil {
		return tags
	}
	for _, e := range p.handoff.Events {
		switch e := e.(type) {
		case tree.Exited:
			r.told[runKey{e.Node, e.Run}] = true
		case tree.Gone:
			r.told[runKey{e.Node, e.Run}] = true
		}
	}
	names := map[tree.NodeID]string{}
	for _, n := range r.tree.View(nil) {
		names[n.ID] = n.Name
	}
	for _, h := range p.handoff.Hooks {
		r.hooks = append(r.hooks, h.Node)
		if h.Ended == nil {
			tags[runTag{name: names[h.Node], run: h.Run, task: h.Moment.String()}] = true
		}
	}
	return tags
}

// how says how the new daemon began, for the history.
func (p *Past) how(r *rebirth) string {
	switch {
	case p.began != "":
		return p.began
	case !p.alive():
		return "" // an ordinary start
	}
	return fmt.Sprintf("the gosup before this one died: %d runs adopted, %d had ended", len(r.adopt), len(r.ended))
}
