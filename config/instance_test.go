package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInstances(t *testing.T) {
	t.Parallel()
	tree := parse(t, `
env: {FILE: "${GOSUP_INSTANCE}"}
defaults:
  env: {DEFAULT: "d${GOSUP_INSTANCE}"}
  description: instance ${GOSUP_INSTANCE:-none} of $$GOSUP_INSTANCE
processes:
  before: {command: a}
  web:
    command: [web, --port, "80${GOSUP_INSTANCE}"]
    instances: "${NONE:-3}"
    directory: run/${GOSUP_INSTANCE}
    env: {OWN: "o${GOSUP_INSTANCE}"}
    logs: {stderr_file: "err/${GOSUP_INSTANCE}.log"}
    health: {checks: {a: {tcp: {address: "127.0.0.1:80${GOSUP_INSTANCE}"}}}}
    depends_on: ["db@${GOSUP_INSTANCE}"]
  db: {command: db, instances: 3}
  single: {command: "single ${GOSUP_INSTANCE}", depends_on: [web]}
groups:
  g:
    strategy: rest_for_one
    processes:
      web: {command: a, instances: 2}
      after: {command: a, depends_on: {web: started}}
`)
	var got []string
	for _, p := range processes(&tree.Root) {
		got = append(got, p.Name)
	}
	want := []string{"before", "web@1", "web@2", "web@3", "db@1", "db@2", "db@3", "single", "g/web@1", "g/web@2", "g/after"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("processes (-want +got):\n%s", d)
	}
	for _, n := range []string{"1", "2", "3"} {
		p := one(t, tree, "web@"+n)
		if !slices.Equal(p.Argv, []string{"web", "--port", "80" + n}) || p.Dir != "/srv/app/run/"+n {
			t.Errorf("%s: argv %q in %s", p.Name, p.Argv, p.Dir)
		}
		if !slices.Equal(p.Env, []string{"FILE=" + n, "DEFAULT=d" + n, "OWN=o" + n}) {
			t.Errorf("%s: env %q", p.Name, p.Env)
		}
		if p.Description != "instance "+n+" of $GOSUP_INSTANCE" {
			t.Errorf("%s: description %q", p.Name, p.Description)
		}
		if p.Logs.File != "/srv/app/.gosup/log/web@"+n+".log" || p.Logs.StderrFile != "/srv/app/err/"+n+".log" {
			t.Errorf("%s: logs %s and %s", p.Name, p.Logs.File, p.Logs.StderrFile)
		}
		if a := p.Checks[0].Probe.TCP.Address; a != "127.0.0.1:80"+n {
			t.Errorf("%s: check of %s", p.Name, a)
		}
		if d := cmp.Diff([]string{"db@" + n + " ready"}, edges(p)); d != "" {
			t.Errorf("%s (-want +got):\n%s", p.Name, d)
		}
	}
	single := one(t, tree, "single")
	if !slices.Equal(single.Argv, []string{"single", "1"}) || single.Env[0] != "FILE=1" {
		t.Errorf("single: argv %q, env %q", single.Argv, single.Env)
	}
	if d := cmp.Diff([]string{"web@1 ready", "web@2 ready", "web@3 ready"}, edges(single)); d != "" {
		t.Errorf("single (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"g/web@1 started", "g/web@2 started"}, edges(one(t, tree, "g/after"))); d != "" {
		t.Errorf("g/after (-want +got):\n%s", d)
	}
}

// TestInstancesOfOthers checks that what one process asked for is not taken
// for the next one's.
func TestInstancesOfOthers(t *testing.T) {
	t.Parallel()
	opt := testOptions()
	opt.Env = func(name string) (string, bool) { return "of gosup itself", name == instanceVariable }
	tree, problems := Parse("gosup.yaml", []byte(`
env_files: ["?${GOSUP_INSTANCE}.env"]
processes:
  a: {command: "a ${GOSUP_INSTANCE}", instances: 2}
  b: {command: b, instances: 2}
  c: {command: "c ${GOSUP_INSTANCE}"}
`), opt)
	if tree == nil {
		t.Fatal(problems)
	}
	var got []string
	for _, p := range processes(&tree.Root) {
		got = append(got, strings.Join(p.Argv, " "))
	}
	if d := cmp.Diff([]string{"a 1", "a 2", "b", "b", "c 1"}, got); d != "" {
		t.Errorf("commands (-want +got):\n%s", d)
	}
}

// TestManyInstances checks that what a few lines ask for has a bound.
func TestManyInstances(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"instances":    strings.Repeat(" ? x%\n : {command: a, instances: 10000}\n", 400),
		"environments": " big: {instances: 10000, command: a, env: {" + strings.Repeat("A%: a, ", 1000) + "}}\n",
		"strings":      " big: {instances: 10000, command: [\"${GOSUP_INSTANCE}\", " + strings.Repeat("a, ", 1000) + "]}\n",
	} {
		for i := 0; strings.Contains(text, "%"); i++ {
			text = strings.Replace(text, "%", string(rune('a'+i%26))+strings.Repeat("z", i/26), 1)
		}
		tree, problems := Parse("/srv/gosup.yaml", []byte("processes:\n"+text), testOptions())
		if tree != nil || len(problems) != 1 || !strings.Contains(problems[0].What, "come to more than") {
			t.Errorf("%s: %v", name, problems)
		}
	}
}
