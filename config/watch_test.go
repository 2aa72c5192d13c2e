package config

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/spec"
)

func TestLoadWatch(t *testing.T) {
	t.Parallel()
	tree, problems := Load("testdata/good/full.yaml", testOptions())
	if tree == nil {
		t.Fatal(problems)
	}
	dir := absolute(workingDir(), "testdata/good")
	want := &spec.Watch{
		Paths: []string{dir + "/src/**", "/etc/worker.conf"}, Ignore: []string{"/**/*.tmp", dir + "/src/gen/**"},
		Debounce: 2 * time.Second, Action: spec.WatchReload,
	}
	if d := cmp.Diff(want, one(t, tree, "worker@2").Watch); d != "" {
		t.Errorf("watch (-want +got):\n%s", d)
	}
	if got, want := one(t, tree, "limited").Cgroup, (spec.Cgroup{MemoryMaxBytes: 512 << 20, CPUMax: 1.5, PidsMax: 100}); got != want {
		t.Errorf("cgroup: got %+v, want %+v", got, want)
	}
	if !tree.Supervisor.WatchConfig {
		t.Error("watch_config is not set")
	}
}

// TestWatchLayers checks what of a process and what of the defaults holds.
func TestWatchLayers(t *testing.T) {
	t.Parallel()
	tree := parse(t, `
defaults: {watch: {ignore: ["*.tmp"], debounce: 1s}, cgroup: {pids_max: 5}}
processes:
  plain: {command: a}
  paths: {command: a, watch: {paths: [/x]}, cgroup: {cpu_max: 2}}
  off: {command: a, watch: none}
`)
	if got := one(t, tree, "plain"); got.Watch != nil || got.Cgroup != (spec.Cgroup{PidsMax: 5}) {
		t.Errorf("plain: got %+v", got)
	}
	want := &spec.Watch{Paths: []string{"/x"}, Ignore: []string{"/**/*.tmp"}, Debounce: time.Second}
	if d := cmp.Diff(want, one(t, tree, "paths").Watch); d != "" {
		t.Errorf("paths (-want +got):\n%s", d)
	}
	if got := one(t, tree, "paths").Cgroup; got != (spec.Cgroup{CPUMax: 2, PidsMax: 5}) {
		t.Errorf("paths: got %+v", got)
	}
	if got := one(t, tree, "off").Watch; got != nil {
		t.Errorf("off: got %+v", got)
	}
}

// TestReads checks that a load tells what it depends on, also where it fails.
func TestReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "conf.d/b.yaml", "processes: {b: {command: b}}")
	reads := func(text string, works bool, want ...string) {
		t.Helper()
		write(t, dir, "gosup.yaml", text)
		var got []string
		opt := testOptions()
		opt.Reads = func(path string) {
			if path, _ = filepath.Rel(dir, path); !slices.Contains(got, path) {
				got = append(got, path)
			}
		}
		if tree, problems := Load(dir+"/gosup.yaml", opt); (tree != nil) != works {
			t.Error(problems)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("reads (-want +got):\n%s", d)
		}
	}
	reads("include: [conf.d/*.yaml]\nenv_files: [\"?.env\"]\nprocesses: {a: {command: a}}", true,
		"gosup.yaml", "conf.d/*.yaml", "conf.d/b.yaml", ".env")
	reads("include: [missing.yaml]\nprocesses: {a: {command: a}}", false, "gosup.yaml", "missing.yaml")
}

func TestInstancesOption(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		inFile, wanted string
		count          int
		want           []string
	}{
		{"1", "one stays one", 1, []string{"a"}},
		{"1", "more", 2, []string{"a@1", "a@2"}},
		{"3", "fewer", 1, []string{"a@1"}},
		{"2", "none", 0, []string{"a@1"}},
	} {
		opt := testOptions()
		opt.Instances = func(name string, inFile int) int { return tt.count }
		tree, problems := Parse("gosup.yaml", []byte("processes: {a: {command: a, instances: "+tt.inFile+"}}"), opt)
		if tree == nil {
			t.Fatal(problems)
		}
		var got []string
		for _, m := range tree.Root.Members {
			got = append(got, m.Process.Name)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.wanted, d)
		}
	}
}
