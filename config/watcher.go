package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watched is something that wants to hear of changes of files.
type Watched struct {
	Name     string        // of who is to hear; unique
	Paths    []string      // files, folders with all in them, globs; absolute
	Ignore   []string      // absolute globs; what lies in what they match does not count either
	Debounce time.Duration // above 0
	Changed  func(path string)
}

// maxDebounces is after how many times of its debounce a change is told even
// though changes go on.
const maxDebounces = 10

// Watcher watches files, and calls back once they have been left alone for a
// while. It knows folders that are made later, files that are replaced by
// others, and links that are turned to others. While there is nothing to watch
// it has no goroutine and no descriptor; while nothing changes it does nothing.
type Watcher struct {
	warn func(error)

	mu     sync.Mutex
	list   []*watched
	kernel *fsnotify.Watcher // nil while there is nothing to watch
	dirs   map[string]bool   // that the kernel watches
	done   chan struct{}     // closed when the goroutine has ended
	full   bool              // it was said that the kernel takes no more
}

// watched is a Watched with what has happened to it.
type watched struct {
	Watched
	rules []rules
	first time.Time // of the changes that have not been told; zero for none
	last  time.Time
	path  string // of the first of them
}

// NewWatcher returns a watcher of nothing. warn hears of what cannot be
// watched; it must not block.
func NewWatcher(warn func(error)) *Watcher { return &Watcher{warn: warn} }

// Watch replaces what is watched. What stays keeps the changes that have not
// been told yet. Each Changed is called on the watcher's goroutine, one after
// the other, and may call Watch.
func (w *Watcher) Watch(list []Watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := map[string]*watched{}
	for _, v := range w.list {
		old[v.Name] = v
	}
	w.list = w.list[:0:0]
	for _, v := range list {
		next := &watched{Watched: v}
		for _, p := range v.Paths {
			next.rules = append(next.rules, newRules(p, v.Ignore))
		}
		if o := old[v.Name]; o != nil {
			next.first, next.last, next.path = o.first, o.last, o.path
			next.keepSeen(o)
		}
		w.list = append(w.list, next)
	}
	if len(w.list) == 0 {
		w.end()
		return
	}
	if w.kernel == nil && !w.begin() {
		return
	}
	w.full = false
	w.place()
}

// Close ends the watcher and waits for what it has called.
func (w *Watcher) Close() {
	w.mu.Lock()
	w.list = nil
	done := w.done
	w.end()
	w.mu.Unlock()
	if done != nil {
		<-done
	}
}

func (w *Watcher) begin() bool {
	k, err := fsnotify.NewWatcher()
	if err != nil {
		w.warn(fmt.Errorf("files are not watched: %w%s", err, advice(err)))
		return false
	}
	w.kernel, w.dirs, w.done = k, map[string]bool{}, make(chan struct{})
	go w.work(k, w.done)
	return true
}

// end ends the goroutine, which sees its channels closed.
func (w *Watcher) end() {
	if w.kernel != nil {
		_ = w.kernel.Close() // it has no way to fail that matters
	}
	w.kernel, w.dirs = nil, nil
}

// advice says what can be done about an error of inotify(7).
func advice(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return " (raise fs.inotify.max_user_watches, or watch fewer folders)"
	case errors.Is(err, syscall.EMFILE):
		return " (raise fs.inotify.max_user_instances)"
	}
	return ""
}

// work hears of changes, and tells them. It ends when its kernel watcher is
// closed.
func (w *Watcher) work(k *fsnotify.Watcher, done chan struct{}) {
	defer close(done)
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	for {
		select {
		case e, ok := <-k.Events:
			if !ok {
				return
			}
			w.heard(k, e)
		case err, ok := <-k.Errors:
			if !ok {
				return
			}
			w.lost(k, err)
		case <-timer.C:
		}
		due, at := w.due(k, time.Now())
		for _, tell := range due {
			tell()
		}
		switch {
		case len(due) > 0:
			timer.Reset(0) // Changed may have taken its time: others may be due by now
		case !at.IsZero():
			timer.Reset(max(time.Until(at), 0))
		}
	}
}

