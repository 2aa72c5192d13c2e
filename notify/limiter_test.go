package notify

import (
	"testing"
	"time"
)

// flood asks for n passes at now, each from the pid that pid returns, and
// returns how many were allowed.
func flood(g *gate, n int, pid func(int) uint32, uid uint32, now time.Time) (passed int) {
	for i := range n {
		if g.allow(pid(i), uid, now) {
			passed++
		}
	}
	return passed
}

func TestGateBoundsOnePID(t *testing.T) {
	t.Parallel()
	g, now := newGate(), time.Unix(1000, 0)
	one := func(int) uint32 { return 1 }
	if got := flood(g, 10*burstPerPID, one, 0, now); got != burstPerPID {
		t.Errorf("%d passed at once, want %d", got, burstPerPID)
	}
	if !g.allow(2, 0, now) {
		t.Error("another process of the same user was held up")
	}
	if got := flood(g, 10*burstPerPID, one, 0, now.Add(time.Second)); got != ratePerPID {
		t.Errorf("%d passed after a second, want %d", got, ratePerPID)
	}
	if got := flood(g, 10*burstPerPID, one, 0, now.Add(time.Hour)); got != burstPerPID {
		t.Errorf("%d passed after an hour, want %d", got, burstPerPID)
	}
	if got := flood(g, burstPerPID, one, 0, now); got != 0 {
		t.Errorf("%d passed on a clock that went back", got)
	}
}

func TestGateBoundsOneUserThatForks(t *testing.T) {
	t.Parallel()
	g, now := newGate(), time.Unix(1000, 0)
	each := func(i int) uint32 { return uint32(i) }
	if got := flood(g, 3*burstPerUID, each, 1000, now); got != burstPerUID {
		t.Errorf("%d passed, want %d", got, burstPerUID)
	}
	if n := len(g.pids.buckets); n > maxBuckets {
		t.Errorf("%d buckets kept", n)
	}
	if !g.allow(1, 0, now) {
		t.Error("another user was held up")
	}
}

func TestGateReportsNowAndThen(t *testing.T) {
	t.Parallel()
	g, now := newGate(), time.Unix(1000, 0)
	if n, tell := g.drop(1, 0, now); !tell || n != 1 {
		t.Errorf("first drop: got %d, %v", n, tell)
	}
	for range 9 {
		if n, tell := g.drop(1, 0, now.Add(reportEvery/2)); tell {
			t.Errorf("told too soon, of %d", n)
		}
	}
	if n, tell := g.drop(1, 0, now.Add(reportEvery)); !tell || n != 10 {
		t.Errorf("after a while: got %d, %v, want 10", n, tell)
	}
	told := 0
	for pid := range uint32(1000) {
		if _, tell := g.drop(100+pid, 7, now); tell {
			told++
		}
	}
	if told != burstPerReport {
		t.Errorf("told of %d processes of one user, want %d", told, burstPerReport)
	}
}
