package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"reflect"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// stateVersion is that of the saved state. A reader refuses any other: whoever
// changes what a key or a number means raises it.
const stateVersion = 2

// State is what one daemon leaves to the next.
type State struct {
	Supervisor string                `json:"supervisor"` // the ID in GOSUP_RUN
	Boot       string                `json:"boot"`       // which boot of the machine the times are of
	Orderly    bool                  `json:"orderly,omitempty"`
	Wall       time.Time             `json:"wall"` // when it was saved
	Scaled     map[string]Scale      `json:"scaled,omitempty"`
	Processes  map[string]Definition `json:"-"` // by full name; a line of its own
	Image      *tree.Image           `json:"image"`
}

// Scale is how many instances of a process a person wants, for as long as the
// file has as many as it had then.
type Scale struct {
	Wanted int `json:"wanted"`
	InFile int `json:"in_file"`
}

// Definition is what is kept of the definition of a process: enough to stop it
// and to keep its output when it is not defined any more, and a sum that tells
// whether a run can go on. It holds no secret.
type Definition struct {
	Sum  string    `json:"sum"`
	Stop spec.Stop `json:"stop"`
	Logs spec.Logs `json:"logs"`
	UID  int       `json:"uid"`
	GID  int       `json:"gid"`
}

// DefinitionOf returns what is kept of a definition by a supervisor.
func DefinitionOf(p *spec.Process, supervisor string) Definition {
	d := Definition{Sum: sumOf(p, supervisor), Stop: p.Stop, Logs: p.Logs, UID: -1, GID: -1}
	if u := p.Rights.User; u != nil {
		d.UID, d.GID = int(u.UID), int(u.GID)
	}
	return d
}

// Process returns a definition that is enough to stop a process of that name.
func (d *Definition) Process(name string) *spec.Process {
	p := &spec.Process{Name: name, Stop: d.Stop, Logs: d.Logs}
	if len(p.Stop.Steps) == 0 {
		p.Stop.Steps = []spec.StopStep{{Signal: sigterm, Wait: 10 * time.Second}}
	}
	if d.UID >= 0 {
		p.Rights.User = &spec.User{UID: uint32(d.UID), GID: uint32(d.GID)}
	}
	return p
}

const sigterm = 15

// Saver encodes states: a line for what all have in common, one for the
// definitions, one for each node. Those that are as they were are not encoded
// again; whoever changes a definition makes another map. The zero value is ready.
type Saver struct {
	defined     map[string]Definition // of which definitions is the line
	definitions []byte
	lines       map[*tree.NodeImage][]byte
	seed        maphash.Seed
	last        uint64 // the sum of what was encoded last, but for what moves by itself
}

// Seal puts a line before a body that tells what it is, and that it is whole.
func Seal(format string, version int, body []byte) []byte {
	header, err := json.Marshal(seal{format, version, len(body), checksum(body)})
	if err != nil {
		panic(err) // a string and numbers
	}
	return append(append(header, '\n'), body...)
}

// Unseal returns the body that Seal was given for the same format and version.
// The error says what is wrong.
func Unseal(format string, version int, data []byte) ([]byte, error) {
	first, body, found := bytes.Cut(data, []byte{'\n'})
	var h seal
	if err := json.Unmarshal(first, &h); err != nil || !found || h.Format != format {
		return nil, fmt.Errorf("it is no %s", format)
	}
	if h.Version != version {
		return nil, fmt.Errorf("it has version %d, and this gosup reads version %d", h.Version, version)
	}
	if len(body) != h.Bytes || checksum(body) != h.Sum {
		return nil, fmt.Errorf("it is damaged: %d bytes with sum %s, instead of %d with %s", len(body), checksum(body), h.Bytes, h.Sum)
	}
	return body, nil
}

// seal is the first line of what is sealed.
type seal struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Bytes   int    `json:"bytes"` // of what follows
	Sum     string `json:"crc32c"`
}

const stateFormat = "gosup state"

