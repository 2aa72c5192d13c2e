//go:build linux

package procman

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gosup/spec"
	"gosup/tree"
)

// tell is a command line that says with which rights it runs.
const tell = `umask; nice; cat /proc/self/oom_score_adj
grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs):' /proc/self/status | tr -s '\t ' ' ' | sed 's/ *$//'
grep -E 'open files|core file|processes' /proc/self/limits | tr -s ' ' | sed 's/ [a-z]* *$//'
pwd; echo done`

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
}

func set[T any](v T) *T { return &v }

// none is a user that no account here has.
var none = spec.User{UID: 47110, GID: 47111, Groups: []uint32{47112, 47113}}

const zeroCaps = "0000000000000000"

func TestRights(t *testing.T) {
	needRoot(t)
	bind := spec.CapSet(1 << 10)
	tests := []struct {
		name   string
		rights spec.Rights
		want   []string
		not    []string
	}{
		{"user", spec.Rights{User: &none},
			[]string{"Uid: 47110 47110 47110 47110", "Gid: 47111 47111 47111 47111", "Groups: 47112 47113",
				"CapPrm: " + zeroCaps, "CapEff: " + zeroCaps, "CapAmb: " + zeroCaps, "NoNewPrivs: 0"},
			[]string{"CapBnd: " + zeroCaps}},
		{"user without groups", spec.Rights{User: &spec.User{UID: 1, GID: 2}, Umask: set(uint32(0o27))},
			[]string{"Uid: 1 1 1 1", "Gid: 2 2 2 2", "Groups:", "0027", "CapPrm: " + zeroCaps}, nil},
		{"umask", spec.Rights{Umask: set(uint32(0o77))}, []string{"0077", "Uid: 0 0 0 0"}, nil},
		{"limits", spec.Rights{Limits: []spec.Limit{{Resource: "nofile", Soft: 77, Hard: 99}, {Resource: "core", Soft: 0, Hard: spec.Unlimited}}},
			[]string{"Max open files 77 99", "Max core file size 0 unlimited"}, nil},
		{"no processes", spec.Rights{User: &none, Limits: []spec.Limit{{Resource: "nproc", Soft: 50, Hard: 50}}},
			[]string{"Max processes 50 50", "Uid: 47110 47110 47110 47110"}, nil},
		{"nice", spec.Rights{Nice: set(7)}, []string{"7"}, nil},
		{"oom", spec.Rights{OOMScoreAdj: set(321)}, []string{"321"}, nil},
		{"no new privileges", spec.Rights{NoNewPrivileges: true}, []string{"NoNewPrivs: 1"}, nil},
		{"root without capabilities", spec.Rights{Capabilities: &spec.Capabilities{Limited: true}},
			[]string{"Uid: 0 0 0 0", "CapPrm: " + zeroCaps, "CapEff: " + zeroCaps, "CapBnd: " + zeroCaps, "CapAmb: " + zeroCaps}, nil},
		{"root with one", spec.Rights{Capabilities: &spec.Capabilities{Limited: true, Keep: bind}},
			[]string{"CapPrm: 0000000000000400", "CapEff: 0000000000000400", "CapBnd: 0000000000000400"}, nil},
		{"user with one", spec.Rights{User: &none, Capabilities: &spec.Capabilities{Limited: true, Keep: bind, Ambient: bind}},
			[]string{"Uid: 47110 47110 47110 47110", "CapInh: 0000000000000400", "CapPrm: 0000000000000400",
				"CapEff: 0000000000000400", "CapBnd: 0000000000000400", "CapAmb: 0000000000000400"}, nil},
		{"user with one, unbounded", spec.Rights{User: &none, Capabilities: &spec.Capabilities{Ambient: bind}},
			[]string{"CapPrm: 0000000000000400", "CapEff: 0000000000000400", "CapAmb: 0000000000000400"},
			[]string{"CapBnd: 0000000000000400"}},
		{"user with what is kept alone", spec.Rights{User: &none, Capabilities: &spec.Capabilities{Limited: true, Keep: bind}},
			[]string{"CapPrm: " + zeroCaps, "CapEff: " + zeroCaps, "CapBnd: 0000000000000400", "CapAmb: " + zeroCaps}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, handOptions{})
			l := r.shell(tell)
			l.Dir, l.Rights = "/", tt.rights
			l.Files[2] = 2
			run := r.start(l)
			pid := r.started(run).PID
			var got []string
			for text := range r.lines[run].lines {
				if got = append(got, text); text == "done" {
					break
				}
			}
			wantLines(t, got, append(tt.want, "/")...)
			for _, line := range got {
				for _, n := range tt.not {
					if line == n {
						t.Errorf("line %q", line)
					}
				}
			}
			if e := r.exited(run); e.Exit.Code != 0 || e.Exit.Ran <= 0 {
				t.Errorf("pid %d: %+v", pid, e)
			}
		})
	}
}

