package control

import (
	"fmt"
	"net/http"
	"time"

	"gosup/tree"
)

// Event is a line of the history. Names and meanings of its JSON keys are
// fixed.
type Event struct {
	Seq     uint64    `json:"seq"` // counts from 1
	Time    time.Time `json:"time"`
	Type    string    `json:"type"`    // state, health, breaker, group, request, reload, log, daemon
	Process string    `json:"process"` // full name of a process or group; "" for the daemon
	From    string    `json:"from"`    // the state left, where one was
	To      string    `json:"to"`      // the state entered
	Cause   string    `json:"cause"`   // why, in words
	PID     int       `json:"pid"`     // 0 if none
	Exit    *Exit     `json:"exit"`
	By      string    `json:"by"`     // who asked for it; "" for nobody
	Detail  string    `json:"detail"` // further words
}

func (c clock) event(n *tree.Noted) Event {
	return Event{
		Seq:     n.Seq,
		Time:    stamp(n.Wall),
		Type:    n.Type.String(),
		Process: n.Process,
		From:    n.From,
		To:      n.To,
		Cause:   n.Cause.String(),
		PID:     n.PID,
		Exit:    c.exit(n.Exit),
		By:      n.By,
		Detail:  n.Detail,
	}
}

// events answers with the history as JSON lines. The query: since, a number
// (the notes after that one) or a duration (as far back); name, repeated, for
// these processes and groups only; n for the last n of them; follow=true to
// go on with what happens.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	q, err := s.parseEventQuery(r.URL.Query())
	if err != nil {
		return err
	}
	ctx, cancel, err := s.stay(w, r, maxFollow)
	if err != nil {
		return err
	}
	defer cancel()
	out := s.newStream(w, jsonLines)
	notes, gap := s.sup.Events(q.since)
	if gap && q.since > 0 {
		out.send(s.gapEvent(q.since, notes))
	}
	last := q.since
	if len(notes) > 0 {
		last = notes[len(notes)-1].Seq
	}
	if err := s.sendEvents(out, q.first(notes)); err != nil || !q.follow {
		return nil // an error of the connection: nobody is left to be told
	}
	for s.sup.EventsChanged(ctx, last) == nil {
		notes, gap := s.sup.Events(last)
		if gap {
			out.send(s.gapEvent(last, notes))
		}
		if len(notes) > 0 {
			last = notes[len(notes)-1].Seq
		}
		if s.sendEvents(out, q.matching(notes)) != nil {
			return nil
		}
	}
	return nil
}

func (s *Server) sendEvents(out *stream, notes []tree.Noted) error {
	c := s.clock()
	for i := range notes {
		if err := out.send(c.event(&notes[i])); err != nil {
			return err
		}
	}
	return out.flush()
}

// gapEvent says that notes after since are no longer kept.
func (s *Server) gapEvent(since uint64, notes []tree.Noted) Event {
	e := Event{Time: stamp(s.sup.Wall(s.sup.Now())), Type: tree.NoteDaemon.String(), Detail: "gap"}
	if len(notes) > 0 {
		e.Seq = notes[0].Seq - 1
		e.Cause = fmt.Sprintf("%d older events are no longer kept", e.Seq-since)
	}
	return e
}