// Encode returns the bytes of a state, or nil if they would tell nothing new.
func (s *Saver) Encode(state *State) ([]byte, error) {
	head, err := json.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	resting := *state
	image := *state.Image
	image.At, image.Seq = 0, 0
	resting.Image, resting.Wall = &image, time.Time{}
	rest, err := json.Marshal(resting)
	if err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	if s.lines == nil {
		s.seed = maphash.MakeSeed()
	}
	if err := s.define(state.Processes); err != nil {
		return nil, err
	}
	var still maphash.Hash
	still.SetSeed(s.seed)
	still.Write(rest)
	still.Write(s.definitions)
	size := len(head) + 1 + len(s.definitions)
	lines := make(map[*tree.NodeImage][]byte, len(state.Image.Nodes))
	for _, n := range state.Image.Nodes {
		line := s.lines[n]
		if line == nil {
			if line, err = json.Marshal(n); err != nil {
				return nil, fmt.Errorf("encode state of %s: %w", n.Name, err)
			}
			line = append(line, '\n')
		}
		lines[n] = line
		size += len(line)
		still.Write(line)
	}
	begun := s.lines != nil
	s.lines = lines
	if begun && still.Sum64() == s.last {
		return nil, nil
	}
	s.last = still.Sum64()
	body := append(append(make([]byte, 0, size), head...), '\n')
	body = append(body, s.definitions...)
	for _, n := range state.Image.Nodes {
		body = append(body, lines[n]...)
	}
	return Seal(stateFormat, stateVersion, body), nil
}

// Forget drops what was encoded, which only makes the next Encode faster.
func (s *Saver) Forget() {
	if s.lines != nil {
		s.lines = map[*tree.NodeImage][]byte{}
	}
	s.defined, s.definitions = nil, nil
}

// define encodes definitions that are not those of the last time.
func (s *Saver) define(processes map[string]Definition) error {
	same := reflect.ValueOf(processes).UnsafePointer() == reflect.ValueOf(s.defined).UnsafePointer()
	if same && s.definitions != nil {
		return nil
	}
	line, err := json.Marshal(processes)
	if err != nil {
		return fmt.Errorf("encode definitions: %w", err)
	}
	s.defined, s.definitions = processes, append(line, '\n')
	return nil
}

func checksum(b []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// Decode reads what Encode has made. The error says what is wrong with it.
func Decode(data []byte) (*State, error) {
	body, err := Unseal(stateFormat, stateVersion, data)
	if err != nil {
		return nil, err
	}
	head, rest, _ := bytes.Cut(body, []byte{'\n'})
	s := &State{}
	if err := json.Unmarshal(head, s); err != nil {
		return nil, fmt.Errorf("it makes no sense: %w", err)
	}
	if s.Image == nil {
		s.Image = &tree.Image{}
	}
	definitions, rest, _ := bytes.Cut(rest, []byte{'\n'})
	if err := json.Unmarshal(definitions, &s.Processes); err != nil {
		return nil, fmt.Errorf("it makes no sense: %w", err)
	}
	for line := range bytes.Lines(rest) {
		n := &tree.NodeImage{}
		if err := json.Unmarshal(line, n); err != nil {
			return nil, fmt.Errorf("it makes no sense: %w", err)
		}
		s.Image.Nodes = append(s.Image.Nodes, n)
	}
	return s, nil
}

// Past returns what a state means to a daemon with the definition s, on the boot
// of the machine that is given. shift leads from the clock of the state to
// today's.
func (s *State) Past(now *spec.Tree, boot string, shift time.Duration) tree.Past {
	past := tree.Past{Image: s.Image, Changed: map[string]bool{}}
	if s.Orderly || s.Boot != boot {
		if s.Boot == boot {
			shift = 0
		}
		past.Image = s.Image.Decisions(shift)
		return past
	}
	for _, p := range now.Processes() {
		d, ok := s.Processes[p.Name]
		if ok && d.Sum != "" && d.Sum != sumOf(p, s.Supervisor) {
			past.Changed[p.Name] = true
		}
	}
	return past
}
