package procman

import "time"

// lull is how long the hand keeps still for a run that takes the place of one
// that has ended: about as long as it takes a program from its exec to its main.
// For what the hand does meanwhile, and has others do, the new run would pay
// where there are two processors. So it tells of the start later, and does not
// have the waiter wait again, after which Go's scheduler would look every 20 µs
// whether that is still in the kernel.
//
// It is for an end that comes alone. Whoever asks for something ends it; only
// another end is seen so much later.
const lull = 2 * time.Millisecond

// calm is how long nothing has ended before an end that comes alone.
const calm = 10 * time.Millisecond

// stillness is the hand keeping still. It has the one timer of the hand.
type stillness struct {
	timer *time.Timer
	kept  bool
	begun *child // not told of yet
}

func (s *stillness) open() {
	s.timer = time.NewTimer(lull)
	s.timer.Stop()
}

// over is received from when it has been kept for long enough.
func (s *stillness) over() <-chan time.Time { return s.timer.C }

// isAlone reports whether a child that ends now ends alone.
func (h *hand) isAlone() bool {
	return h.now().Sub(h.reaped) > calm && h.flying == 0 && len(h.queue) == 0
}

// keepStill begins it, or lets it last from now.
func (h *hand) keepStill() {
	h.still.kept = true
	h.still.timer.Reset(lull)
}

// disturbed reports whether another run is to start beside the one that it is
// kept for.
func (h *hand) disturbed() bool {
	return len(h.queue) > 1 || len(h.queue) > 0 && h.still.begun != nil
}

// stir ends it, with what was put off.
func (h *hand) stir() {
	s := &h.still
	if !s.kept {
		return
	}
	s.kept = false
	s.timer.Stop()
	if c := s.begun; c != nil {
		s.begun = nil
		h.tell(c)
	}
	h.waiter.next()
}
