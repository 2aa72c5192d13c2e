package procman

import (
	"io"
	"os"
	"regexp"
	"syscall"
	"testing"
)

// TestForkerHandsOnWhatWasAskedFor: the child has the descriptors that it was
// to have and no others, its own session, and the pid that was told.
func TestForkerHandsOnWhatWasAskedFor(t *testing.T) {
	var f forkers
	if err := f.add(); err != nil {
		t.Skipf("no forker here: %v", err)
	}
	defer f.close()
	for range 50 { // opened after the forker's table was made, and not close-on-exec
		fd, err := syscall.Dup(0)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(fd)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	attr := &syscall.ProcAttr{
		Dir: "/", Env: []string{"WORD=told"},
		Files: []uintptr{^uintptr(0), w.Fd(), w.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	script := `echo "$WORD in $PWD, pid $$"; cut -d" " -f6 /proc/$$/stat; for fd in /proc/$$/fd/*; do echo "fd ${fd##*/}"; done; exit 7`
	pid, err := f.fork("/bin/sh", []string{"sh", "-c", script}, attr)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || status.ExitStatus() != 7 {
		t.Errorf("got status %v, %v, want exit code 7", status, err)
	}
	want := regexp.MustCompile(`^told in /, pid (\d+)\n(\d+)\n(fd 0\n)?fd 1\nfd 2\n$`)
	m := want.FindSubmatch(out)
	if m == nil {
		t.Fatalf("got %q", out)
	}
	if string(m[1]) != string(m[2]) {
		t.Errorf("process %s is in session %s", m[1], m[2])
	}
}

// TestForkerTellsWhy: what cannot be executed is the kernel's error, and what
// cannot be fetched leaves the fork to the hand.
func TestForkerTellsWhy(t *testing.T) {
	var f forkers
	if err := f.add(); err != nil {
		t.Skipf("no forker here: %v", err)
	}
	defer f.close()
	attr := &syscall.ProcAttr{Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{}}
	if _, err := f.fork("/no/such/program", []string{"x"}, attr); err != syscall.ENOENT {
		t.Errorf("a missing program: got %v, want ENOENT", err)
	}
	attr.Files = []uintptr{0, 1, 9999}
	if _, err := f.fork("/bin/true", []string{"true"}, attr); err != errForker {
		t.Errorf("a descriptor that is not open: got %v, want errForker", err)
	}
}
