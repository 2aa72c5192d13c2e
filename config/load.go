package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"gopkg.in/yaml.v3"

	"gosup/spec"
)

// Options is what a load depends on beside the file. The zero value reads the
// process's environment, has no settings and trusts every file.
type Options struct {
	// Env looks up the variables of ${VAR}. nil: os.LookupEnv.
	Env func(name string) (string, bool)
	// Settings returns what the command line or the environment says of a key
	// of `supervisor:` (see SupervisorKeys), which wins over the file. The
	// origin, such as "--state-dir", is the File of a problem with it.
	// Relative paths are relative to the working directory. nil: nothing.
	Settings func(key string) (value, origin string, ok bool)
	// Reads hears of each file that the load asks for, there or not, and of each
	// glob: what a change of may change the result. The paths are absolute. It
	// is also called where the load fails. nil: nobody listens.
	Reads func(pathOrGlob string)
	// Instances says how many instances of a process there are to be, whose
	// file has so many. nil: as many as the file has.
	Instances func(name string, inFile int) int
	// OnlyRoot refuses files that others than root can write, or replace in
	// their folder. It is for a daemon that runs as root.
	OnlyRoot bool
}

// Load reads the configuration file at path and all that it includes. The
// tree is nil if a problem is more than a warning; warnings come with a tree.
func Load(path string, opt Options) (*spec.Tree, Problems) {
	r := newReader(opt)
	src := r.source(path, absolute(workingDir(), path))
	data, ok := r.read(place{src: src}, filepath.Join(src.dir, filepath.Base(path)), "")
	if !ok {
		return nil, r.problems()
	}
	return r.tree(src, data)
}

// Parse is Load for bytes that were read already, from a file of this name.
func Parse(name string, data []byte, opt Options) (*spec.Tree, Problems) {
	r := newReader(opt)
	return r.tree(r.source(name, absolute(workingDir(), name)), data)
}

// reader is one load.
type reader struct {
	opt      Options
	disk     disk
	tables   *tables
	found    []found
	said     map[Problem]bool
	errors   int // how many of found are no warnings
	warnings int // the others
	visited  map[place]bool
	sources  []*source
	open     []opened          // the files that include the current one, and it
	included map[string]place  // where each file was included, by its absolute path
	envFiles map[string]dotenv // by absolute path
	expanded int               // bytes that variables have come to
	instance string            // of the process that is being read; "" where none is
	varies   bool              // something has asked for it
	accounts *accounts         // of the machine; nil as long as nobody has asked
}

func newReader(opt Options) *reader {
	if opt.Env == nil {
		opt.Env = os.LookupEnv
	}
	return &reader{
		opt: opt, disk: opt.disk(), tables: newTables(),
		said: map[Problem]bool{}, visited: map[place]bool{},
		included: map[string]place{}, envFiles: map[string]dotenv{},
	}
}

// source adds the file of a name and an absolute path. The first one is the
// main file.
func (r *reader) source(name, path string) *source {
	s := &source{name: name, dir: filepath.Dir(path), order: len(r.sources), main: len(r.sources) == 0}
	r.sources = append(r.sources, s)
	if s.main {
		r.open = append(r.open, opened{path, name})
	}
	return s
}

// opened is a file that is being read.
type opened struct{ path, shown string }

// tree reads the main file and makes the tree of it.
func (r *reader) tree(src *source, data []byte) (*spec.Tree, Problems) {
	top, ok := r.document(src, data)
	if !ok {
		return nil, r.problems()
	}
	var f file
	r.tables.file.read(r, top, &f, nil)
	t := r.build(&f, src)
	if r.failed() {
		return nil, r.problems()
	}
	return t, r.problems()
}

const (
	maxFiles        = 1000
	maxIncludeDepth = 16
)

// include reads the files that a list of globs names.
func (r *reader) include(n node, to *file) {
	f := form{"a list of globs", "such as [conf.d/*.yaml]"}
	items, ok := r.items(n, f)
	if !ok {
		return
	}
	for _, item := range items {
		pattern, ok := r.str(item, form{"a path or glob", "such as conf.d/*.yaml"})
		if !ok {
			continue
		}
		paths, err := r.disk.glob(item.at.src.dir, pattern)
		if err != nil {
			r.problem(item.at, "cannot be searched: "+reason(err), "a glob is made of * ? [a-z] {a,b} and **")
			continue
		}
		for _, p := range paths {
			r.includeFile(item.at, p, to)
		}
	}
}

