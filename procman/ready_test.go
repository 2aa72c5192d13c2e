package procman

import (
	"os"
	"strings"
	"testing"

	"gosup/notify"
)

// TestHasNewline: a newline is found wherever it comes, and neither silence nor
// a flood is taken for one.
func TestHasNewline(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		writes []string
		want   bool
	}{
		{"alone", []string{"\n"}, true},
		{"after words", []string{"almost", " there", "\n"}, true},
		{"closed without one", []string{"almost"}, false},
		{"closed at once", nil, false},
		{"too late", []string{strings.Repeat("x", maxReadyBytes), "\n"}, false},
	}
	for _, tt := range tests {
		from, to, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() { // ends when all is written, or nobody reads any more
			for _, w := range tt.writes {
				to.WriteString(w)
			}
			to.Close()
		}()
		if got := hasNewline(from); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		from.Close()
	}
}

// TestBelieves: what counts is who the kernel says has sent it.
func TestBelieves(t *testing.T) {
	t.Parallel()
	init := 1
	self, parent := os.Getpid(), os.Getppid()
	tests := []struct {
		name string
		pid  int // of the process
		from notify.Datagram
		want bool
	}{
		{"its user", 0, notify.Datagram{PID: init, UID: 4711}, true},
		{"root", 0, notify.Datagram{PID: init, UID: 0}, true},
		{"another user", parent, notify.Datagram{PID: init, UID: 4712}, false},
		{"another user, before it has started", 0, notify.Datagram{PID: self, UID: 4712}, false},
		{"itself, as another user", self, notify.Datagram{PID: self, UID: 4712}, true},
		{"a descendant as another user", parent, notify.Datagram{PID: self, UID: 4712}, true},
		{"its parent as another user", self, notify.Datagram{PID: parent, UID: 4712}, false},
		{"one that is gone", parent, notify.Datagram{PID: 1 << 30, UID: 4712}, false},
	}
	for _, tt := range tests {
		n := &notifier{}
		n.uid.Store(4711)
		n.pid.Store(int64(tt.pid))
		if got := n.believes(tt.from); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
