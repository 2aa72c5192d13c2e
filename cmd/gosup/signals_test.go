package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestEchoOfASignal(t *testing.T) {
	t.Parallel()
	first := time.Now()
	term := end{signal: syscall.SIGTERM, at: first}
	for _, tt := range []struct {
		name  string
		asked end
		by    syscall.Signal
		after time.Duration
		want  bool
	}{
		{"the first one", end{}, syscall.SIGTERM, 0, false},
		{"the same at once", term, syscall.SIGTERM, time.Millisecond, true},
		{"another at once", term, syscall.SIGINT, time.Millisecond, false},
		{"the same later", term, syscall.SIGTERM, echoTime, false},
	} {
		if got := tt.asked.echoed(tt.by, first.Add(tt.after)); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A burst of TERM, as from timeout(1), leaves the command its time to end. On
// a busy machine a burst may take longer than an echo, so it has five tries.
func TestBurstOfTermIsOneRequest(t *testing.T) {
	t.Parallel()
	var codes []int
	for range 5 {
		p, err := startProgram(t.TempDir(), "gosup", os.Environ(),
			[]string{"gosup", "run", "--", "sh", "-c", "trap 'sleep 0.05; exit 5' TERM; echo up; while :; do sleep 0.01; done"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.stop)
		if !eventually(func() bool { out, _ := os.ReadFile(p.stdout); return strings.Contains(string(out), "up") }) {
			t.Fatal("the command does not run")
		}
		// Signals that come at once are one to the kernel.
		for start := time.Now(); time.Since(start) < echoTime/4; {
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
		}
		code, err := p.code()
		if err != nil {
			t.Fatal(err)
		}
		if code == 5 {
			return
		}
		codes = append(codes, code)
	}
	t.Errorf("exit codes %v, want a 5", codes)
}