// TestFailedStepRunsNothing has each step fail that can be made to.
func TestFailedStepRunsNothing(t *testing.T) {
	needRoot(t)
	all := spec.CapSet(1) << 63
	groups := make([]uint32, 70000)
	tests := []struct {
		name   string
		rights spec.Rights
		break_ func(*launch)
		want   string
	}{
		{"oom_score_adj", spec.Rights{OOMScoreAdj: set(2000)}, nil, "set oom_score_adj 2000: invalid argument"},
		{"limit", spec.Rights{Limits: []spec.Limit{{Resource: "nofile", Soft: 9, Hard: 8}}}, nil, "set limit nofile to 9:8: invalid argument"},
		{"limit of the kernel", spec.Rights{Limits: []spec.Limit{{Resource: "nofile", Soft: math.MaxInt64, Hard: math.MaxInt64}}}, nil,
			"set limit nofile to 9223372036854775807:9223372036854775807: operation not permitted"},
		{"unknown limit", spec.Rights{Limits: []spec.Limit{{Resource: "luck"}}}, nil, "set limit luck: invalid argument"},
		{"groups", spec.Rights{Umask: set(uint32(0)), User: &spec.User{UID: 1, GID: 1, Groups: groups}}, nil, "set 70000 supplementary groups: invalid argument"},
		{"group", spec.Rights{Umask: set(uint32(0)), User: &spec.User{UID: 1, GID: math.MaxUint32}}, nil, "set group 4294967295: invalid argument"},
		{"user", spec.Rights{Umask: set(uint32(0)), User: &spec.User{UID: math.MaxUint32, GID: 1}}, nil, "set user 4294967295: invalid argument"},
		{"user, plain", spec.Rights{User: &spec.User{UID: math.MaxUint32, GID: 1}}, nil, "exec /bin/sh: invalid argument"},
		{"capability", spec.Rights{User: &none, Capabilities: &spec.Capabilities{Ambient: all}}, nil, "make capability 63 ambient: invalid argument"},
		{"kept capability", spec.Rights{User: &none, Capabilities: &spec.Capabilities{Limited: true, Ambient: 1}}, nil, "set capabilities: operation not permitted"},
		{"folder", spec.Rights{Umask: set(uint32(0))}, func(l *launch) { l.Dir += "/missing" }, "/missing: no such file or directory"},
		{"program", spec.Rights{Umask: set(uint32(0))}, func(l *launch) { l.Argv[0] = "no-such-program" }, "exec no-such-program: not found in PATH"},
		{"format", spec.Rights{Umask: set(uint32(0))}, func(l *launch) {
			l.Argv = []string{filepath.Join(l.Dir, "junk")}
			os.WriteFile(l.Argv[0], []byte{0, 1}, 0o755)
		}, "junk: exec format error"},
		{"private program", spec.Rights{User: &none, Umask: set(uint32(0))}, private, "permission denied"},
		{"private program, plain", spec.Rights{User: &none}, private, "private in / as user 47110: permission denied"},
		{"arguments", spec.Rights{Umask: set(uint32(0))}, func(l *launch) { l.Argv = append(l.Argv, strings.Repeat("x", 1<<20)) },
			"exec /bin/sh: argument list too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, handOptions{})
			mark := filepath.Join(t.TempDir(), "ran")
			l := r.shell("echo > " + mark)
			l.Rights = tt.rights
			if tt.break_ != nil {
				tt.break_(&l)
			}
			r.hand.start(l)
			e := r.wait("an answer", func(e tree.Event) bool {
				switch e := e.(type) {
				case tree.Started:
					return e.Run == l.Run
				case tree.StartFailed:
					return e.Run == l.Run
				}
				return false
			})
			if f, ok := e.(tree.StartFailed); !ok || !strings.Contains(f.Why, tt.want) || f.Busy {
				t.Errorf("got %+v, want %q", e, tt.want)
			}
			code := 126
			if strings.Contains(tt.want, "not found") || strings.Contains(tt.want, "no such file") {
				code = 127
			}
			if f, _ := e.(tree.StartFailed); f.Code != code {
				t.Errorf("got code %d, want %d", f.Code, code)
			}
			if _, err := os.Stat(mark); err == nil {
				t.Error("the command was run")
			}
		})
	}
}

