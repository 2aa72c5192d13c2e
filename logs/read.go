package logs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"gosup/spec"
)

// Source is a process whose output is to be read back, and where it goes.
type Source struct {
	Name string
	Logs spec.Logs
}

// ErrSlow ends the following of a reader that was too slow: what it should
// have read next was already removed. A record of stream "gosup" says so.
var ErrSlow = errors.New("the reader is too slow, output was rotated away before it was read")

// ErrNotKept says that a process's output goes nowhere it could be read from.
var ErrNotKept = errors.New("its output is not kept")

// Read hands to emit what the processes have written: across rotated and
// compressed files, in the order of time; then, if asked, what they write from
// then on, until ctx ends. An error of emit ends it. Nothing that emit does or
// waits for holds up a process.
//
// A process whose output goes to the console alone has its last 8 KiB kept,
// without times.
func (p *Pump) Read(ctx context.Context, from []Source, q Query, emit func(Record) error) error {
	r := &reading{p: p, q: q, wake: make(chan struct{}, 1)}
	defer r.close()
	if q.Follow && !q.Until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, q.Until)
		defer cancel()
	}
	var seqs []iter.Seq2[Record, error]
	for _, src := range from {
		seq, err := r.process(src)
		if err != nil {
			return fmt.Errorf("read output of %s: %w", src.Name, err)
		}
		seqs = append(seqs, seq)
	}
	for rec, err := range merge(seqs) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = emit(rec)
		}
		if err != nil {
			return err
		}
	}
	if !q.Follow {
		return nil
	}
	return r.follow(ctx, emit)
}

// reading is one call of Read.
type reading struct {
	p      *Pump
	q      Query
	wake   chan struct{} // something was written
	shelfs []*shelf
	tracks []track
}

// track is something that is being followed.
type track interface {
	// read emits what is new.
	read(emit func(Record) error) error
	close()
}

// process prepares to read one process and returns its history.
func (r *reading) process(src Source) (iter.Seq2[Record, error], error) {
	switch src.Logs.Output {
	case spec.OutputFile, spec.OutputBoth:
	case spec.OutputConsole:
		return r.console(src)
	default:
		return nil, fmt.Errorf("%w (logs.output: %v)", ErrNotKept, src.Logs.Output)
	}
	type one struct{ path, stream string }
	files := []one{{src.Logs.File, ""}}
	if separate(src.Logs) {
		files = []one{{src.Logs.File, "stdout"}, {src.Logs.StderrFile, "stderr"}}
	}
	var seqs []iter.Seq2[Record, error]
	found := 0
	for _, file := range files {
		h, err := r.file(src, file.path, file.stream)
		if err != nil {
			return nil, err
		}
		found += h.found
		seqs = append(seqs, h.records())
	}
	skip := 0
	if r.q.Lines >= 0 {
		skip = found - r.q.Lines
	}
	return skipping(merge(seqs), skip), nil
}

// file prepares to read one log.
func (r *reading) file(src Source, path, stream string) (*history, error) {
	d := decoder{process: src.Name, stream: stream, format: src.Logs.Format}
	var f *follower
	if r.q.Follow {
		f = &follower{wake: r.wake}
	}
	s, err := r.p.shelf(path, src.Logs.MaxFiles, f)
	if s != nil {
		r.shelfs = append(r.shelfs, s)
		if f != nil && s.file != nil {
			r.tracks = append(r.tracks, newFileTrack(s, f, d, r.q))
		}
	}
	if err != nil {
		return nil, err
	}
	h := &history{shelf: s, decoder: d, q: r.q}
	return h, h.seek()
}

// console prepares to read what is kept of a process that writes to the
// console alone.
func (r *reading) console(src Source) (iter.Seq2[Record, error], error) {
	sink := r.p.Sink(src.Name)
	if sink == nil {
		return func(func(Record, error) bool) {}, nil
	}
	f := &follower{wake: r.wake}
	if !r.q.Follow {
		return tailRecords(sink.tail.bytes(), src.Name, r.q), nil
	}
	data, pos := sink.tail.follow(f)
	r.tracks = append(r.tracks, newTailTrack(sink, f, pos, src.Name, r.q))
	return tailRecords(data, src.Name, r.q), nil
}

// follow emits what is written from now on.
func (r *reading) follow(ctx context.Context, emit func(Record) error) error {
	for {
		for _, t := range r.tracks {
			if err := t.read(emit); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return ended(err)
			}
		}
		if r.q.Idle != nil {
			if err := r.q.Idle(); err != nil {
				return err
			}
		}
		select {
		case <-r.wake:
		case <-r.p.done:
			return nil
		case <-ctx.Done():
			return ended(ctx.Err())
		}
	}
}

// ended is how following ends with its context: at Until, as it should.
func ended(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

func (r *reading) close() {
	for _, t := range r.tracks {
		t.close()
	}
	for _, s := range r.shelfs {
		s.close()
	}
}

// isGone reports whether an error says that there is no such file.
func isGone(err error) bool { return errors.Is(err, os.ErrNotExist) }
