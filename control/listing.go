package control

import (
	"runtime"
	"sync"
	"time"
	"weak"

	"gosup/tree"
)

// listing is the last answer to who asked for all processes. Those who ask while
// nothing has changed, within listingAge, get the same text: however many poll,
// it is encoded ten times a second at most.
//
// There is only one: half a megabyte for each slow reader of a thousand
// processes would be too much. It is held weakly, so that it costs nothing once
// nobody asks.
type listing struct {
	mu      sync.Mutex
	version uint64
	at      tree.Time
	text    weak.Pointer[[]byte]
	readers int
}

// listingAge is how old the times in an answer may be.
const listingAge = 100 * time.Millisecond

// lend hands the text of a snapshot, which encode makes if need be, to send. It
// returns false if that cannot be, for an older one is still being sent.
func (l *listing) lend(version uint64, now tree.Time, encode func() []byte, send func([]byte)) bool {
	text := l.take(version, now, encode)
	if text == nil {
		return false
	}
	send(*text)
	runtime.KeepAlive(text) // as long as it is sent, others get it too
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers--
	return true
}

func (l *listing) take(version uint64, now tree.Time, encode func() []byte) *[]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.Value()
	if text == nil || l.version != version || now.Sub(l.at) >= listingAge {
		if l.readers > 0 {
			return nil
		}
		made := encode()
		text = &made
		l.version, l.at, l.text = version, now, weak.Make(text)
	}
	l.readers++
	return text
}
