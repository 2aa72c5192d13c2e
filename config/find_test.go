package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	xdg, home := filepath.Join(dir, "xdg"), filepath.Join(dir, "home")
	t.Setenv("GOSUP_CONFIG", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("HOME", home)
	check := func(explicit, want string) {
		t.Helper()
		path, ok, err := Find(explicit)
		if err != nil || path != want || ok != (want != "") {
			t.Errorf("Find(%q) = %q, %v, %v; want %q", explicit, path, ok, err, want)
		}
	}
	const system = "/etc/gosup/gosup.yaml"
	none := ""
	if _, err := os.Stat(system); err == nil {
		none = system
	}
	check("", none)
	write(t, home, ".config/gosup/gosup.yaml", "")
	check("", filepath.Join(home, ".config/gosup/gosup.yaml"))
	t.Setenv("XDG_CONFIG_HOME", xdg)
	check("", none)
	write(t, xdg, "gosup/gosup.yaml", "")
	check("", filepath.Join(xdg, "gosup/gosup.yaml"))
	write(t, dir, "gosup.yml", "")
	check("", "gosup.yml")
	if err := os.Mkdir("gosup.yaml", 0o755); err != nil {
		t.Fatal(err)
	}
	check("", "gosup.yml")
	if err := os.Remove("gosup.yaml"); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "gosup.yaml", "")
	check("", "gosup.yaml")
	t.Setenv("GOSUP_CONFIG", "not/there.yaml")
	check("", "not/there.yaml")
	check("asked.yaml", "asked.yaml")
}

// TestUnreadable checks what is said of files that cannot be read.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "big.yaml", strings.Repeat("#", maxFileBytes+1))
	write(t, dir, "loop/a.yaml", "include: [../loop/./a.yaml]\nprocesses: {a: {command: a}}")
	for name, want := range map[string]string{
		"none.yaml":        "none.yaml: does not exist (create it, or correct the path)",
		"none/gosup.yaml":  "none/gosup.yaml: does not exist (create it, or correct the path)",
		"big.yaml":         "big.yaml:1:1: the file is larger than 1024 KiB (split it with include)",
		"loop":             "loop: cannot be read: it is a folder",
		"loop/a.yaml":      "closes a circle of includes: ",
		"loop/a.yaml/deep": "loop/a.yaml/deep: cannot be read: not a directory",
	} {
		tree, problems := Load(filepath.Join(dir, name), Options{})
		if tree != nil || len(problems) != 1 || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, problems, want)
		}
	}
}

// TestGlob checks what an include matches.
func TestGlob(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "with [odd] *name")
	for _, name := range []string{"b.yaml", "a.yaml", ".hidden.yaml", "a.yml", "sub/c.yaml", "sub/deep/d.yaml", "folder.yaml/x"} {
		write(t, dir, name, "")
	}
	for _, tt := range []struct{ pattern, want string }{
		{"*.yaml", "a.yaml b.yaml"},
		{"**/*.yaml", "a.yaml b.yaml sub/c.yaml sub/deep/d.yaml"},
		{"*.{yaml,yml}", "a.yaml a.yml b.yaml"},
		{"sub/*.yaml", "sub/c.yaml"},
		{"./sub/*", "sub/c.yaml"},
		{"sub/../*.yaml", "a.yaml b.yaml"},
		{"none/*.yaml", ""},
		{"none.yaml", "none.yaml"},
		{".h*.yaml", ".hidden.yaml"},
	} {
		got, err := glob(dir, tt.pattern)
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("glob(%q) = %q, %v; want %q", tt.pattern, got, err, tt.want)
		}
	}
	got, err := glob("/", filepath.Join(t.TempDir(), "*.yaml"))
	if err != nil || len(got) != 0 {
		t.Errorf("absolute: %q, %v", got, err)
	}
}
