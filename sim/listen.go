package sim

import (
	"gosup/tree"
)

// listen opens the sockets of a process that starts when somebody connects.
func (w *World) listen(e tree.Listen) {
	r := w.run(e.Node)
	if r.stage != none || len(e.Process.Sockets) == 0 {
		w.fault("%s waits for a connection at stage %d, with %d sockets", e.Process.Name, r.stage, len(e.Process.Sockets))
	}
	r.call, r.proc = e.Call, e.Process
	life := w.life(e.Process, r.number+1)
	w.Post(w.now.Add(life.Spawn), tree.Listened{Node: e.Node, Call: e.Call, Why: life.Taken})
}

// listened lets somebody connect to sockets that have just been opened.
func (w *World) listened(e tree.Listened) {
	r := w.run(e.Node)
	if e.Why != "" || r.call != e.Call || w.Mute {
		return
	}
	if life := w.life(r.proc, r.number+1); life.Knock != Forever {
		w.Post(w.now.Add(life.Knock), tree.Knocked{Node: e.Node, Call: e.Call})
	}
}

// Knock lets somebody connect to a process that waits for that.
func (w *World) Knock(id tree.NodeID) {
	w.Post(w.now, tree.Knocked{Node: id, Call: w.run(id).call})
}
