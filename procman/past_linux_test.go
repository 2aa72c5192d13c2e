package procman

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosup/journal"
	"gosup/spec"
	"gosup/tree"
)

// started starts this binary in a role, with a tag, as the leader of a session.
// It ends with the test.
func started(t *testing.T, tag, role string, args ...string) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "PROCMAN_TEST_ROLE="+role, "GOSUP_RUN="+tag)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 64)); err != nil { // it says that it is ready
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// A pid alone is not believed: nor one with another start, of another boot, or
// that carries the mark of another supervisor.
func TestFindRuns(t *testing.T) {
	const boot = "this boot"
	web := started(t, "me/web/7", "sleep")
	other := started(t, "you/web/7", "sleep")
	lost := started(t, "me/lost/3", "sleep")
	hook := started(t, "me/web/7/post_start", "sleep")
	start := startOf(web)
	if start == 0 {
		t.Fatal("no start time")
	}
	find := func(recs ...runRecord) map[string]*found {
		p := openProc("/proc", &reserve{})
		defer p.close()
		got := map[string]*found{}
		for _, f := range findRuns(p, "me", recs, boot) {
			got[runTag{"me", f.name, f.run, f.task}.String()] = f
		}
		return got
	}
	rec := runRecord{Name: "web", Run: 7, PID: web, Start: start, Inode: inodeOf(web), Boot: boot, StartedAt: 55}
	if onPidfs() == (inodeOf(web) == inodeOf(other)) {
		t.Errorf("pidfs: %v, inodes %d and %d", onPidfs(), inodeOf(web), inodeOf(other))
	}
	got := find(rec)
	if f := got["me/web/7"]; f == nil || f.pid != web || f.startedAt != 55 || len(f.others) != 0 {
		t.Errorf("recorded: %+v", f)
	}
	if f := got["me/lost/3"]; f == nil || f.pid != lost {
		t.Errorf("not recorded, found by its mark: %+v", f)
	}
	if f := got["me/web/7/post_start"]; f == nil || f.pid != hook {
		t.Errorf("a hook: %+v", f)
	}
	if len(got) != 3 {
		t.Errorf("found %v", got)
	}
	for name, change := range map[string]func(*runRecord){
		"start alone": func(r *runRecord) { r.Inode = 0 },
		"inode alone": func(r *runRecord) { r.Start = 0 },
	} {
		if name == "inode alone" && !onPidfs() {
			continue
		}
		known := rec
		change(&known)
		if f := find(known)["me/web/7"]; f == nil || f.pid != web || f.start != start {
			t.Errorf("%s: found %+v", name, f)
		}
	}
	for name, change := range map[string]func(*runRecord){
		"another start":      func(r *runRecord) { r.Start++ },
		"another inode":      func(r *runRecord) { r.Inode = inodeOf(other) },
		"another boot":       func(r *runRecord) { r.Boot = "another" },
		"another supervisor": func(r *runRecord) { r.PID, r.Start, r.Name = other, startOf(other), "web" },
		"nothing to tell":    func(r *runRecord) { r.Start, r.Inode = 0, 0 },
		"no such pid":        func(r *runRecord) { r.PID = 1 << 22 },
		"init":               func(r *runRecord) { r.PID, r.Start = 1, startOf(1) },
	} {
		if name == "another inode" && !onPidfs() {
			continue
		}
		bad := rec
		bad.Run = 9
		change(&bad)
		if f := find(bad)["me/web/9"]; f != nil {
			t.Errorf("%s: found %+v", name, f)
		}
	}
}

// What two daemons in a row know of each other is what was written, whatever
// else lies in the file.
func TestRecords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if list, left := readRecords(dir); left || list != nil {
		t.Errorf("an empty folder: %v, %v", list, left)
	}
	r := newRecords(dir)
	for i := range 20 {
		r.add(runRecord{Name: "p", Node: tree.NodeID(i), Run: 1, PID: 100 + i, Start: 5, Boot: "b"})
	}
	r.add(runRecord{Name: strings.Repeat("long", 200), Node: 99, Run: 1, PID: 7}) // found by its mark
	for i := range 19 {
		r.drop(runKey{tree.NodeID(i), 1})
	}
	r.add(runRecord{Name: "q\n\"", Node: 50, Run: 2, PID: 300})
	list, left := readRecords(dir)
	if !left || len(list) != 2 {
		t.Fatalf("%v, %+v", left, list)
	}
	// Another daemon takes over; until it has, the old file is there.
	s := newRecords(dir)
	if err := s.inherit(list[:1]); err != nil {
		t.Fatal(err)
	}
	if list, _ = readRecords(dir); len(list) != 1 {
		t.Errorf("%+v", list)
	}
	for _, rec := range list {
		s.drop(runKey{rec.Node, rec.Run})
	}
	s.close()
	if _, left := readRecords(dir); left {
		t.Error("an orderly end leaves records")
	}
	garbage := append(bytes.Repeat([]byte("x"), 700), []byte(`{"name":"w","run":1,"pid":5}`)...)
	if err := os.WriteFile(recordsFile(dir), garbage, 0o600); err != nil {
		t.Fatal(err)
	}
	if list, left := readRecords(dir); !left || len(list) != 0 {
		t.Errorf("garbage: %v, %+v", left, list)
	}
}

