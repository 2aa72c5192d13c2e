package procman

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gosup/spec"
)

func TestWithinMounts(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"abs": filepath.Join(dir, "far/x"), "rel": "far", "up": "sub/../far", "near": "sub", "loop": "loop", "chain": "rel",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	m := mounts{remote: []string{filepath.Join(dir, "far")}}
	for path, want := range map[string]bool{
		"far": true, "far/x/y": true, "farther": false, "sub": false, "sub/../far": true, "far/..": true,
		"abs": true, "rel/x": true, "up": true, "near": false, "near/../rel": true, "loop": false, "chain": true,
		"missing/x": false, ".": false, "": false,
	} {
		if got := m.within(dir + "/" + path); got != want {
			t.Errorf("%q: got %v, want %v", path, got, want)
		}
	}
	if m.within("") {
		t.Error("no folder is within a mount")
	}
}

// deadMount mounts at dir what no server answers for, until the test ends.
func deadMount(t *testing.T, dir string) {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip("needs /dev/fuse: ", err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)
	if err := unix.Mount("dead", dir, "fuse.dead", unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
		unix.Close(fd)
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() {
		// Whoever waits for an answer has an error now.
		if err := unix.Unmount(dir, unix.MNT_FORCE); err != nil {
			t.Log(err)
		}
		unix.Close(fd)
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && err != unix.EINVAL {
			t.Error(err)
		}
	})
}

// TestDeadMount starts a process whose folder, or program, is on a mount that
// does not answer. Others start all the same, and it can be stopped.
func TestDeadMount(t *testing.T) {
	needRoot(t)
	r := newRig(t, handOptions{})
	dir := t.TempDir()
	deadMount(t, dir)
	tests := map[string]func(l *launch){
		"folder":  func(l *launch) { l.Dir = dir },
		"program": func(l *launch) { l.Argv[0] = dir + "/sh" },
		"PATH":    func(l *launch) { l.Argv[0], l.Env = "sh", []string{"PATH=" + dir + ":/bin"} },
	}
	for name, stuck := range tests {
		t.Run(name, func(t *testing.T) {
			l := r.shell("echo never")
			stuck(&l)
			r.hand.start(l)
			other := r.start(r.shell("echo here"))
			r.started(other)
			r.exited(other)
			r.kill(l.Run, syscall.SIGKILL, spec.KillTree)
			r.over(l.Run)
		})
	}
}
