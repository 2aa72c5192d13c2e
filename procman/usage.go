package procman

import (
	"math"
	"sync"
	"time"

	"gosup/tree"
)

const (
	// lookEvery is how old an answer may be.
	lookEvery = time.Second
	// lookShare bounds what looking costs: the time between two looks is at
	// least so many times what the last one took. A look reads one file for each
	// process of the machine, 5 to 10 µs.
	lookShare = 10
	// lookMemory is how long ago a look may be for its CPU time to be the
	// beginning of "now".
	lookMemory = 10 * time.Second
)

// use is what a run uses with all its descendants.
type use struct {
	cpu         time.Duration // of those that live, and of those that they have waited for
	percent     float64       // of one CPU
	memoryBytes int64
}

// meter remembers the last look at what runs use. It looks only when somebody
// asks, and on the goroutine of whoever does.
type meter struct {
	look func(*tree.Snapshot) map[runKey]use // asks the kernel; without percent

	mu   sync.Mutex
	at   tree.Time      // of the last look
	took time.Duration  // by it
	uses map[runKey]use // what it saw; replaced, never changed
}

// Usage hands to each what every running process uses, together with all its
// descendants: the CPU time of those that live and of those that they have
// waited for; the same as a percentage of one CPU, since the last look
// where that was within lookMemory, else since the start of the run; and the
// resident memory, in which what several share counts for each of them. What
// is not known is left out. The answer is up to lookEvery old, and older where
// the machine has some thousand processes.
func (m *Manager) Usage(each func(id tree.NodeID, run uint64, cpu time.Duration, cpuPercent float64, memoryBytes int64)) {
	for key, u := range m.meter.read(m.Snapshot, m.Now) {
		each(key.node, key.run, u.cpu, u.percent, u.memoryBytes)
	}
}

func (m *meter) read(snapshot func() *tree.Snapshot, now func() tree.Time) map[runKey]use {
	m.mu.Lock()
	defer m.mu.Unlock()
	begun := now()
	age := begun.Sub(m.at)
	if m.uses != nil && age < max(lookEvery, lookShare*m.took) {
		return m.uses
	}
	snap := snapshot()
	uses := m.look(snap)
	for _, n := range snap.Nodes {
		key := runKey{n.ID, n.Run}
		u, ok := uses[key]
		if !ok {
			continue
		}
		if last, ok := m.uses[key]; ok && age <= lookMemory {
			u.percent = percent(u.cpu-last.cpu, age)
		} else {
			u.percent = percent(u.cpu, n.Uptime(begun))
		}
		uses[key] = u
	}
	m.at, m.took, m.uses = begun, now().Sub(begun), uses
	return uses
}

// percent returns a share of one CPU, to a tenth. The time of a descendant
// whose parent did not wait for it goes with it: then there is less than there
// was, and nothing is known but that it is not negative.
func percent(used, since time.Duration) float64 {
	if used <= 0 || since <= 0 {
		return 0
	}
	return math.Round(1000*float64(used)/float64(since)) / 10
}
