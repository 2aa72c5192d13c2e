package notify

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/spec"
)

func count(n uint64) *uint64 { return &n }

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     Message
	}{
		{"ready", "READY=1", Message{Ready: true}},
		{"trailing newline", "READY=1\n", Message{Ready: true}},
		{"several", "READY=1\nSTATUS=serving 3 users\nMAINPID=42\n", Message{Ready: true, Status: "serving 3 users", MainPID: 42}},
		{"reloading", "RELOADING=1\nMONOTONIC_USEC=123", Message{Reloading: true}},
		{"stopping", "STOPPING=1", Message{Stopping: true}},
		{"heartbeat", "WATCHDOG=1", Message{Watchdog: true}},
		{"trigger", "WATCHDOG=trigger", Message{Trigger: true}},
		{"counts", "X_GOSUP_REQUESTS=18446744073709551615\nX_GOSUP_ERRORS=0",
			Message{Requests: count(math.MaxUint64), Errors: count(0)}},
		{"more time", "EXTEND_TIMEOUT_USEC=1500000", Message{ExtendTimeout: 1500 * time.Millisecond}},
		{"all the time there is", "EXTEND_TIMEOUT_USEC=18446744073709551615", Message{ExtendTimeout: math.MaxInt64}},
		{"keep", "FDSTORE=1\nFDNAME=web-1\nFDPOLL=0", Message{FDStore: true, FDName: "web-1"}},
		{"remove", "FDSTOREREMOVE=1\nFDNAME=web-1", Message{FDStoreRemove: true, FDName: "web-1"}},
		{"barrier", "BARRIER=1", Message{Barrier: true}},
		{"the last one counts", "READY=1\nSTATUS=a\nSTATUS=b\nREADY=0", Message{Status: "b"}},
		{"switched to nonsense", "READY=yes\nWATCHDOG=2\nSTOPPING=", Message{}},
		{"unknown keys", "ERRNO=2\nX_MINE=a=b\n=\nREADY=1", Message{Ready: true}},
		{"keys are exact", "ready=1\nREADY =1\n READY=1", Message{}},
		{"status has equals signs", "STATUS=a=b", Message{Status: "a=b"}},
		{"status is neutralised", "STATUS=\x1b]0;x\x07a\r\x00\xff", Message{Status: "\ufffd]0;x\ufffda \ufffd\ufffd"}},
		{"status is bounded", "STATUS=" + strings.Repeat("ä", 1000), Message{Status: strings.Repeat("ä", maxStatus-1) + "…"}},
		{"as large as can be", "STATUS=\n" + strings.Repeat("X=1\n", (MaxSize-8)/4), Message{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			tt.want.FDPoll = !strings.Contains(tt.in, "FDPOLL=0")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"nothing", "", "no assignment"},
		{"empty lines", "\n\n", "no assignment"},
		{"no assignment", "READY=1\nhello\x1b", "no assignment: \"hello\ufffd\""},
		{"too long", strings.Repeat("X=1\n", MaxSize/4) + "X", "4097 bytes are more than 4096"},
		{"pid 0", "MAINPID=0", "MAINPID=0: not a pid"},
		{"negative pid", "MAINPID=-1", "MAINPID=-1: not a pid"},
		{"pid too large", "MAINPID=2147483648", "MAINPID=2147483648: not a pid"},
		{"pid with more", "MAINPID=1 2\x1b", "MAINPID=1 2\ufffd: not a pid"},
		{"count", "X_GOSUP_ERRORS=1e3", "X_GOSUP_ERRORS=1e3: not a number"},
		{"count too large", "X_GOSUP_REQUESTS=18446744073709551616", "X_GOSUP_REQUESTS=18446744073709551616: not a number"},
		{"time", "EXTEND_TIMEOUT_USEC=5s", "EXTEND_TIMEOUT_USEC=5s: not a number"},
		{"name with a colon", "FDNAME=a:b", "FDNAME=a:b: a name has printable ASCII characters but no colon"},
		{"name with a control", "FDNAME=a\tb", "FDNAME=a b: a name has printable ASCII characters but no colon"},
		{"no name", "FDNAME=", "FDNAME=: a name has 1 to 255 characters"},
		{"long name", "FDNAME=" + strings.Repeat("a", 256), "FDNAME=" + strings.Repeat("a", 39) + "…: a name has 1 to 255 characters"},
		{"barrier among others", "READY=1\nBARRIER=1", "BARRIER=1 is not alone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse([]byte(tt.in))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %+v, %v, want %s", got, err, tt.want)
			}
		})
	}
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"WATCHDOG=1": true, "X_GOSUP_REQUESTS=1": true, "X_GOSUP_ERRORS=1": true,
		"READY=1": false, "STATUS=x": false, "WATCHDOG=trigger": false,
	} {
		m, err := Parse([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Heartbeat(); got != want {
			t.Errorf("%s: got %v, want %v", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("READY=1\nSTATUS=ok\nMAINPID=42\nEXTEND_TIMEOUT_USEC=1\nX_GOSUP_REQUESTS=1\nX_GOSUP_ERRORS=0"))
	f.Add([]byte("FDSTORE=1\nFDNAME=a\nFDPOLL=0\nFDSTOREREMOVE=1"))
	f.Add([]byte("BARRIER=1"))
	f.Add([]byte(" "))
	f.Add([]byte("STATUS=\u202e\x00\xff\nWATCHDOG=trigger"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data)
		if err != nil {
			if m != (Message{}) {
				t.Errorf("an error, and %+v", m)
			}
			if s := err.Error(); spec.Line(s, len(s)) != s {
				t.Errorf("unclean error %q", s)
			}
			return
		}
		if len(data) == 0 || len(data) > MaxSize {
			t.Errorf("%d bytes accepted", len(data))
		}
		if spec.Line(m.Status, maxStatus) != m.Status {
			t.Errorf("unclean status %q", m.Status)
		}
		if m.FDName != "" && checkFDName(m.FDName) != nil {
			t.Errorf("bad name %q", m.FDName)
		}
		if m.MainPID < 0 || m.MainPID > math.MaxInt32 || m.ExtendTimeout < 0 {
			t.Errorf("out of range: %+v", m)
		}
		if m.Barrier && m != (Message{Barrier: true, FDPoll: true}) {
			t.Errorf("a barrier with more: %+v", m)
		}
	})
}