func private(l *launch) {
	path := filepath.Join(l.Dir, "private")
	os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700)
	l.Argv, l.Dir = []string{path}, "/"
}

// TestUnprivilegedDaemon runs a daemon that may do little: it refuses what it
// cannot do, and does the rest.
func TestUnprivilegedDaemon(t *testing.T) {
	needRoot(t)
	tests := []struct {
		name   string
		rights spec.Rights
		want   string
	}{
		{"itself", spec.Rights{User: &none}, "exited 0 0"},
		{"itself, with more groups", spec.Rights{User: &spec.User{UID: none.UID, GID: none.GID, Groups: []uint32{47112, 47113, 47114}}}, "exited 0 0"},
		{"itself, with fewer groups", spec.Rights{User: &spec.User{UID: none.UID, GID: none.GID}},
			"failed set 0 supplementary groups: operation not permitted"},
		{"another", spec.Rights{User: &spec.User{UID: 3, GID: 3, Groups: none.Groups}},
			"failed set 2 supplementary groups: operation not permitted"},
		{"nicer", spec.Rights{Nice: set(5)}, "exited 0 0"},
		{"less nice", spec.Rights{Nice: set(-5)}, "failed set nice -5: permission denied"},
		{"less killable", spec.Rights{OOMScoreAdj: set(-500)}, "failed set oom_score_adj -500: permission denied"},
		{"more", spec.Rights{Limits: []spec.Limit{{Resource: "nofile", Soft: 1 << 29, Hard: 1 << 29}}},
			"failed set limit nofile to 536870912:536870912: operation not permitted"},
		{"bound", spec.Rights{Capabilities: &spec.Capabilities{Limited: true}}, "failed drop capability CHOWN: operation not permitted"},
		{"no new privileges", spec.Rights{NoNewPrivileges: true, Umask: set(uint32(0o77))}, "exited 0 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := json.Marshal(tt.rights)
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("PROCMAN_TEST_RIGHTS", string(text))
			cmd := exec.Command("/proc/self/exe", "--", "/bin/sh", "-c", "exit 0")
			cmd.Dir = "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: none.UID, Gid: none.GID, Groups: none.Groups}}
			got, _ := daemonOutput(cmd, "daemon")
			wantLines(t, got, tt.want)
		})
	}
}

// TestKilledWhilePreparing kills a run before its shim can do anything.
func TestKilledWhilePreparing(t *testing.T) {
	needRoot(t)
	r := newRig(t, handOptions{})
	for range 20 {
		l := r.shell("exec sleep 100")
		l.Rights.Umask = set(uint32(0o22))
		r.hand.start(l)
		r.kill(l.Run, syscall.SIGTERM, spec.KillTree)
		r.kill(l.Run, syscall.SIGKILL, spec.KillTree)
		r.over(l.Run)
	}
}

