package journal

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"gosup/tree"
)

// A history is a file of notes, one JSON object a line, the oldest first. What
// led to a note is kept in words: who reads it later may be a later gosup.

// noteLine is one note as a line.
type noteLine struct {
	Seq     uint64     `json:"seq"`
	Wall    time.Time  `json:"time"`
	Type    string     `json:"type"`
	Process string     `json:"process,omitempty"`
	From    string     `json:"from,omitempty"`
	To      string     `json:"to,omitempty"`
	Cause   string     `json:"cause,omitempty"`
	PID     int        `json:"pid,omitempty"`
	Exit    *tree.Exit `json:"exit,omitempty"`
	By      string     `json:"by,omitempty"`
	Detail  string     `json:"detail,omitempty"`
}

// AppendNote appends a note as a line.
func AppendNote(dst []byte, n *tree.Noted) ([]byte, error) {
	line, err := json.Marshal(noteLine{n.Seq, n.Wall, n.Type.String(), n.Process, n.From, n.To, n.Cause.String(), n.PID, n.Exit, n.By, n.Detail})
	if err != nil {
		return dst, fmt.Errorf("encode event %d: %w", n.Seq, err)
	}
	return append(append(dst, line...), '\n'), nil
}

// ReadHistory returns the last notes of r, at most so many, and whether there
// were lines that could not be read: a daemon that is killed while it writes
// leaves half a line. at places a moment of the wall clock on the tree's.
func ReadHistory(r io.Reader, most int, at func(time.Time) tree.Time) (notes []tree.Noted, damaged bool) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l noteLine
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.Seq == 0 {
			damaged = true
			continue
		}
		n, ok := l.note(at)
		if !ok || len(notes) > 0 && n.Seq <= notes[len(notes)-1].Seq {
			damaged = true
			continue
		}
		notes = append(notes, n)
		if len(notes) >= 2*most {
			notes = slices.Clone(notes[len(notes)-most:])
		}
	}
	if len(notes) > most {
		notes = notes[len(notes)-most:]
	}
	return notes, damaged || lines.Err() != nil
}

func (l *noteLine) note(at func(time.Time) tree.Time) (tree.Noted, bool) {
	kind, ok := tree.ParseNoteType(l.Type)
	n := tree.Noted{Wall: l.Wall, Note: tree.Note{Seq: l.Seq, At: at(l.Wall), Type: kind, Process: l.Process,
		From: l.From, To: l.To, PID: l.PID, Exit: l.Exit, By: l.By, Detail: l.Detail}}
	if n.Exit != nil {
		n.Exit.At = n.At // the clock that it was read from may be that of another boot
	}
	if l.Cause != "" {
		n.Cause = &tree.Cause{Kind: tree.CauseProbe, Text: l.Cause}
	}
	return n, ok
}