// includeFile reads one file, whose path is relative to the folder of the
// including one unless it is absolute.
func (r *reader) includeFile(at place, path string, to *file) {
	shown, abs := shownPath(at.src, path), absolute(at.src.dir, path)
	for i, o := range r.open {
		if o.path == abs {
			var circle strings.Builder
			for _, o := range r.open[i:] {
				circle.WriteString(o.shown + " -> ")
			}
			r.problem(at, "closes a circle of includes: "+circle.String()+o.shown, "remove one of them")
			return
		}
	}
	if first, ok := r.included[abs]; ok {
		r.problem(at, "includes "+shown+" a second time", fmt.Sprintf("first at %s:%d; remove one", first.src.name, first.line))
		return
	}
	if len(r.open) > maxIncludeDepth || len(r.sources) >= maxFiles {
		r.problem(at, "includes too much", fmt.Sprintf("at most %d files, nested at most %d deep", maxFiles, maxIncludeDepth))
		return
	}
	r.included[abs] = at
	data, ok := r.read(at, abs, shown)
	if !ok {
		return
	}
	r.open = append(r.open, opened{abs, shown})
	defer func() { r.open = r.open[:len(r.open)-1] }()
	if top, ok := r.document(r.source(shown, abs), data); ok {
		r.tables.file.read(r, top, to, nil)
	}
}

// shownPath returns a path that is relative to the folder of src in the way
// src itself was given.
func shownPath(src *source, path string) string {
	if filepath.IsAbs(path) || src.name == "" || src.literal {
		return path
	}
	return filepath.Join(filepath.Dir(src.name), path)
}

// read returns the text of a file, or records at a place why there is none.
// shown names the file there; "" where the place is the file itself.
func (r *reader) read(at place, path, shown string) ([]byte, bool) {
	if shown != "" {
		shown += " "
	}
	data, err := r.disk.read(path, r.opt.OnlyRoot)
	var distrust *trustError
	switch {
	case err == nil:
		return data, true
	case errors.As(err, &distrust):
		r.problem(at, shown+distrust.what, distrust.hint)
	case errors.Is(err, fs.ErrNotExist):
		r.problem(at, shown+"does not exist", "create it, or correct the path")
	default:
		r.problem(at, shown+"cannot be read: "+reason(err), "let gosup read it, or name another file")
	}
	return nil, false
}

// reason returns what an error of the file system says, without the path.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// setting returns the value of a key of the command line.
func (r *reader) setting(path, value, origin string) node {
	src := &source{name: origin, dir: workingDir(), order: -1, literal: true}
	return node{
		y:  &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value},
		at: place{src: src, path: path},
	}
}

// disk is how files are reached; the fuzz test has none.
type disk struct {
	read func(path string, onlyRoot bool) ([]byte, error)
	glob func(dir, pattern string) ([]string, error)
}

// disk returns the real one, which tells opt.Reads.
func (opt Options) disk() disk {
	if opt.Reads == nil {
		return disk{read: readFile, glob: glob}
	}
	return disk{
		read: func(path string, onlyRoot bool) ([]byte, error) {
			opt.Reads(path)
			return readFile(path, onlyRoot)
		},
		glob: func(dir, pattern string) ([]string, error) {
			opt.Reads(absolute(dir, pattern))
			return glob(dir, pattern)
		},
	}
}

// glob returns the files that a pattern matches, sorted, as paths relative to
// dir or absolute, as the pattern is. A path without wildcards is itself,
// there or not. Hidden files are matched by what names their dot alone.
func glob(dir, pattern string) ([]string, error) {
	if !strings.ContainsAny(pattern, `*?[{\`) {
		return []string{pattern}, nil
	}
	base, rest := doublestar.SplitPattern(filepath.ToSlash(pattern))
	found, err := doublestar.Glob(os.DirFS(absolute(dir, base)), rest,
		doublestar.WithFilesOnly(), doublestar.WithNoHidden(), doublestar.WithNoFollow())
	if err != nil {
		return nil, err
	}
	for i, f := range found {
		found[i] = filepath.Join(base, f)
	}
	return found, nil
}
