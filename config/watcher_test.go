package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watchRig is a watcher in a folder of its own, with all that it has told.
type watchRig struct {
	t    *testing.T
	dir  string
	w    *Watcher
	told chan string // "NAME path", relative to dir
}

func newWatchRig(t *testing.T) *watchRig {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &watchRig{t: t, dir: dir, told: make(chan string, 100)}
	r.w = NewWatcher(func(err error) { t.Error(err) })
	t.Cleanup(r.w.Close)
	return r
}

// watched is a Watched of paths in the folder.
func (r *watchRig) watched(name string, paths, ignore []string) Watched {
	in := func(list []string) (out []string) {
		for _, p := range list {
			out = append(out, filepath.Join(r.dir, p))
		}
		return out
	}
	return Watched{Name: name, Paths: in(paths), Ignore: in(ignore), Debounce: 30 * time.Millisecond, Changed: func(path string) {
		rel, _ := filepath.Rel(r.dir, path)
		r.told <- name + " " + rel
	}}
}

func (r *watchRig) watch(paths, ignore []string) {
	r.t.Helper()
	r.w.Watch([]Watched{r.watched("a", paths, ignore)})
}

func (r *watchRig) write(name, text string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(r.dir, name)), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// do is what an editor or a tool does.
func (r *watchRig) do(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *watchRig) path(name string) string { return filepath.Join(r.dir, name) }

// want waits for the next that is told.
func (r *watchRig) want(what string) {
	r.t.Helper()
	select {
	case got := <-r.told:
		if got != what {
			r.t.Errorf("told of %q, want %q", got, what)
		}
	case <-time.After(30 * time.Second):
		r.t.Fatalf("not told of %q", what)
	}
}

// wantNothing checks that nothing was told before a change of a file that is
// watched anyhow.
func (r *watchRig) wantNothing(mark string) {
	r.t.Helper()
	r.write(mark, "mark")
	r.want("a " + mark)
}

func TestWatchFindsChanges(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before []string // files
		paths  []string
		change func(r *watchRig)
		want   string
	}{
		{"write", []string{"src/a"}, []string{"src/**"}, func(r *watchRig) { r.write("src/a", "new") }, "src/a"},
		{"plain file", []string{"app.conf"}, []string{"app.conf"}, func(r *watchRig) { r.write("app.conf", "new") }, "app.conf"},
		{"new file", []string{"src/a"}, []string{"src/*.go"}, func(r *watchRig) { r.write("src/new.go", "new") }, "src/new.go"},
		{"removed", []string{"src/a"}, []string{"src/**"}, func(r *watchRig) { r.do(os.Remove(r.path("src/a"))) }, "src/a"},
		{"plain folder", []string{"src/deep/a"}, []string{"src"}, func(r *watchRig) { r.write("src/deep/a", "new") }, "src/deep/a"},
		{"renamed over", []string{"app.conf"}, []string{"app.conf"}, func(r *watchRig) {
			r.write("app.conf.tmp123", "new")
			r.do(os.Rename(r.path("app.conf.tmp123"), r.path("app.conf")))
		}, "app.conf"},
		{"moved away and written anew", []string{"src/a.go"}, []string{"src/*.go"}, func(r *watchRig) {
			r.do(os.Rename(r.path("src/a.go"), r.path("src/a.go~")))
			r.write("src/a.go", "new")
		}, "src/a.go"},
		{"link turned", []string{"data1/app.conf", "data2/app.conf"}, []string{"etc/app.conf"}, func(r *watchRig) {
			r.do(os.Symlink("../data2", r.path("etc/..tmp")))
			r.do(os.Rename(r.path("etc/..tmp"), r.path("etc/..data")))
		}, "etc/app.conf"},
		{"behind a link", []string{"data1/app.conf"}, []string{"etc/app.conf"},
			func(r *watchRig) { r.write("data1/app.conf", "other") }, "etc/app.conf"},
		{"not there before", nil, []string{"src/deep/**/*.go"}, func(r *watchRig) { r.write("src/deep/er/a.go", "new") }, "src/deep/er/a.go"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newWatchRig(t)
			for _, name := range tt.before {
				r.write(name, "old")
			}
			if slices.Contains(tt.paths, "etc/app.conf") {
				// As Kubernetes mounts a ConfigMap.
				r.do(os.Mkdir(r.path("etc"), 0o755))
				r.do(os.Symlink("../data1", r.path("etc/..data")))
				r.do(os.Symlink("..data/app.conf", r.path("etc/app.conf")))
			}
			r.watch(tt.paths, nil)
			tt.change(r)
			r.want("a " + tt.want)
		})
	}
}

