package healthcheck

import "testing"

func TestExecVerdict(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		code     int
		signal   string
		timedOut bool
		line     string
		degraded []int
		want     Result
	}{
		{"success", 0, "", false, "", nil, Result{Verdict: Healthy}},
		{"success with words", 0, "", false, "accepting connections", nil, Result{Verdict: Healthy, Reason: "accepting connections"}},
		{"failure", 2, "", false, "no response", nil, Result{Verdict: Unhealthy, Reason: "no response"}},
		{"failure without words", 2, "", false, "", nil, Result{Verdict: Unhealthy, Reason: "exit code 2"}},
		{"failure with blank words", 2, "", false, " \t", nil, Result{Verdict: Unhealthy, Reason: "exit code 2"}},
		{"degraded", 1, "", false, "lagging", []int{1, 3}, Result{Verdict: Degraded, Reason: "lagging"}},
		{"degraded without words", 3, "", false, "", []int{1, 3}, Result{Verdict: Degraded, Reason: "exit code 3"}},
		{"zero is never degraded", 0, "", false, "", []int{0}, Result{Verdict: Healthy}},
		{"signal", 0, "SIGSEGV", false, "", nil, Result{Verdict: Unhealthy, Reason: "killed by SIGSEGV"}},
		{"timeout", 0, "SIGKILL", true, "", []int{0}, Result{Verdict: Unhealthy, Reason: "timed out"}},
		{"timeout with words", 1, "", true, "waiting for lock", []int{1}, Result{Verdict: Unhealthy, Reason: "timed out: waiting for lock"}},
		{"escape", 1, "", false, "\x1b[2Jboo", nil, Result{Verdict: Unhealthy, Reason: "\ufffd[2Jboo"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ExecVerdict(tt.code, tt.signal, tt.timedOut, tt.line, tt.degraded); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
