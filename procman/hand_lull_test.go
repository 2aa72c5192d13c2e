//go:build linux

package procman

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"gosup/tree"

	"golang.org/x/sys/unix"
)

// stillHand returns a hand that keeps still for a run that has just begun, and
// what it tells.
func stillHand() (*hand, *[]tree.Event) {
	told := new([]tree.Event)
	h := &hand{
		emit: func(e tree.Event) { *told = append(*told, e) },
		now:  func() tree.Time { return 0 },
		held: map[runKey]*startOrder{},
	}
	h.mail.wake = make(chan struct{}, 1)
	h.waiter.reaped = make(chan struct{}, 1)
	h.still.open()
	h.keepStill()
	h.still.begun = &child{runKey: runKey{1, 2}, pid: 42}
	return h, told
}

// TestHandStirs: who asks the hand for something, or has a second start for it,
// waits for nobody; the end of a child does.
func TestHandStirs(t *testing.T) {
	t.Parallel()
	start := message{start: &startOrder{launch: launch{Node: 2, Run: 1}}}
	tests := []struct {
		name  string
		mail  []message
		dead  bool
		begun bool // it has forked since the end
		stirs bool
	}{
		{"nothing", nil, false, true, false},
		{"an end", nil, true, true, false},
		{"the start", []message{start}, false, false, false},
		{"another start", []message{start}, false, true, true},
		{"two starts", []message{start, {start: &startOrder{launch: launch{Node: 3, Run: 1}}}}, false, false, true},
		{"a signal", []message{{signal: tree.Signal{Node: 1, Run: 1, Signal: int(syscall.SIGTERM)}}}, false, true, true},
		{"a signal before the start", []message{{signal: tree.Signal{Node: 1, Run: 1, Signal: int(syscall.SIGTERM)}}}, false, false, true},
		{"its end", []message{{retire: true}}, false, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, told := stillHand()
			want := []tree.Event{tree.Started{Node: 1, Run: 2, PID: 42}}
			if !tt.begun {
				h.still.begun, want = nil, nil
			}
			for _, m := range tt.mail {
				h.mail.put(m)
			}
			h.dead = tt.dead
			h.turn()
			if stirred := !h.still.kept; stirred != tt.stirs || len(h.waiter.reaped) == 1 != tt.stirs {
				t.Errorf("stirs: %v, the waiter waits again: %d", stirred, len(h.waiter.reaped))
			}
			if h.dead != tt.dead {
				t.Error("it was reaped")
			}
			h.stir()
			h.stir()
			if !slices.Equal(*told, want) {
				t.Errorf("told: %+v", *told)
			}
		})
	}
}

// TestHandSeesWhoEndsInALull: the end of another while it keeps still is seen
// after that, and so is that of the run that it keeps still for.
func TestHandSeesWhoEndsInALull(t *testing.T) {
	r := newRig(t, handOptions{})
	first, other := r.start(r.shell("exec sleep 100")), r.start(r.shell("exec sleep 100"))
	pid := r.started(other).PID
	r.kill(first, syscall.SIGKILL, 0)
	r.exited(first)
	next := r.shell("exit 3")
	r.hand.start(next)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.exited(other)
	if e := r.exited(next.Run); e.Exit.Code != 3 {
		t.Errorf("exit: %+v", e.Exit)
	}
}

// TestHandKeepsStillForRunsOnly: after the end of a run that comes alone, not
// after that of an orphan, of which a thousand may follow.
func TestHandKeepsStillForRunsOnly(t *testing.T) {
	for _, orphan := range []bool{false, true} {
		h, _ := stillHand()
		h.still.kept, h.still.begun = false, nil
		h.now = func() tree.Time { return tree.Time(time.Hour) }
		h.runs, h.leaders, h.heirs = map[runKey]*child{}, map[int]*child{}, map[int]*child{}
		h.kin.open(handOptions{proc: "/proc"}, &h.reserve, h.leaders)
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ended := waitFor(unix.P_PID, pid, 0); ended != pid {
			t.Fatalf("%d has ended, want %d", ended, pid)
		}
		if !orphan {
			c := &child{runKey: runKey{1, 2}, pid: pid, tty: -1}
			h.runs[c.runKey], h.leaders[pid] = c, c
			h.kin.born(c)
		}
		h.told = pid
		h.reap()
		if h.still.kept == orphan || len(h.waiter.reaped) == 1 != orphan {
			t.Errorf("orphan %v: keeps still: %v, the waiter waits again: %d", orphan, h.still.kept, len(h.waiter.reaped))
		}
		if n := h.strangers(); n == 1 != orphan {
			t.Errorf("orphan %v: %d strangers reaped", orphan, n)
		}
		h.kin.close()
	}
}

// TestHandTellsAtOnceOfWhoSpeaks: who hears a run knows it by its pid.
func TestHandTellsAtOnceOfWhoSpeaks(t *testing.T) {
	for _, speaks := range []bool{false, true} {
		h, told := stillHand()
		h.still.begun = nil
		h.runs, h.leaders = map[runKey]*child{}, map[int]*child{}
		h.kin.groups, h.kin.tags = map[int]*child{}, map[string]*child{}
		o := &startOrder{launch: launch{Node: 1, Run: 2, Argv: []string{"/bin/true"}, Speaks: speaks}}
		if err := h.forkPlain(o, nil); err != nil {
			t.Fatal(err)
		}
		for pid := range h.leaders {
			if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
				t.Error(err)
			}
		}
		if (len(*told) == 1) != speaks || (h.still.begun == nil) != speaks || !h.still.kept {
			t.Errorf("speaks %v: told %+v, begun %v", speaks, *told, h.still.begun)
		}
	}
}