func TestWatchKeepsFindingChanges(t *testing.T) {
	t.Parallel()
	r := newWatchRig(t)
	r.write("src/a", "old")
	r.watch([]string{"src/**"}, nil)
	// A folder that is moved here is new with all in it.
	r.write("elsewhere/deep/b", "old")
	r.do(os.Rename(r.path("elsewhere"), r.path("src/here")))
	r.want("a src/here/deep/b")
	r.write("src/here/deep/b", "new")
	r.want("a src/here/deep/b")
	// What is watched goes, and comes again.
	r.do(os.RemoveAll(r.path("src")))
	if gone := <-r.told; !strings.HasPrefix(gone, "a src") {
		t.Errorf("told of %q", gone)
	}
	r.write("src/deep/a", "again")
	// The folders may have gone so slowly that it is told twice.
	for got := ""; got != "a src/deep/a"; {
		select {
		case got = <-r.told:
		case <-time.After(30 * time.Second):
			t.Fatal("not told of src/deep/a")
		}
	}
	// A file that is replaced is watched as before, however often.
	for range 3 {
		r.write("tmp", "new")
		r.do(os.Rename(r.path("tmp"), r.path("src/deep/a")))
		r.want("a src/deep/a")
	}
}

// TestWatchSeesWhatCameBackUnseen: a folder goes and is there again, with other
// files, before its going is heard of.
func TestWatchSeesWhatCameBackUnseen(t *testing.T) {
	t.Parallel()
	r := newWatchRig(t)
	r.write("src/deep/a", "old")
	r.watch([]string{"src/**"}, nil)
	src, deep := r.path("src"), r.path("src/deep")
	r.w.mu.Lock()
	k := r.w.kernel
	r.do(k.Remove(deep)) // as if it were another folder now
	delete(r.w.dirs, deep)
	r.w.mu.Unlock()
	r.write("src/deep/b", "new")
	r.do(os.Remove(r.path("src/deep/a")))
	r.w.heard(k, fsnotify.Event{Name: src, Op: fsnotify.Remove})
	r.write("src/c", "new") // any event has the changes looked at
	r.want("a src/deep/b")
}

func TestWatchIgnores(t *testing.T) {
	t.Parallel()
	r := newWatchRig(t)
	for _, name := range []string{"src/a.go", "src/log/x", "src/.git/index", "node_modules/m/x", "mark"} {
		r.write(name, "old")
	}
	r.watch([]string{"src/**", "node_modules/**", "mark"}, []string{"src/log/**", "node_modules", "**/*.tmp"})
	for _, name := range []string{"src/log/x", "src/log/new/y", "src/.git/index", "src/.a.go.swp", "src/a.go~", "node_modules/m/x",
		"src/a.tmp", "src/deep/b.tmp", "other"} {
		r.write(name, "new")
	}
	r.do(os.Chmod(r.path("src/a.go"), 0o600))
	if _, err := os.ReadFile(r.path("src/a.go")); err != nil {
		t.Fatal(err)
	}
	r.wantNothing("mark")
}

// TestWatchWaits tells a flood of changes once, and one that does not end all
// the same.
func TestWatchWaits(t *testing.T) {
	t.Parallel()
	r := newWatchRig(t)
	r.watch([]string{"src/**"}, nil)
	for range 100 {
		r.write("src/a", "flood")
	}
	r.want("a src/a")
	select {
	case got := <-r.told:
		// A machine that is slow may make two of it, not a hundred.
		t.Log("told again of", got)
	default:
	}
	for end := time.After(30 * time.Second); ; {
		r.write("src/a", "flood without an end")
		select {
		case <-r.told:
			return
		case <-end:
			t.Fatal("not told while changes go on")
		default:
		}
	}
}

// TestWatchAnew changes what is watched.
func TestWatchAnew(t *testing.T) {
	t.Parallel()
	r := newWatchRig(t)
	r.write("one", "old")
	r.write("two", "old")
	r.watch([]string{"one"}, nil)
	r.write("one", "new")
	r.w.Watch([]Watched{r.watched("a", []string{"one"}, nil), r.watched("b", []string{"two"}, nil)})
	r.want("a one")
	r.write("two", "new")
	r.want("b two")
	r.w.Watch(nil)
	r.w.mu.Lock()
	idle := r.w.kernel == nil
	r.w.mu.Unlock()
	if !idle {
		t.Error("there is still something at work with nothing to watch")
	}
	r.write("one", "newer")
	r.watch([]string{"two"}, nil)
	r.wantNothing("two")
}

// TestWatchFromWithin replaces what is watched in the call itself.
func TestWatchFromWithin(t *testing.T) {
	t.Parallel()
	r := newWatchRig(t)
	r.write("one", "old")
	v := r.watched("a", []string{"one"}, nil)
	tell := v.Changed
	v.Changed = func(path string) {
		r.w.Watch([]Watched{v})
		tell(path)
	}
	r.w.Watch([]Watched{v})
	for range 3 {
		r.write("one", "new")
		r.want("a one")
	}
}

// One that becomes due while another is told is told next.
func TestWatchDueWhileTelling(t *testing.T) {
	t.Parallel()
	r := newWatchRig(t)
	r.write("a", "old")
	first, second := r.watched("a", []string{"a"}, nil), r.watched("b", []string{"b"}, nil)
	tell := first.Changed
	first.Changed = func(path string) {
		r.w.mu.Lock()
		r.w.list[1].mark(r.path("b"), time.Now().Add(-second.Debounce))
		r.w.mu.Unlock()
		tell(path)
	}
	r.w.Watch([]Watched{first, second})
	r.do(os.Remove(r.path("a"))) // one event
	r.want("a a")
	r.want("b b")
}
