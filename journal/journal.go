// Package journal writes what goes into a supervision tree as lines of JSON,
// and reads it back, so that what happened to a daemon can be played again as
// a test. It knows the events of package tree and nothing of where the lines
// are kept.
//
// The first line says with which seed and definition the tree began; each
// further line is one Step: its time and its events. Values of environment
// variables and of HTTP headers are secrets: of each only a number is written,
// the same for equal values, which is all that the tree can tell of them.
package journal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"gosup/spec"
	"gosup/tree"
)

// version is that of the format. A reader refuses any other.
const version = 1

// maxLine bounds the length of a line that a reader takes, in bytes.
const maxLine = 64 << 20

type header struct {
	Version int        `json:"version"`
	Seed    uint64     `json:"seed"`
	Tree    *spec.Tree `json:"tree"`
}

// step is a line of the journal but the first.
type step struct {
	At     tree.Time `json:"at"`
	Events []entry   `json:"events,omitempty"`
}

type entry struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// Writer writes a journal. It is not safe for concurrent use.
type Writer struct {
	w    io.Writer
	hide hider
}

// NewWriter begins a journal of the tree that tree.New returns for s and seed.
func NewWriter(w io.Writer, s *spec.Tree, seed uint64) (*Writer, error) {
	j := &Writer{w: w, hide: hider{}}
	return j, j.line(header{Version: version, Seed: seed, Tree: j.hide.tree(s)})
}

// Step writes one Step of the tree.
func (j *Writer) Step(at tree.Time, events []tree.Event) error {
	s := step{At: at}
	for _, e := range events {
		if r, ok := e.(tree.Reloaded); ok {
			r.Tree = j.hide.tree(r.Tree)
			e = r
		}
		data, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("journal %T: %w", e, err)
		}
		s.Events = append(s.Events, entry{Type: nameOf(e), Data: data})
	}
	return j.line(s)
}

func (j *Writer) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	_, err = j.w.Write(append(b, '\n'))
	return err
}

// Reader reads a journal.
type Reader struct {
	Seed uint64
	Tree *spec.Tree

	lines *bufio.Scanner
}

// NewReader reads the first line of a journal.
func NewReader(r io.Reader) (*Reader, error) {
	j := &Reader{lines: bufio.NewScanner(r)}
	j.lines.Buffer(nil, maxLine)
	var h header
	if err := j.line(&h); err != nil {
		return nil, err
	}
	if h.Version != version || h.Tree == nil {
		return nil, fmt.Errorf("journal of version %d, not %d", h.Version, version)
	}
	j.Seed, j.Tree = h.Seed, h.Tree
	return j, nil
}

// Next returns the next Step. The error is io.EOF after the last.
func (j *Reader) Next() (tree.Time, []tree.Event, error) {
	var s step
	if err := j.line(&s); err != nil {
		return 0, nil, err
	}
	events := make([]tree.Event, 0, len(s.Events))
	for _, e := range s.Events {
		event, err := eventOf(e)
		if err != nil {
			return 0, nil, err
		}
		events = append(events, event)
	}
	return s.At, events, nil
}

func (j *Reader) line(v any) error {
	if !j.lines.Scan() {
		if err := j.lines.Err(); err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		return io.EOF
	}
	if err := json.Unmarshal(j.lines.Bytes(), v); err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	return nil
}

// Events are events as JSON has them, for who passes them on within the life of
// a definition.
type Events []tree.Event

// MarshalJSON is json.Marshaler's.
func (l Events) MarshalJSON() ([]byte, error) {
	all := make([]entry, 0, len(l))
	for _, e := range l {
		data, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("encode %T: %w", e, err)
		}
		all = append(all, entry{Type: nameOf(e), Data: data})
	}
	return json.Marshal(all)
}

// UnmarshalJSON is json.Unmarshaler's.
func (l *Events) UnmarshalJSON(data []byte) error {
	var all []entry
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	for _, e := range all {
		event, err := eventOf(e)
		if err != nil {
			return err
		}
		*l = append(*l, event)
	}
	return nil
}

// errUnknown is for an event that this version does not know.
var errUnknown = errors.New("unknown event")

func nameOf(e tree.Event) string {
	switch e.(type) {
	case tree.Started:
		return "started"
	case tree.StartFailed:
		return "start_failed"
	case tree.Exited:
		return "exited"
	case tree.Gone:
		return "gone"
	case tree.Asked:
		return "asked"
	case tree.Probed:
		return "probed"
	case tree.Notified:
		return "notified"
	case tree.Listened:
		return "listened"
	case tree.Knocked:
		return "knocked"
	case tree.Guarded:
		return "guarded"
	case tree.HookDone:
		return "hook_done"
	case tree.Shutdown:
		return "shutdown"
	case tree.Reloaded:
		return "reloaded"
	case tree.Adopted:
		return "adopted"
	case tree.Reborn:
		return "reborn"
	case tree.Moved:
		return "moved"
	}
	// A test runs all events through here.
	panic(fmt.Sprintf("journal: %T has no name", e))
}

func eventOf(e entry) (tree.Event, error) {
	switch e.Type {
	case "started":
		return decode[tree.Started](e)
	case "start_failed":
		return decode[tree.StartFailed](e)
	case "exited":
		return decode[tree.Exited](e)
	case "gone":
		return decode[tree.Gone](e)
	case "asked":
		return decode[tree.Asked](e)
	case "probed":
		return decode[tree.Probed](e)
	case "notified":
		return decode[tree.Notified](e)
	case "listened":
		return decode[tree.Listened](e)
	case "knocked":
		return decode[tree.Knocked](e)
	case "guarded":
		return decode[tree.Guarded](e)
	case "hook_done":
		return decode[tree.HookDone](e)
	case "shutdown":
		return decode[tree.Shutdown](e)
	case "reloaded":
		return decode[tree.Reloaded](e)
	case "adopted":
		return decode[tree.Adopted](e)
	case "reborn":
		return decode[tree.Reborn](e)
	case "moved":
		return decode[tree.Moved](e)
	}
	return nil, fmt.Errorf("read journal: %w %q", errUnknown, e.Type)
}

func decode[E tree.Event](e entry) (tree.Event, error) {
	var v E
	if err := json.Unmarshal(e.Data, &v); err != nil {
		return nil, fmt.Errorf("read journal: %s: %w", e.Type, err)
	}
	return v, nil
}
