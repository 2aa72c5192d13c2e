package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOnlyRoot checks which files a daemon that runs as root believes.
func TestOnlyRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to own the files that are trusted")
	}
	t.Setenv("SUDO_UID", "4711")
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, dir string) error
		want   string // part of the problem; "" for none
	}{
		{"as it should be", func(*testing.T, string) error { return nil }, ""},
		{"file by all", chmod("gosup.yaml", 0o646), "gosup.yaml: can be written by everybody (mode 0646)"},
		{"file by a group", chown("gosup.yaml", 0, 4712, 0o664), "gosup.yaml: can be written by the group 4712"},
		{"file by root's group", chown("gosup.yaml", 0, 0, 0o664), ""},
		{"file by its owner", chown("gosup.yaml", 4712, 0, 0o644), "gosup.yaml: can be written by its owner, the user 4712"},
		{"file by the user of sudo", chown("gosup.yaml", 4711, 0, 0o644), ""},
		{"folder by all", chmod(".", 0o777), "gosup.yaml: is in the folder "},
		{"folder by all, sticky", chmod(".", 0o777|os.ModeSticky), ""},
		{"folder of an owner", chown(".", 4712, 0, 0o755), "gosup.yaml: is in the folder "},
		{"include", chmod("inc/a.yaml", 0o666), "gosup.yaml:1:11: include[0]: "},
		{"folder of an include", chmod("inc", 0o777), "gosup.yaml:1:11: include[0]: "},
		{"env file", chmod("x.env", 0o666), "gosup.yaml:2:13: env_files[0]: "},
		{"link into a bad folder", func(t *testing.T, dir string) error {
			bad := t.TempDir()
			if err := os.Rename(filepath.Join(dir, "gosup.yaml"), filepath.Join(bad, "real.yaml")); err != nil {
				return err
			}
			if err := os.Symlink(filepath.Join(bad, "real.yaml"), filepath.Join(dir, "gosup.yaml")); err != nil {
				return err
			}
			return os.Chmod(bad, 0o777)
		}, "gosup.yaml: is in the folder "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "gosup.yaml", "include: [inc/a.yaml]\nenv_files: [x.env]\nprocesses: {a: {command: a}}\n")
			write(t, dir, "inc/a.yaml", "processes: {b: {command: b}}\n")
			write(t, dir, "x.env", "A=b\n")
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := tt.change(t, dir); err != nil {
				t.Fatal(err)
			}
			opt := testOptions()
			if tree, problems := Load(filepath.Join(dir, "gosup.yaml"), opt); tree == nil {
				t.Fatalf("refused without OnlyRoot: %v", problems)
			}
			opt.OnlyRoot = true
			tree, problems := Load(filepath.Join(dir, "gosup.yaml"), opt)
			switch {
			case tt.want == "" && tree == nil:
				t.Errorf("refused: %v", problems)
			case tt.want != "" && (tree != nil || !strings.Contains(problems.Error(), tt.want) || len(problems) != 1):
				t.Errorf("got %v, want %s", problems, tt.want)
			}
		})
	}
}

func chmod(name string, mode os.FileMode) func(*testing.T, string) error {
	return func(_ *testing.T, dir string) error { return os.Chmod(filepath.Join(dir, name), mode) }
}

func chown(name string, uid, gid int, mode os.FileMode) func(*testing.T, string) error {
	return func(_ *testing.T, dir string) error {
		path := filepath.Join(dir, name)
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
		return os.Chmod(path, mode)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
