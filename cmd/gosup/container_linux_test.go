package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestContainerDuty runs where things are missing that a machine has and a
// container may not. The process runs all the same, and what is lost is named
// once.
func TestContainerDuty(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const anybody = "setpriv --reuid=54321 --regid=54321 --clear-groups --inh-caps=-all "
	tests := []struct {
		name    string
		mount   string // what is done before, in a mount namespace of its own; "" for none
		command string // starts gosup
		says    string // once, on stderr; "" for nothing at all
	}{
		{"arbitrary user", "", "exec env -u HOME -u USER " + anybody + "gosup run", "no runtime folder"},
		{"user with a folder", "mkdir .gosup; chown 54321 .gosup;", "exec env -u HOME " + anybody + "gosup run", ""},
		{"read-only root", "mount --bind . . && mount -o remount,bind,ro . && cd $PWD;", "exec gosup run", "no runtime folder"},
		{"no /proc", "umount -l /proc;", "exec gosup run", "no /proc"},
		{"no /proc to write", "mount -o remount,bind,ro /proc;", "exec gosup run", ""},
		{"few processes", "mkdir .gosup; chown 54321 .gosup;", "exec prlimit --nproc=25 " + anybody + "gosup run", ""},
		{"closed stdin", "", "exec gosup run <&-", ""},
		{"nothing but a PATH", "", `exec env -i "PATH=$PATH" gosup run`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, path := openFolder(t)
			const file = "defaults: {logs: {output: console}, stop: {timeout: 1s}}\nprocesses:\n" +
				"  web: {command: [sh, -c, 'trap \"echo bye; exit 0\" TERM; echo up; while :; do sleep 0.1; done']}\n"
			if err := os.WriteFile(filepath.Join(dir, "gosup.yaml"), []byte(file), 0o644); err != nil {
				t.Fatal(err)
			}
			argv := []string{"sh", "-c", tt.mount + tt.command}
			if tt.mount != "" {
				if exec.Command("unshare", "--mount", "true").Run() != nil {
					t.Skip("needs a mount namespace")
				}
				argv = append([]string{"unshare", "--mount"}, argv...)
			}
			out := t.TempDir()
			p, err := startProgram(out, "gosup", append(os.Environ(), "PATH="+path+":/usr/sbin:/usr/bin:/sbin:/bin"),
				append([]string{"env", "-C", dir}, argv...))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.stop)
			read := func(file string) string {
				text, _ := os.ReadFile(file)
				return string(text)
			}
			if !eventually(func() bool { return strings.Contains(read(p.stdout), "up\n") }) {
				t.Fatalf("it does not run: %s", read(p.stderr))
			}
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			if code, err := p.code(); code != 0 || err != nil {
				t.Errorf("exit code %d, %v", code, err)
			}
			if !strings.Contains(read(p.stdout), "bye\n") {
				t.Errorf("it was not asked to end: %s", read(p.stdout))
			}
			said := read(p.stderr)
			warnings := strings.Count(said, "level=WARN") + strings.Count(said, "level=ERROR")
			switch {
			case tt.says == "" && warnings > 0:
				t.Errorf("it says\n%s", said)
			case tt.says != "" && strings.Count(said, tt.says) != 1:
				t.Errorf("it should say %q once, and says\n%s", tt.says, said)
			}
		})
	}
}

// openFolder returns a folder that every user can read, and one with gosup.
func openFolder(t *testing.T) (dir, path string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "gosup")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	gosup, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "bin")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(gosup)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "gosup"), text, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, path
}
