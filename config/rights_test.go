package config

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gosup/spec"
)

func TestLoadRights(t *testing.T) {
	t.Parallel()
	tree, problems := Load("testdata/good/full.yaml", testOptions())
	if tree == nil {
		t.Fatal(problems)
	}
	got := one(t, tree, "limited").Rights
	umask, nice, score := uint32(0o027), 5, -100
	want := spec.Rights{
		User:  got.User,
		Umask: &umask,
		Limits: []spec.Limit{
			{Resource: "as", Soft: 1 << 30, Hard: 1 << 30},
			{Resource: "core"},
			{Resource: "nofile", Soft: 1024, Hard: 4096},
			{Resource: "nproc", Soft: spec.Unlimited, Hard: spec.Unlimited},
		},
		Nice: &nice, OOMScoreAdj: &score, NoNewPrivileges: true,
		Capabilities: &spec.Capabilities{Limited: true, Keep: 1<<0 | 1<<10, Ambient: 1 << 0},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rights (-want +got):\n%s", d)
	}
	if u := got.User; u == nil || u.Name != "root" || u.UID != 0 || u.GID != 0 || len(u.Groups) == 0 || u.Groups[0] != 0 {
		t.Errorf("user %+v", u)
	}
}

// TestRightsLayers checks what of a process and what of the defaults holds.
func TestRightsLayers(t *testing.T) {
	t.Parallel()
	tree := parse(t, `
defaults:
  user: 0
  limits: {core: 0, nofile: 10}
  nice: 3
  capabilities: {keep: [KILL]}
processes:
  plain: {command: a}
  refined: {command: a, user: "", limits: {nofile: 20, cpu: 5}, nice: 0, capabilities: {keep: []}}
  ambient: {command: a, capabilities: {ambient: [KILL]}}
`)
	zero, three := 0, 3
	root := one(t, tree, "plain").Rights.User
	if root == nil || root.UID != 0 {
		t.Fatalf("user %+v", root)
	}
	core := spec.Limit{Resource: "core"}
	for name, want := range map[string]spec.Rights{
		"plain": {
			User: root, Limits: []spec.Limit{core, {Resource: "nofile", Soft: 10, Hard: 10}}, Nice: &three,
			Capabilities: &spec.Capabilities{Limited: true, Keep: 1 << 5},
		},
		"refined": {
			Limits: []spec.Limit{core, {Resource: "cpu", Soft: 5, Hard: 5}, {Resource: "nofile", Soft: 20, Hard: 20}}, Nice: &zero,
			Capabilities: &spec.Capabilities{Limited: true},
		},
		"ambient": {
			User: root, Limits: []spec.Limit{core, {Resource: "nofile", Soft: 10, Hard: 10}}, Nice: &three,
			Capabilities: &spec.Capabilities{Limited: true, Keep: 1 << 5, Ambient: 1 << 5},
		},
	} {
		if d := cmp.Diff(want, one(t, tree, name).Rights); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// testAccounts are those of a small machine.
func testAccounts() *accounts {
	return &accounts{
		users: parseUsers([]byte("root:x:0:0:root:/root:/bin/bash\n# a comment\n+nis\n" +
			"app:x:1000:1000:The App,,,:/srv/app:\nbad:x:y:1:::\nshort:x:1\nhigh:x:4294967295:1:::\nlast:x:1001:33::/:/bin/false")),
		groups: parseGroups([]byte("root:x:0:\nwww:x:33:app,last\napp:x:1000:\nlogs:x:50:app\ntwice:x:33:app\nbad:x::app\n")),
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	app := spec.User{Name: "app", Home: "/srv/app", Shell: "/bin/sh", UID: 1000, GID: 1000, Groups: []uint32{1000, 33, 50}}
	www := app
	www.GID, www.Groups = 33, []uint32{33, 50}
	own := testAccounts().own()
	own.GID = 50
	for _, tt := range []struct {
		name, user, group string
		want              *spec.User
	}{
		{"nothing", "", "", nil},
		{"a name", "app", "", &app},
		{"a number", "1000", "", &app},
		{"a name with a group", "app", "www", &www},
		{"a name with a number", "app", "33", &www},
		{"a number that nobody has", "5", "7", &spec.User{UID: 5, GID: 7, Groups: []uint32{7}}},
		{"a main group", "last", "", &spec.User{Name: "last", Home: "/", Shell: "/bin/false", UID: 1001, GID: 33, Groups: []uint32{33}}},
		{"a group alone", "", "logs", &own},
	} {
		r := newReader(testOptions())
		r.accounts = testAccounts()
		got := r.user(&rights{user: identity{text: tt.user}, group: identity{text: tt.group}})
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
	for _, name := range []string{"bad", "short", "high", "nis", "+nis", "# a comment", "4294967295", "-1"} {
		if u, ok := testAccounts().user(name); ok {
			t.Errorf("%q is %+v", name, u)
		}
	}
}

// TestNoAccounts checks what is said on a machine without the files.
func TestNoAccounts(t *testing.T) {
	t.Parallel()
	src := &source{name: "gosup.yaml"}
	r := newReader(testOptions())
	r.accounts = &accounts{userErr: os.ErrNotExist, groupErr: os.ErrNotExist}
	at := place{src: src, line: 1, col: 1, path: "user"}
	if u := r.user(&rights{user: identity{text: "7"}, group: identity{text: "7"}}); u == nil || u.UID != 7 || u.GID != 7 {
		t.Errorf("a number is %+v", u)
	}
	r.user(&rights{user: identity{"app", at}})
	r.user(&rights{group: identity{"app", at}})
	want := `gosup.yaml:1:1: user: names the user "app", which cannot be looked up: file does not exist (write its number)` + "\n" +
		`gosup.yaml:1:1: user: names the group "app", which cannot be looked up: file does not exist (write its number)`
	if got := r.problems().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
