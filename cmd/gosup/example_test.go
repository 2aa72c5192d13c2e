package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// exampleProcess is what the test wants of a line of ctl status -o json.
type exampleProcess struct {
	Name, State, Reason string
	Health              string
	WaitingOn           []string `json:"waiting_on"`
	PID, Restarts       int
	Total               int `json:"total_restarts"`
	Max                 int `json:"max_restarts"`
	LastExit            *struct {
		Code   *int
		Signal string
	} `json:"last_exit"`
}

// exited reports whether the last run ended with this code.
func (p exampleProcess) exited(code int) bool {
	return p.LastExit != nil && p.LastExit.Code != nil && *p.LastExit.Code == code
}

// exampleDaemon is a gosup run of a copy of the example.
type exampleDaemon struct {
	t    *testing.T
	dir  string
	file string
	cmd  *exec.Cmd
	web  string // where its web server listens
	back string // where its backend would
}

func startExample(t *testing.T) *exampleDaemon {
	t.Helper()
	// Not t.TempDir: the path of a socket in it would be too long.
	dir, err := os.MkdirTemp("", "gosup")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	text, err := os.ReadFile("../../configs/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := &exampleDaemon{t: t, dir: dir, file: filepath.Join(dir, "example.yaml"), web: freeAddress(t), back: freeAddress(t)}
	if err := os.WriteFile(d.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	d.cmd = exec.CommandContext(t.Context(), "gosup", "run", "-c", d.file)
	d.cmd.Env = append(os.Environ(), "WEB_PORT="+portOf(d.web), "BACKEND_PORT="+portOf(d.back))
	d.cmd.Stderr = os.Stderr
	// Asked to end, so that its processes end with it should the test fail.
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	d.cmd.WaitDelay = patience
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.cmd.Wait() })
	socket := filepath.Join(dir, ".gosup", "run", "gosup.sock")
	poll(t, "a socket", func() bool { _, err := os.Stat(socket); return err == nil })
	return d
}