// TestSignalsWaitForTheCommand sends TERM while the shim is at work: it is the
// command that gets it.
func TestSignalsWaitForTheCommand(t *testing.T) {
	r := newRig(t, handOptions{})
	// No Go program: those drop the signals that come before they ask for any.
	l := r.shell("exec sleep 100")
	l.Rights.Umask = set(uint32(0o22))
	r.hand.start(l)
	r.kill(l.Run, syscall.SIGUSR1, spec.KillTree)
	r.started(l.Run)
	if e := r.exited(l.Run); e.Exit.Signal != int(syscall.SIGUSR1) {
		t.Errorf("got %+v", e.Exit)
	}
}

// TestShimIsNotForPeople calls it by hand.
func TestShimIsNotForPeople(t *testing.T) {
	for _, args := range [][]string{{"shim"}, {"shim", "x"}, {"shim", "1"}, {"shim", "77"}} {
		cmd := exec.Command(os.Args[0], args...)
		out, err := cmd.CombinedOutput()
		if want := "gosup: shim is for gosup itself to call\n"; err == nil || cmd.ProcessState.ExitCode() != 2 || string(out) != want {
			t.Errorf("%v: got %q, %v", args, out, err)
		}
	}
}

// TestParseReport reads what shims may leave behind.
func TestParseReport(t *testing.T) {
	t.Parallel()
	early := "gosup shim ended before it could run the command"
	for text, want := range map[string]string{
		"x":                        "<nil>",
		"":                         early,
		"f":                        early,
		"f\x1a\x00\x00\x00busy":    "busy",
		"xf\x1a\x00\x00\x00busy":   "busy",
		"xf\x1a":                   early,
		"panic: of a Go program\n": early,
	} {
		if got := fmt.Sprint(parseReport([]byte(text))); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestPathOfUser has another user than the daemon find a program: in folders
// that it may not enter, and where it may not execute what is there, it is not.
func TestPathOfUser(t *testing.T) {
	needRoot(t)
	top, err := os.MkdirTemp("", "path")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	place := func(name string, dirMode, mode os.FileMode) string {
		dir := filepath.Join(top, name)
		for _, err := range []error{
			os.MkdirAll(dir, 0o755),
			os.WriteFile(filepath.Join(dir, "prog"), []byte("#!/bin/sh\necho "+name+"\n"), mode),
			os.Chmod(filepath.Join(dir, "prog"), mode), os.Chmod(dir, dirMode), os.Chmod(top, 0o755),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	closed, theirs := place("closed", 0o700, 0o755), place("theirs", 0o755, 0o700)
	open, last := place("open", 0o755, 0o755), place("last", 0o755, 0o755)
	for name, tt := range map[string]struct {
		path []string
		user *spec.User
		want string // what it says, or why it does not start
	}{
		"passed over":   {[]string{"/nowhere", closed, theirs, closed, open, last}, &none, "open"},
		"nothing left":  {[]string{theirs, closed, theirs}, &none, "exec prog in / as user 47110: permission denied"},
		"of the daemon": {[]string{closed, open}, nil, "closed"},
	} {
		for _, shimmed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/shim=%v", name, shimmed), func(t *testing.T) {
				r := newRig(t, handOptions{})
				l := r.shell("")
				l.Argv, l.Dir, l.Env, l.Rights.User = []string{"prog"}, "/", []string{"PATH=" + strings.Join(tt.path, ":")}, tt.user
				if shimmed {
					l.Rights.Nice = set(1)
				}
				run := r.start(l)
				e := r.wait("an answer", func(e tree.Event) bool { return e != nil })
				if f, failed := e.(tree.StartFailed); failed {
					if f.Why != tt.want && !(shimmed && strings.HasSuffix(f.Why, "permission denied") && name == "nothing left") {
						t.Errorf("got %q, want %q", f.Why, tt.want)
					}
					return
				}
				if got := r.line(run, ""); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				r.exited(run)
			})
		}
	}
}
