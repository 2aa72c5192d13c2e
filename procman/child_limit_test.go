//go:build linux

package procman

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gosup/spec"
	"gosup/tree"
)

// fakeCgroups is a tree of files like a cgroup's.
func fakeCgroups(t *testing.T, controllers string) (g *cgroups, read func(name string) string) {
	t.Helper()
	above := t.TempDir()
	g = &cgroups{root: above + "/gosup.x", on: map[string]bool{}}
	for _, name := range []string{"cgroup.controllers", "cgroup.subtree_control", "gosup.x/cgroup.subtree_control",
		"gosup.x/run/memory.max", "gosup.x/run/cpu.max", "gosup.x/run/pids.max"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(above, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(above, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(above+"/cgroup.controllers", []byte(controllers), 0o644); err != nil {
		t.Fatal(err)
	}
	return g, func(name string) string {
		text, err := os.ReadFile(filepath.Join(above, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func TestCgroupLimits(t *testing.T) {
	g, read := fakeCgroups(t, "cpuset cpu memory pids\n")
	if err := g.limit("run", spec.Cgroup{MemoryMaxBytes: 512 << 20, CPUMax: 1.5, PidsMax: 100}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"gosup.x/run/memory.max": "536870912", "gosup.x/run/cpu.max": "150000 100000", "gosup.x/run/pids.max": "100",
		// Each of the three is written here: what the kernel adds, a file has over itself.
		"cgroup.subtree_control": "+pidsry", "gosup.x/cgroup.subtree_control": "+pidsry",
	} {
		if got := read(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	g, read = fakeCgroups(t, "pids")
	if err := g.limit("run", spec.Cgroup{PidsMax: 5}); err != nil {
		t.Fatal(err)
	}
	if got := read("gosup.x/run/memory.max"); got != "" {
		t.Errorf("memory is limited to %q", got)
	}
}

func TestCgroupLimitsRefused(t *testing.T) {
	g, _ := fakeCgroups(t, "cpu pids")
	err := g.limit("run", spec.Cgroup{MemoryMaxBytes: 1 << 30})
	if err == nil || !strings.Contains(err.Error(), "cgroup: memory_max: the controller memory is not there for gosup in ") {
		t.Errorf("got %v", err)
	}
	g, _ = fakeCgroups(t, "cpu")
	if err := os.Remove(g.root + "/run/cpu.max"); err != nil {
		t.Fatal(err)
	}
	if err := g.limit("run", spec.Cgroup{CPUMax: 1}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	g = &cgroups{why: errors.New("no such luck")}
	if err := g.limit("", spec.Cgroup{CPUMax: 1}); err == nil || !strings.HasPrefix(err.Error(), "cgroup: no such luck (") {
		t.Errorf("got %v", err)
	}
}

// TestCgroupLimitsOrNoStart starts nothing where the limits cannot be had.
func TestCgroupLimitsOrNoStart(t *testing.T) {
	for name, opt := range map[string]handOptions{
		"no cgroups": {without: errors.New("none here")},
		"no folder":  {cgroups: t.TempDir() + "/missing", warn: func(error) {}},
		"no files":   {cgroups: t.TempDir() + "/.", warn: func(error) {}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, opt)
			for _, umask := range []*uint32{nil, set(uint32(0o22))} {
				mark := filepath.Join(t.TempDir(), "ran")
				l := r.shell("touch " + mark)
				l.Rights.Umask = umask
				l.Cgroup.PidsMax = 100
				r.hand.start(l)
				e := r.wait("no start", func(e tree.Event) bool { f, ok := e.(tree.StartFailed); return ok && f.Run == l.Run })
				if why := e.(tree.StartFailed).Why; !strings.HasPrefix(why, "cgroup: ") {
					t.Errorf("got %q", why)
				}
				if _, err := os.Stat(mark); err == nil {
					t.Error("it ran all the same")
				}
			}
		})
	}
}

func TestAboveLeaf(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "/a/b": "/a/b", "/a/gosup.1f.daemon": "/a", "/gosup.1f.daemon": "/", "/a/gosup.1f": "/a/gosup.1f",
	} {
		if got := aboveLeaf(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}
