package procman

import (
	"log/slog"
	"regexp"

	"gosup/tree"
)

// swept is the job that follows the last resumption: FIFOs that are nobody's go.
type swept struct{}

// note records that a run has begun, for the next daemon.
func (o *outfitter) note(e tree.Started) {
	out := o.sinks[e.Node]
	if out == nil || out.last.Run != e.Run {
		return
	}
	o.records.add(runRecord{Name: out.name, Node: e.Node, Run: e.Run, PID: e.PID, Start: startOf(e.PID), Boot: o.m.opt.Past.boot, StartedAt: o.m.Now()})
}

// resume gives a run of the daemon before this one what a run has beside its
// process: its output is read on, and what it says is heard.
func (o *outfitter) resume(r resumption) {
	e, p := r.start, r.start.Process
	log := o.m.log.With(slog.String("process", p.Name))
	out, err := o.outlet(e.Node, p)
	if err != nil {
		log.Warn("output of an adopted process is not read", slog.Any("err", err))
		return
	}
	out.sink.Mark(e.Run)
	out.last, out.over = e, make(chan struct{})
	if r.found == nil {
		return // it is over, and its output is about to be drained
	}
	if r.pid == 0 {
		return
	}
	o.descriptors.recover(p, r.pid)
	if talks(p) {
		if _, err := o.listenTo(e); err != nil {
			log.Warn("an adopted process is not heard", slog.Any("err", err))
		} else {
			o.notes[e.Node].pid.Store(int64(r.pid))
		}
	}
	if p.Readiness != nil && p.Readiness.Log != "" && !r.ready {
		if pattern, err := regexp.Compile(p.Readiness.Log); err == nil { // it was when it was checked
			out.sink.Expect(pattern, func() { o.m.Tell(tree.Notified{Node: e.Node, Run: e.Run, Ready: true}) })
		}
	}
}
