package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pane is a terminal with a shell in it, which tmux(1) plays.
type pane struct {
	t    *testing.T
	sock string
}

// newPane opens a terminal in a folder. It is closed with the test.
func newPane(t *testing.T, dir string) *pane {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("no tmux: apt-get install tmux")
	}
	// A socket's path may not be long, and t.TempDir's may be.
	short, err := os.MkdirTemp("", "pane")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	p := &pane{t, filepath.Join(short, "tmux")}
	p.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-c", dir, "env", "PS1=$ ", "ENV=", "sh")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the screen:\n%s", p.screen())
		}
		p.tmux("kill-server")
	})
	return p
}

func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-u", "-S", p.sock}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%v: %v: %s", cmd.Args, err, out)
	}
	return string(out)
}

func (p *pane) keys(keys ...string) {
	p.t.Helper()
	p.tmux(append([]string{"send-keys"}, keys...)...)
}

func (p *pane) screen() string { return p.tmux("capture-pane", "-p") }

// shows waits until all of the texts are on the screen.
func (p *pane) shows(texts ...string) string {
	p.t.Helper()
	var screen, missing string
	if !eventually(func() bool {
		screen = p.screen()
		for _, missing = range texts {
			if !strings.Contains(screen, missing) {
				return false
			}
		}
		return true
	}) {
		p.t.Fatalf("the screen never shows %q:\n%s", missing, screen)
	}
	return screen
}

// The shipped binary on a real terminal: it shows, filters, stops by key, bears
// the end of its daemon, and leaves the terminal as it was.
func TestTopOnATerminal(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, `
processes:
  alpha: {command: [gosup, demo, --log-rate, "20"]}
  beta: {command: [gosup, demo]}
`)
	s.wait("running", "alpha", "beta")
	p := newPane(t, s.dir)
	p.keys("stty -g >before; echo left behind; gosup ctl top", "Enter")
	p.shows("gosup default", "2 processes: 2 running", "> alpha", "  beta", "── alpha ──", "demo: line ")

	p.keys("/", "b", "e")
	p.shows("filter: be_", "> beta", "── beta ──")
	p.keys("Enter", "x")
	p.shows("stop beta? y: yes")
	p.keys("n")
	p.shows("left alone")
	p.keys("x", "y")
	p.shows("beta: stopped", "1 running, 1 stopped")
	s.wait("stopped", "beta")
	p.keys("w")
	p.shows("why beta", "beta is stopped since", "gosup ctl start beta")
	p.keys("q")
	p.shows("> beta")
	p.keys("Escape")
	p.shows("  alpha")

	s.stop()
	p.shows("gosup is gone, trying again")
	again := startSupervisorIn(t, s.dir, []string{"gosup", "run"})
	again.wait("running", "alpha")
	p.shows("gosup default")

	p.tmux("resize-window", "-x", "40", "-y", "10")
	if !eventually(func() bool { return strings.Contains(p.screen(), "? help  q quit  ↑↓ select  enter output…") }) {
		t.Errorf("the footer does not fit 40 columns:\n%s", p.screen())
	}

	p.keys("q")
	// Not before there is a prompt: until top has ended, it takes the keys.
	if screen := p.shows("left behind\n$"); strings.Contains(screen, "gosup default") {
		t.Errorf("the shell's screen is not back:\n%s", screen)
	}
	p.keys("echo code $?; stty -g >after; echo over", "Enter")
	p.shows("code 0", "\nover")
	if got := strings.TrimSpace(p.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}")); got != "0 1 0" {
		t.Errorf("alternate screen, cursor, mouse: got %s, want 0 1 0", got)
	}
	before, err := os.ReadFile(filepath.Join(s.dir, "before"))
	if err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(filepath.Join(s.dir, "after")); err != nil || string(after) != string(before) {
		t.Errorf("modes of the terminal: before %safter %s%v", before, after, err)
	}
}
