package notify

import "time"

// The limits of what is taken from one sender and from one user. What a flood
// loses are the flooder's own messages; a thousand processes of one user that
// all send a heartbeat each second are far from a flood. The second one keeps
// a user from passing the first by forking.
const (
	ratePerPID, burstPerPID       = 100, 200
	ratePerUID, burstPerUID       = 5000, 10000
	ratePerReport, burstPerReport = 5, 20 // of drops, per uid; see Drop
	reportEvery                   = time.Second
)

// maxBuckets bounds a limiter's memory. Past it everybody starts anew.
const maxBuckets = 4096

// limiter is a set of token buckets.
type limiter struct {
	rate, burst float64 // tokens a second, tokens at most
	buckets     map[uint32]*bucket
}

type bucket struct {
	tokens  float64
	at      time.Time // when tokens was right
	dropped int       // datagrams since the last report
	told    time.Time // when the last report was
}

func newLimiter(rate, burst float64) *limiter {
	return &limiter{rate: rate, burst: burst, buckets: map[uint32]*bucket{}}
}

// find returns key's bucket, filled up to now.
func (l *limiter) find(key uint32, now time.Time) *bucket {
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) == maxBuckets {
			clear(l.buckets)
		}
		b = &bucket{tokens: l.burst}
		l.buckets[key] = b
	} else if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(l.burst, b.tokens+passed.Seconds()*l.rate)
	}
	b.at = now
	return b
}

// take takes one token from key's bucket, if there is one.
func (l *limiter) take(key uint32, now time.Time) bool {
	b := l.find(key, now)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// gate decides what is let in. It belongs to the reading goroutine.
type gate struct {
	pids, uids, reports *limiter
}

func newGate() *gate {
	return &gate{
		pids:    newLimiter(ratePerPID, burstPerPID),
		uids:    newLimiter(ratePerUID, burstPerUID),
		reports: newLimiter(ratePerReport, burstPerReport),
	}
}

// allow reports whether a datagram may pass.
func (g *gate) allow(pid, uid uint32, now time.Time) bool {
	return g.pids.take(pid, now) && g.uids.take(uid, now)
}

// drop counts a dropped datagram and reports whether the owner is to be told,
// and of how many of this sender's.
func (g *gate) drop(pid, uid uint32, now time.Time) (count int, tell bool) {
	b := g.pids.find(pid, now)
	b.dropped++
	if now.Sub(b.told) < reportEvery || !g.reports.take(uid, now) {
		return 0, false
	}
	count, b.dropped, b.told = b.dropped, 0, now
	return count, true
}