// heard takes one event of the kernel.
func (w *Watcher) heard(k *fsnotify.Watcher, e fsnotify.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kernel != k || e.Op == fsnotify.Chmod {
		return
	}
	now := time.Now()
	if e.Has(fsnotify.Create) {
		if info, err := os.Lstat(e.Name); err == nil && info.IsDir() {
			w.grow(e.Name, now)
			return
		}
	}
	if (e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename)) && w.dirs[e.Name] {
		delete(w.dirs, e.Name)
		_ = k.Remove(e.Name) // the kernel may have forgotten it already
		w.placeAgain(now)    // what was below it may come back
	}
	for _, v := range w.list {
		if path := v.concerned(e.Name); path != "" {
			v.mark(path, now)
		}
	}
}

// mark notes a change.
func (v *watched) mark(path string, now time.Time) {
	if v.first.IsZero() {
		v.first, v.path = now, path
	}
	v.last = now
}

// lost takes an error of the kernel. Where events were lost, all that is
// watched counts as changed.
func (w *Watcher) lost(k *fsnotify.Watcher, err error) {
	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		w.warn(fmt.Errorf("watch files: %w", err))
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kernel != k {
		return
	}
	w.place()
	for _, v := range w.list {
		v.mark("too many files to tell", time.Now())
	}
}

// due takes out who is to be told now, and returns when the next is, zero for
// never.
func (w *Watcher) due(k *fsnotify.Watcher, now time.Time) (due []func(), next time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kernel != k {
		return nil, next
	}
	for _, v := range w.list {
		if v.first.IsZero() {
			continue
		}
		at := v.last.Add(v.Debounce)
		if most := v.first.Add(maxDebounces * v.Debounce); most.Before(at) {
			at = most
		}
		switch {
		case !at.After(now):
			tell, path := v.Changed, v.path
			due = append(due, func() { tell(path) })
			v.first = time.Time{}
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	return due, next
}

// place has the kernel watch the folders that are to be watched, and no others.
func (w *Watcher) place() {
	wanted := map[string]bool{}
	for _, v := range w.list {
		for i := range v.rules {
			v.rules[i].folders(func(dir string) { wanted[dir] = true }, nil)
		}
	}
	for _, dir := range sortedKeys(w.dirs) {
		if !wanted[dir] {
			delete(w.dirs, dir)
			_ = w.kernel.Remove(dir)
		}
	}
	for _, dir := range sortedKeys(wanted) {
		w.add(dir)
	}
}

// placeAgain is place after a watched folder has gone. What has come back before
// that was seen is not watched yet, and so counts as new.
func (w *Watcher) placeAgain(now time.Time) {
	before := maps.Clone(w.dirs)
	w.place()
	back := false
	for dir := range w.dirs {
		back = back || !before[dir]
	}
	if !back {
		return
	}
	for _, v := range w.list {
		for i := range v.rules {
			v.rules[i].folders(w.add, func(file string) {
				if dir := filepath.Dir(file); w.dirs[dir] && !before[dir] {
					v.mark(file, now)
				}
			})
		}
	}
}

// grow takes in a new folder. Files that were in it before it was watched are
// new ones, too.
func (w *Watcher) grow(dir string, now time.Time) {
	for _, v := range w.list {
		for i := range v.rules {
			v.rules[i].foldersBelow(dir, w.add, func(file string) { v.mark(file, now) })
		}
	}
}

func (w *Watcher) add(dir string) {
	if w.dirs[dir] {
		return
	}
	err := w.kernel.Add(dir)
	switch {
	case err == nil:
		w.dirs[dir] = true
	case errors.Is(err, os.ErrNotExist):
		// It has gone meanwhile.
	case !w.full:
		w.full = true
		w.warn(fmt.Errorf("changes in %s and maybe other folders go unseen: %w%s", dir, err, advice(err)))
	}
}

func sortedKeys(set map[string]bool) []string {
	keys := make([]string, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// parent returns the next folder above a path that exists.
func parent(path string) string {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() || dir == "/" || dir == "." {
			return dir
		}
	}
}
