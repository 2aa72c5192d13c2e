package config

import (
	"bytes"
	"path/filepath"
)

// Socket returns supervisor.socket of the file at path, as Load would. It
// parses only that part of the file: whoever wants to talk to a daemon should
// not wait for a thousand processes to be read, nor be kept from it by a
// mistake in one of them.
func Socket(path string, opt Options) (string, Problems) {
	r := newReader(opt)
	src := r.source(path, absolute(workingDir(), path))
	data, ok := r.read(place{src: src}, filepath.Join(src.dir, filepath.Base(path)), "")
	if !ok {
		return "", r.problems()
	}
	var f file
	if part := supervisorPart(data); len(part) > 0 {
		if top, ok := r.document(src, part); ok {
			r.tables.file.read(r, top, &f, nil)
		}
	}
	if s := r.supervisor(f.supervisor, src); !r.failed() {
		return s.Socket, nil
	}
	// What was cut out may lean on the rest, by an alias for one.
	t, problems := Load(path, opt)
	if t == nil {
		return "", problems
	}
	return t.Supervisor.Socket, problems
}

// supervisorPart returns the lines of the top-level key `supervisor`, or all
// of the file if it is not written as a key on a line of its own.
func supervisorPart(data []byte) []byte {
	var part []byte
	inside := false
	for line := range bytes.Lines(data) {
		switch {
		case bytes.HasPrefix(line, []byte("supervisor:")):
			inside = true
		case bytes.IndexByte([]byte(" \t\r\n#"), line[0]) >= 0:
			// Indented, blank or a comment: it goes with what stands above.
		case bytes.HasPrefix(line, []byte(`"supervisor"`)), bytes.IndexByte([]byte("{?'<&!%"), line[0]) >= 0:
			return data
		default:
			inside = false
		}
		if inside {
			part = append(part, line...)
		}
	}
	return part
}
