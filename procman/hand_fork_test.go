//go:build linux

package procman

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// TestHandForksACrowd starts so many at once that forkers do it: those that end
// at once, those that leave somebody behind at once, and those that cannot be
// executed, which is for the hand to explain.
func TestHandForksACrowd(t *testing.T) {
	root, err := makeCgroups("crowd")
	if err != nil {
		t.Log("without cgroups:", err)
	}
	var r *rig
	t.Cleanup(func() { // once the hand has ended
		if got := r.hand.forkers.count; got != maxForkers && !r.hand.noForker {
			t.Errorf("%d forkers have worked", got)
		}
	})
	r = newRig(t, handOptions{cgroups: root})
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	const n = 60
	for i := range n {
		r.hand.start(r.shell(fmt.Sprintf("exit %d", i)))
		r.hand.start(r.shell("setsid sleep 100 & exit 0"))
		l := r.launch("none")
		l.Argv = []string{text}
		r.hand.start(l)
	}
	for i := range uint64(n) {
		if e := r.exited(3*i + 1); e.Exit.Code != int(i) || e.Left {
			t.Errorf("run %d: got %+v", 3*i+1, e)
		}
		if e := r.exited(3*i + 2); !e.Left {
			t.Errorf("run %d has left nothing", 3*i+2)
		}
		r.kill(3*i+2, syscall.SIGKILL, spec.KillTree)
		r.gone(3*i + 2)
		refused := r.wait("an answer", func(e tree.Event) bool {
			failed, ok := e.(tree.StartFailed)
			return ok && failed.Run == 3*i+3
		}).(tree.StartFailed)
		if !strings.Contains(refused.Why, "a script needs a first line") {
			t.Errorf("run %d: got %q", 3*i+3, refused.Why)
		}
	}
	if got := r.hand.strangers(); got != 0 {
		t.Errorf("%d were taken for strangers", got)
	}
}

// TestHandEndsInFlight ends the hand while forkers are at work: whatever was
// forked is known.
func TestHandEndsInFlight(t *testing.T) {
	events := make(chan tree.Event, 1000)
	h := newHand(func(e tree.Event) { events <- e }, func() tree.Time { return 0 }, handOptions{})
	for i := range uint64(200) {
		h.start(launch{Node: 1, Run: i + 1, Tag: fmt.Sprintf("flight/%d", i), Argv: []string{"/bin/true"}, Files: []int{-1, -1, -1}})
	}
	<-events
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := h.close(ctx); err != nil {
		t.Fatal(err)
	}
	close(events)
	known := 1
	for e := range events {
		if _, ok := e.(tree.Started); ok {
			known++
		}
	}
	ended := known - len(h.leaders) // reaped before
	for {
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			break
		}
		if h.leaders[pid] == nil {
			t.Errorf("nobody knows process %d", pid)
		}
		ended++
	}
	if ended != known {
		t.Errorf("%d were started, and %d have ended", known, ended)
	}
}
