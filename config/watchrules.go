package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// rules says which files one path or glob of a watch is about, and in which
// folders these can be.
type rules struct {
	glob   string // "" for a plain path
	base   string // the folder that the glob begins in, or the plain path
	depth  int    // how many folders below base can have matches; -1 for any number
	hidden bool   // the glob names a hidden file
	ignore []string

	// A plain path may be a link: then what it leads to is watched where that
	// lies, and a link on the way may be turned to something else. So all that
	// happens in these folders is a reason to look at the path itself.
	target string // the folder of what the path leads to, "" if that is its own
	seen   fs.FileInfo
}

func newRules(path string, ignore []string) rules {
	if !strings.ContainsAny(path, `*?[{\`) {
		r := rules{base: path, depth: -1, ignore: ignore}
		r.seen, _ = os.Stat(path)
		return r
	}
	base, rest := doublestar.SplitPattern(path)
	r := rules{glob: path, base: filepath.Clean(base), depth: strings.Count(rest, "/"), ignore: ignore}
	if strings.Contains(rest, "**") || strings.Contains(rest, "{") {
		r.depth = -1
	}
	r.hidden = strings.HasPrefix(rest, ".") || strings.Contains(rest, "/.")
	return r
}

// keepSeen takes over what was seen of the paths that stay, so that a change
// in between is noticed.
func (v *watched) keepSeen(old *watched) {
	for i := range v.rules {
		for _, o := range old.rules {
			if v.rules[i].glob == "" && o.glob == "" && v.rules[i].base == o.base {
				v.rules[i].seen = o.seen
			}
		}
	}
}

// concerned returns what of that which is watched an event at a path is a
// change of; "" if nothing.
func (v *watched) concerned(path string) (changed string) {
	for i := range v.rules {
		// Each is asked, since each notes what it sees.
		if v.rules[i].concerned(path) && changed == "" {
			changed = path
			if v.rules[i].glob == "" && !strings.HasPrefix(path, v.rules[i].base+"/") {
				changed = v.rules[i].base
			}
		}
	}
	return changed
}

func (r *rules) concerned(path string) bool {
	if r.glob != "" {
		ok, _ := doublestar.PathMatch(r.glob, path) // it was validated
		return ok && !r.passes(path)
	}
	if rest, below := strings.CutPrefix(path, r.base+"/"); below {
		return rest != "" && !r.passes(path)
	}
	if path == r.base {
		r.seen, _ = os.Stat(path)
		return !r.ignores(path)
	}
	if dir := filepath.Dir(path); dir != filepath.Dir(r.base) && dir != r.target {
		return false
	}
	now, _ := os.Stat(r.base)
	before := r.seen
	r.seen = now
	switch {
	case r.ignores(r.base):
		return false
	case now == nil || before == nil:
		return (now == nil) != (before == nil)
	default:
		return !now.IsDir() && (!os.SameFile(now, before) || !now.ModTime().Equal(before.ModTime()) || now.Size() != before.Size())
	}
}

// passes reports whether what lies below base does not count: it is ignored,
// hidden, or a copy that an editor keeps.
func (r *rules) passes(path string) bool {
	if r.ignores(path) || strings.HasSuffix(path, "~") && !strings.HasSuffix(r.glob, "~") {
		return true
	}
	rest := strings.TrimPrefix(path, r.base)
	return !r.hidden && strings.Contains(rest, "/.")
}

// ignores reports whether a path or a folder above it is ignored.
func (r *rules) ignores(path string) bool {
	for _, glob := range r.ignore {
		for p := path; p != "/" && p != "."; p = filepath.Dir(p) {
			if ok, _ := doublestar.PathMatch(glob, p); ok {
				return true
			}
		}
	}
	return false
}

// folders reports the folders in which something can happen that is of
// interest, and with found the files that are there.
func (r *rules) folders(folder, found func(path string)) {
	info, err := os.Stat(r.base)
	if r.glob == "" {
		folder(parent(r.base))
		r.target = ""
		if real, err := filepath.EvalSymlinks(r.base); err == nil && real != r.base {
			r.target = filepath.Dir(real)
			folder(r.target)
		}
	}
	switch {
	case err != nil:
		folder(parent(r.base)) // there it will appear
	case info.IsDir():
		r.walk(r.base, folder, found)
	}
}

// foldersBelow is folders for what has appeared at dir.
func (r *rules) foldersBelow(dir string, folder, found func(path string)) {
	switch {
	case dir == r.base, strings.HasPrefix(r.base, dir+"/"):
		r.folders(folder, found)
		if info, err := os.Stat(r.base); r.glob == "" && err == nil && !info.IsDir() {
			found(r.base)
		}
	case strings.HasPrefix(dir, r.base+"/"):
		r.walk(dir, folder, found)
	}
}

func (r *rules) walk(top string, folder, found func(path string)) {
	// The slash makes it follow a link.
	_ = filepath.WalkDir(top+"/", func(path string, e fs.DirEntry, err error) error {
		path = filepath.Clean(path)
		switch {
		case err != nil:
			return nil // it has gone, or is not for gosup to see
		case !e.IsDir():
			if found != nil && r.concerned(path) {
				found(path)
			}
			return nil
		case path != r.base && r.passes(path), r.depth >= 0 && r.level(path) > r.depth:
			return filepath.SkipDir
		}
		folder(path)
		return nil
	})
}

// level returns how many folders below base a path is.
func (r *rules) level(path string) int {
	return strings.Count(strings.TrimPrefix(path, strings.TrimSuffix(r.base, "/")), "/")
}
