package logs

import "time"

// turnBytes is what one stream may pass on before others get their turn.
const turnBytes = 1 << 20

// hire starts a worker. It ends when there are enough others or when the
// poller is stopped.
func (p *Pump) hire() {
	p.working.Add(1)
	p.workers.Add(1)
	go func() {
		defer p.workers.Done()
		defer p.working.Add(-1)
		p.work()
	}()
}

// work serves one stream after the other. A stream's event is reported to one
// worker only, until that worker arms it again; so the kernel's list of ready
// streams is the queue, and who is armed again goes to its end.
func (p *Pump) work() {
	for {
		p.waiting.Add(1)
		fd, ok := p.poll.wait()
		left := p.waiting.Add(-1)
		if !ok {
			return
		}
		if left == 0 {
			p.replace()
		}
		p.serve(fd)
		if p.waiting.Load() >= 2 {
			return
		}
	}
}

// replace makes sure that somebody waits while the last worker that did has
// found work. Beyond minWorkers that is done only after a second: then a disk
// hangs, and one hanging disk must not hold up streams that go elsewhere.
func (p *Pump) replace() {
	if p.working.Load() < minWorkers {
		p.hire()
		return
	}
	p.relief.Reset(time.Second)
}

// relieve runs when all workers may have been busy for a second.
func (p *Pump) relieve() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && p.waiting.Load() == 0 && p.working.Load() < maxWorkers {
		p.hire()
		p.relief.Reset(time.Second)
	}
}

// serve passes on what one stream has, for one turn.
func (p *Pump) serve(fd int) {
	p.mu.Lock()
	s := p.streams[fd]
	p.mu.Unlock()
	if s == nil {
		return // closed meanwhile
	}
	k := p.kits.take()
	defer p.kits.put(k)
	// A worker that waits has time for all others: then this one stays with its
	// stream, which else would wander from thread to thread.
	for s.turn(k) {
		if p.waiting.Load() == 0 {
			s.mu.Lock()
			if !s.closed {
				s.arm()
			}
			s.mu.Unlock()
			return
		}
	}
}

// turn passes on what a stream has, for one turn. It returns true where there is
// more; else the stream is reported again when there is. Between two turns others
// get at the stream.
func (s *stream) turn(k *kit) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	for done := 0; done < turnBytes; {
		n, more := s.step(k)
		if n < 0 {
			return false // stalled: armed again when it is resumed
		}
		done += n
		if !more {
			s.arm()
			return false
		}
	}
	return true
}
