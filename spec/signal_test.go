package spec

import "testing"

func TestSignalNumber(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want int
		ok   bool
	}{
		{"SIGTERM", 15, true},
		{"TERM", 15, true},
		{"sigterm", 15, true},
		{"15", 15, true},
		{"HUP", 1, true},
		{"0", 0, false},
		{"-1", 0, false},
		{"65", 0, false},
		{"SIG", 0, false},
		{"SIGSIGTERM", 0, false},
		{"", 0, false},
	} {
		got, ok := SignalNumber(tt.text)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("SignalNumber(%q) = %v, %v; want %v, %v", tt.text, got, ok, tt.want, tt.ok)
		}
	}
	if lastSignal() < lastRealTime {
		t.Skip("no real-time signals here")
	}
	for text, want := range map[string]int{"SIGRTMIN": 34, "rtmin+3": 37, "SIGRTMAX": 64, "RTMAX-1": 63} {
		if got, ok := SignalNumber(text); !ok || got != want {
			t.Errorf("SignalNumber(%q) = %v, %v; want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"RTMIN3", "RTMIN-1", "RTMAX+1", "RTMIN+x", "RTMIN+", "RTMIN+99"} {
		if got, ok := SignalNumber(text); ok {
			t.Errorf("SignalNumber(%q) = %v", text, got)
		}
	}
	for _, want := range []int{1, 15, 34, 37, 64} {
		if got, ok := SignalNumber(SignalName(want)); !ok || got != want {
			t.Errorf("signal %d is named %s, which is %d", want, SignalName(want), got)
		}
	}
}