// Files that others may have written, or that are no files, are not read; the
// daemon begins without them and keeps them.
func TestPastSetAside(t *testing.T) {
	t.Parallel()
	var whole []byte
	{
		var s journal.Saver
		var err error
		if whole, err = s.Encode(&journal.State{Supervisor: "0123456789abcdef", Image: &tree.Image{At: 5}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name string
		make func(file string) error
		want string // in the warning; "" for none
	}{
		{"whole", func(f string) error { return os.WriteFile(f, whole, 0o600) }, ""},
		{"missing", func(string) error { return nil }, ""},
		{"empty", func(f string) error { return os.WriteFile(f, nil, 0o600) }, "no gosup state"},
		{"cut short", func(f string) error { return os.WriteFile(f, whole[:len(whole)-9], 0o600) }, "damaged"},
		{"newer", func(f string) error {
			return os.WriteFile(f, bytes.Replace(whole, []byte(`"version":2`), []byte(`"version":7`), 1), 0o600)
		}, "version 7"},
		{"garbage", func(f string) error { return os.WriteFile(f, []byte("\x00\xff\n\n{}"), 0o600) }, "no gosup state"},
		{"a link", func(f string) error {
			if err := os.WriteFile(f+".target", whole, 0o600); err != nil {
				return err
			}
			return os.Symlink(f+".target", f)
		}, "too many levels"},
		{"a folder", func(f string) error { return os.Mkdir(f, 0o700) }, "no regular file"},
		{"a FIFO", func(f string) error { return syscall.Mkfifo(f, 0o600) }, "no regular file"},
		{"of everybody", func(f string) error {
			return errors.Join(os.WriteFile(f, whole, 0o600), os.Chmod(f, 0o666))
		}, "written by others"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := stateFile(dir)
			if err := test.make(file); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			p := OpenPast(spec.Supervisor{StateDir: dir}, slog.New(slog.NewTextHandler(&log, nil)))
			if (p.state != nil) != (test.name == "whole") {
				t.Errorf("state %+v", p.state)
			}
			if test.want == "" {
				if log.Len() > 0 {
					t.Error(log.String())
				}
				return
			}
			if !strings.Contains(log.String(), test.want) || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("want one warning with %q, got %s", test.want, log.String())
			}
			if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("it is still there: %v", err)
			}
			if _, err := os.Lstat(file + ".unusable"); err != nil {
				t.Error(err)
			}
		})
	}
}

// playSaver saves ever newer states until it is killed.
func playSaver(args []string) {
	for n := uint64(1); ; n++ {
		var s journal.Saver
		image := &tree.Image{At: tree.Time(n), Random: n}
		for range 200 {
			image.Nodes = append(image.Nodes, &tree.NodeImage{Name: "p", Run: n})
		}
		data, err := s.Encode(&journal.State{Image: image})
		if err == nil {
			err = writeWhole(args[0], data, n%2 == 0)
		}
		if err != nil {
			panic(err)
		}
		if n == 1 {
			ready()
		}
	}
}

// A daemon that is killed at any moment of saving leaves a whole state, the old
// one or the new one.
func TestSaveKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "gosup.state")
	r := rand.New(rand.NewPCG(3, 3))
	last, span := uint64(0), 3*time.Millisecond
	for range 40 {
		cmd := exec.Command(os.Args[0], file)
		cmd.Env = append(os.Environ(), "PROCMAN_TEST_ROLE=saver")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 16)); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(r.Int64N(int64(span)))) // any moment will do
		cmd.Process.Kill()
		cmd.Wait()
		data, err := readOwn(file, maxStateBytes)
		if err != nil {
			t.Fatal(err)
		}
		s, err := journal.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		last += s.Image.Random
		if s.Image.Random == 1 {
			span = min(2*span, time.Second) // a slow machine
		}
		for _, n := range s.Image.Nodes {
			if n.Run != s.Image.Random {
				t.Fatalf("a mixture: run %d in state %d", n.Run, s.Image.Random)
			}
		}
	}
	if last <= 40 {
		t.Error("it was always killed at its first state")
	}
}

// A handoff that was cut short anywhere, or changed, is no handoff.
func TestHandoffDamaged(t *testing.T) {
	t.Parallel()
	var s journal.Saver
	state, err := s.Encode(&journal.State{Image: &tree.Image{At: 5, Nodes: []*tree.NodeImage{{Name: "web\n", Status: "a\nREADY=1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	h := &Handoff{Version: "v\n1", By: "uid 0", Why: "\",\"lock\":9", State: state, Outputs: []int{5, 6},
		Events: journal.Events{tree.Exited{Node: 2, Run: 1, Exit: tree.Exit{Code: 3}}, tree.Shutdown{By: "SIGTERM"}},
		Ears:   []heldEar{{2, 0, 7}}, Hooks: []heldHook{{Node: 2, Run: 1, Moment: spec.PostStop, TaskPID: 77}}}
	body, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	data := journal.Seal(handoffFormat, handoffVersion, body)
	got, err := decodeHandoff(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(got)
	if err != nil || !bytes.Equal(again, body) {
		t.Errorf("%v: got %s\nwant %s", err, again, body)
	}
	if got.Lock != 0 || got.Why != h.Why {
		t.Errorf("a text became a number: %+v", got)
	}
	for n := range data {
		if _, err := decodeHandoff(data[:n]); err == nil {
			t.Fatalf("cut to %d of %d bytes it was taken", n, len(data))
		}
		bad := bytes.Clone(data)
		bad[n] ^= 0x20
		if _, err := decodeHandoff(bad); err == nil && n > bytes.IndexByte(data, '\n') {
			t.Fatalf("with byte %d changed it was taken", n)
		}
	}
}
