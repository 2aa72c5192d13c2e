package spec

import "testing"

func TestSignal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text   string
		number int // 0: there is no such signal
		name   string
	}{
		{"TERM", 15, "SIGTERM"},
		{"sigterm", 15, "SIGTERM"},
		{"15", 15, "SIGTERM"},
		{"SIGRTMIN", 34, "SIGRTMIN+0"},
		{"RTMIN+3", 37, "SIGRTMIN+3"},
		{"SIGRTMAX-1", 63, "SIGRTMIN+29"},
		{"64", 64, "SIGRTMIN+30"},
		{"33", 33, "33"},
		{"0", 0, ""},
		{"65", 0, ""},
		{"-1", 0, ""},
		{"", 0, ""},
		{"FOO", 0, ""},
		{"SIGSIGTERM", 0, ""},
		{"RTMIN3", 0, ""},
		{"RTMIN-1", 0, ""},
		{"RTMAX+1", 0, ""},
	} {
		got, ok := SignalNumber(test.text)
		if want := test.number != 0; ok != want || ok && got != test.number {
			t.Errorf("SignalNumber(%q) = %d, %v; want %d, %v", test.text, got, ok, test.number, want)
		}
		if ok && SignalName(got) != test.name {
			t.Errorf("SignalName(%d) = %q, want %q", got, SignalName(got), test.name)
		}
	}
}