// ctl runs gosup ctl, which must succeed.
func (d *exampleDaemon) ctl(args ...string) {
	d.t.Helper()
	out, err := exec.Command("gosup", append([]string{"ctl", "-c", d.file}, args...)...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("ctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// status returns the processes by name.
func (d *exampleDaemon) status() map[string]exampleProcess {
	d.t.Helper()
	// The exit code depends on who is in backoff just then.
	text, _ := exec.Command("gosup", "ctl", "-c", d.file, "status", "-o", "json").Output()
	var list []exampleProcess
	if err := json.Unmarshal(text, &list); err != nil {
		d.t.Fatalf("%v in %s", err, text)
	}
	byName := map[string]exampleProcess{}
	for _, p := range list {
		byName[p.Name] = p
	}
	return byName
}

// counted waits until the counter of the example has counted n starts.
func (d *exampleDaemon) counted(n int) {
	d.t.Helper()
	log := filepath.Join(d.dir, ".gosup/log/counter.log")
	poll(d.t, fmt.Sprintf("start %d of counter", n), func() bool {
		text, _ := os.ReadFile(log)
		return strings.Contains(string(text), fmt.Sprintf("start %d, counted in ", n))
	})
}

// TestExampleCounts: the counter goes on after kill -9, a restart, and the loss
// of its file.
func TestExampleCounts(t *testing.T) {
	t.Parallel()
	d := startExample(t)
	d.counted(1)
	d.ctl("signal", "KILL", "counter")
	d.counted(2)
	d.ctl("restart", "counter")
	d.counted(3)
	d.ctl("stop", "counter")
	if err := os.Remove(filepath.Join(d.dir, ".gosup/state/processes/counter/starts")); err != nil {
		t.Fatal(err)
	}
	d.ctl("start", "counter")
	d.counted(4)
	text, err := os.ReadFile(filepath.Join(d.dir, ".gosup/log/counter.log"))
	if err != nil || !strings.Contains(string(text), "saved after: signalled SIGKILL") || !strings.Contains(string(text), "saved after: stopped") {
		t.Errorf("the hook says %s, %v", text, err)
	}
	d.ctl("shutdown")
}

// TestExampleRuns: each process of the example does what its comment says, and
// the shutdown leaves nothing behind.
func TestExampleRuns(t *testing.T) {
	t.Parallel()
	d := startExample(t)
	d.ctl("wait", "steady", "--for", "running", "--timeout", "20s")
	killed := d.status()["steady"].PID
	if killed <= 1 {
		t.Fatalf("steady runs as pid %d", killed)
	}
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var steady exampleProcess
	poll(t, "steady's next run", func() bool {
		steady = d.status()["steady"]
		return steady.State == "running" && steady.PID != killed
	})
	if steady.Restarts != 1 || steady.Max != 5 || steady.LastExit == nil || steady.LastExit.Signal != "SIGKILL" {
		t.Errorf("steady after kill -9: got %+v", steady)
	}

	d.ctl("wait", "setup", "--for", "exited", "--timeout", "20s")
	d.ctl("wait", "doomed", "--for", "failed", "--timeout", "20s")
	d.ctl("wait", "crasher", "--for", "running", "--timeout", "20s")
	all := d.status()
	if p := all["doomed"]; p.Total != 3 || p.Reason == "" || !p.exited(3) {
		t.Errorf("doomed: got %+v, want 3 restarts, a reason and code 3", p)
	}
	if p := all["setup"]; p.Total != 0 || !p.exited(0) {
		t.Errorf("setup: got %+v, want success at the first time", p)
	}
	if p := all["crasher"]; p.Total < 1 || !p.exited(7) {
		t.Errorf("crasher: got %+v, want a restart or more, after code 7", p)
	}

	d.wantBackend()
	d.ctl("wait", "web", "--for", "degraded", "--timeout", "20s")
	if p := d.status()["web"]; p.Total != 0 || p.State != "running" {
		t.Errorf("web: got %+v, want that degraded is only shown", p)
	}

	d.ctl("shutdown")
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("gosup run: got %v, want exit code 0", err)
	}
	d.wantNothingLeft(all)
}

// wantBackend sees the client wait for its backend, starts that, and sees the
// client come back.
func (d *exampleDaemon) wantBackend() {
	d.t.Helper()
	d.ctl("wait", "client", "--for", "waiting", "--timeout", "20s")
	p := d.status()["client"]
	if p.Restarts != 0 || len(p.WaitingOn) != 1 || p.WaitingOn[0] != "backend" || !strings.Contains(p.Reason, "circuit breaker") {
		d.t.Errorf("client without its backend: got %+v", p)
	}
	backend, err := startProgram(d.dir, "backend", os.Environ(), []string{"gosup", "demo", "--http", d.back})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(backend.stop)
	d.ctl("wait", "client", "--for", "running", "--timeout", "20s")
	if p := d.status()["client"]; p.Restarts != 0 {
		d.t.Errorf("client with its backend: got %+v", p)
	}
}

// wantNothingLeft looks for what a shutdown must not leave behind.
func (d *exampleDaemon) wantNothingLeft(all map[string]exampleProcess) {
	d.t.Helper()
	filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&(fs.ModeSocket|fs.ModeNamedPipe) != 0 {
			d.t.Errorf("left behind: %s, %v", path, err)
		}
		return nil
	})
	for name, p := range all {
		if p.PID > 0 && syscall.Kill(p.PID, 0) == nil {
			d.t.Errorf("%s is still there", name)
		}
	}
}

// poll looks again and again until something is so.
func poll(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for look := time.Tick(10 * time.Millisecond); !so(); {
		select {
		case <-look:
		case <-deadline:
			t.Fatalf("no %s after %v", what, patience)
		}
	}
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
