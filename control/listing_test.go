package control

import (
	"testing"
	"time"

	"gosup/tree"
)

// A text is made anew when the snapshot or the time is another, and not while an
// old one is being sent.
func TestListing(t *testing.T) {
	t.Parallel()
	var l listing
	made := 0
	encode := func() []byte { made++; return []byte{byte(made)} }
	at := tree.Time(time.Hour)
	lend := func(version uint64, at tree.Time) byte {
		t.Helper()
		var got byte
		if !l.lend(version, at, encode, func(b []byte) { got = b[0] }) {
			return 0
		}
		return got
	}
	for i, test := range []struct {
		version uint64
		after   time.Duration
		want    byte
	}{
		{1, 0, 1},
		{2, 0, 2},                          // another snapshot
		{2, listingAge, 3},                 // too old
		{2, listingAge + listingAge, 4},    // and again
		{3, listingAge + listingAge/10, 5}, // a reading of the clock that came late
	} {
		if got := lend(test.version, at.Add(test.after)); got != test.want {
			t.Errorf("%d: got text %d, want %d", i, got, test.want)
		}
	}
	l.lend(9, at, encode, func(slow []byte) {
		if got := lend(9, at); got != slow[0] {
			t.Errorf("the same snapshot: got text %d, want %d", got, slow[0])
		}
		if got := lend(10, at); got != 0 {
			t.Errorf("another snapshot, while somebody reads: got text %d", got)
		}
		if got := lend(9, at.Add(listingAge)); got != 0 {
			t.Errorf("a later one, while somebody reads: got text %d", got)
		}
	})
	if got := lend(10, at); got == 0 {
		t.Error("nobody reads any more, and no text is made")
	}
}
