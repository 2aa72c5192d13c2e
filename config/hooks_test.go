package config

import (
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/spec"
)

func TestLoadHooks(t *testing.T) {
	t.Parallel()
	tree, problems := Load("testdata/good/full.yaml", testOptions())
	if tree == nil {
		t.Fatal(problems)
	}
	const usual = 10 * time.Second
	want := spec.Hooks{
		spec.PreStart:  {Commands: [][]string{{"bin/restore", "--fast"}}, Timeout: time.Minute, MayFail: true},
		spec.PostStart: {Commands: [][]string{{"bin/one", "a"}, {"bin/two"}}, Timeout: usual},
		spec.PreStop:   {Commands: [][]string{{"bin/leave"}}, Timeout: usual, MayFail: true},
		spec.PostStop:  {Commands: [][]string{{"bin/clean", "up"}}, Timeout: usual, MayFail: true},
		spec.OnReload:  {Commands: [][]string{{"bin/reread"}}, Timeout: 5 * time.Second, MayFail: true},
	}
	hooked := one(t, tree, "hooked")
	if d := cmp.Diff(want, hooked.Hooks); d != "" {
		t.Errorf("hooks (-want +got):\n%s", d)
	}
	if !hooked.Essential || hooked.ReloadSignal != 0 {
		t.Errorf("hooked: essential %v, reload by %d", hooked.Essential, hooked.ReloadSignal)
	}
	if got := one(t, tree, "worker@2"); got.ReloadSignal != int(syscall.SIGHUP) || got.Hooks != (spec.Hooks{}) {
		t.Errorf("worker@2: reload by %d, hooks %v", got.ReloadSignal, got.Hooks)
	}
}

// TestHookLayers checks what of a process and what of the defaults holds.
func TestHookLayers(t *testing.T) {
	t.Parallel()
	tree := parse(t, `
defaults:
  hooks:
    pre_start: {command: default, timeout: 3s}
    post_stop: {timeout: 4s}
  reload: {signal: HUP}
processes:
  plain: {command: a}
  refined: {command: a, hooks: {pre_start: {on_failure: ignore}, post_stop: {command: own}}, reload: {command: own}}
  replaced: {command: a, hooks: {pre_start: {command: [own, hook]}}}
  off: {command: a, hooks: {pre_start: none}, reload: none}
`)
	hook := func(timeout time.Duration, mayFail bool, argv ...string) *spec.Hook {
		return &spec.Hook{Commands: [][]string{argv}, Timeout: timeout, MayFail: mayFail}
	}
	for name, want := range map[string]spec.Hooks{
		"plain": {spec.PreStart: hook(3*time.Second, false, "default")},
		"refined": {
			spec.PreStart: hook(3*time.Second, true, "default"),
			spec.PostStop: hook(4*time.Second, true, "own"),
			spec.OnReload: hook(10*time.Second, true, "own"),
		},
		"replaced": {spec.PreStart: hook(3*time.Second, false, "own", "hook")},
		"off":      {},
	} {
		if d := cmp.Diff(want, one(t, tree, name).Hooks); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	for name, want := range map[string]int{"plain": int(syscall.SIGHUP), "refined": 0, "off": 0} {
		if got := one(t, tree, name).ReloadSignal; got != want {
			t.Errorf("%s: reload by %d, want %d", name, got, want)
		}
	}
}
