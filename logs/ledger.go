package logs

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// ledger is a file beside the FIFOs in which is noted what the pump is about
// to do, so that a daemon that is killed at any instant leaves no byte lost
// and none twice. For each stream it has an entry, and room for the beginning
// of a line that was taken out of the FIFO and is not in the log yet.
//
// A chunk is passed on in these steps; the next daemon finds out at which one
// the last was killed:
//
//  1. look at the chunk, which stays in the FIFO (tee(2))
//  2. note in the ledger: these bytes go to that offset of that file
//  3. write them to the file
//  4. take them out of the FIFO
//  5. note that this is done
//
// If the file does not have them whole, it is cut back to where it was, and
// the FIFO still has them. If it has, the FIFO tells by its first bytes whether
// they were taken out; equal bytes that followed could deceive that, and would
// have to come within the microseconds between two steps.
//
// The ledger says nothing about a crash of the machine: what is in a FIFO is
// lost with it. It is written with pwrite(2) rather than mapped, since a
// mapping would kill the daemon where the disk is full.
type ledger struct {
	file *os.File
	// found says that there were FIFOs when it was opened.
	found bool

	mu    sync.Mutex
	slots map[uint64]int // by the FIFO's inode
	free  []int
	count int
}

const (
	entryBytes = 128
	maxEntries = 1 << 15
	// partsAt is where the beginnings of lines are, two places of maxPiece
	// for each entry: one is valid while the other is written. The file is
	// sparse.
	partsAt = entryBytes * maxEntries
)

// entry is what the ledger says of a stream.
type entry struct {
	fifo      uint64 // inode; 0 for a free entry
	pending   uint64 // 1 from step 2 to step 5
	dev, ino  uint64 // the log file
	offset    uint64 // its size before step 3
	outBytes  uint64
	outSum    uint64
	inBytes   uint64
	inSum     uint64
	part      uint64 // which of the two places is valid
	partBytes uint64
	next      uint64 // which is once step 5 is done
	nextBytes uint64
}

func (e *entry) fields() [13]*uint64 {
	return [...]*uint64{&e.fifo, &e.pending, &e.dev, &e.ino, &e.offset, &e.outBytes, &e.outSum, &e.inBytes, &e.inSum, &e.part, &e.partBytes, &e.next, &e.nextBytes}
}

func (e *entry) encode(b *[entryBytes]byte) {
	for i, f := range e.fields() {
		binary.LittleEndian.PutUint64(b[8*i:], *f)
	}
}

func (e *entry) decode(b []byte) {
	for i, f := range e.fields() {
		*f = binary.LittleEndian.Uint64(b[8*i:])
	}
}

// openLedger opens the ledger in the folder of the FIFOs and forgets the
// entries of FIFOs that are no more.
func openLedger(dir string) (*ledger, error) {
	fd, err := unix.Open(filepath.Join(dir, "ledger"), unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: filepath.Join(dir, "ledger"), Err: err}
	}
	l := &ledger{file: os.NewFile(uintptr(fd), "ledger"), slots: map[uint64]int{}}
	list, err := os.ReadDir(dir)
	if err != nil {
		l.file.Close()
		return nil, err
	}
	alive := map[uint64]bool{}
	for _, f := range list {
		var st unix.Stat_t
		if unix.Lstat(filepath.Join(dir, f.Name()), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
			alive[st.Ino] = true
		}
	}
	l.found = len(alive) > 0
	if l.found {
		err = l.load(alive)
	} else {
		err = l.file.Truncate(0)
	}
	if err != nil {
		l.file.Close()
		return nil, err
	}
	return l, nil
}

// load finds the entries of the FIFOs that there are.
func (l *ledger) load(alive map[uint64]bool) error {
	block := make([]byte, 64<<10)
	for at := 0; at < partsAt; at += len(block) {
		n, err := l.file.ReadAt(block, int64(at))
		if err != nil && err != io.EOF {
			return err
		}
		for i := 0; i+entryBytes <= n; i += entryBytes {
			var e entry
			e.decode(block[i:])
			if _, twice := l.slots[e.fifo]; e.fifo == 0 || !alive[e.fifo] || twice {
				continue
			}
			slot := (at + i) / entryBytes
			for ; l.count < slot; l.count++ {
				l.free = append(l.free, l.count)
			}
			l.count = slot + 1
			l.slots[e.fifo] = slot
		}
		if n < len(block) {
			break
		}
	}
	return nil
}

// remove closes the ledger and removes it if no FIFO needs it any more.
func (l *ledger) remove(dir string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.slots) == 0 {
		os.Remove(filepath.Join(dir, "ledger"))
	}
	l.file.Close()
}

// account is one stream's entry. It is used by who reads the stream.
type account struct {
	l         *ledger
	fifo      uint64
	was       *entry // what a killed daemon had begun, until recover
	n         int32
	partBytes int32
	nextBytes int32
	part      uint8
	next      uint8
	dirty     bool // to be settled
}

// account gives the entry of a FIFO; an empty one if the FIFO is fresh. It
// returns nil where there is no room.
func (l *ledger) account(fifo uint64, fresh bool) *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.slots[fifo]
	used := true
	if !ok {
		switch {
		case len(l.free) > 0:
			n, l.free = l.free[len(l.free)-1], l.free[:len(l.free)-1]
		case l.count < maxEntries:
			n, used = l.count, false
			l.count++
		default:
			return nil
		}
		l.slots[fifo] = n
	}
	a := &account{l: l, fifo: fifo, n: int32(n)}
	if ok && !fresh {
		a.load()
		return a
	}
	if used && !a.write(entry{}) {
		// Without a word in the ledger nothing can be found again.
		delete(l.slots, fifo)
		l.free = append(l.free, n)
		return nil
	}
	return a
}

// load takes over what an earlier daemon has left, if it makes sense.
func (a *account) load() {
	var b [entryBytes]byte
	var e entry
	if _, err := a.l.file.ReadAt(b[:], int64(a.n)*entryBytes); err != nil {
		return
	}
	e.decode(b[:])
	if e.fifo != a.fifo || e.part > 1 || e.next > 1 || e.partBytes > maxPiece || e.nextBytes > maxPiece {
		return
	}
	a.part, a.partBytes = uint8(e.part), int32(e.partBytes)
	a.next, a.nextBytes = uint8(e.next), int32(e.nextBytes)
	if e.pending != 0 {
		a.was = &e
	}
}

// close gives the entry up.
func (a *account) close() {
	l := a.l
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.slots, a.fifo)
	l.free = append(l.free, int(a.n))
	a.fifo, a.partBytes, a.nextBytes = 0, 0, 0
	a.write(entry{})
}

// write writes the entry, with what e says is under way.
func (a *account) write(e entry) bool {
	e.fifo = a.fifo
	e.part, e.partBytes = uint64(a.part), uint64(a.partBytes)
	e.next, e.nextBytes = uint64(a.next), uint64(a.nextBytes)
	var b [entryBytes]byte
	e.encode(&b)
	_, err := a.l.file.WriteAt(b[:], int64(a.n)*entryBytes)
	return err == nil
}

// intend notes that in becomes out at the end of a file, and that head and
// keep together are then the beginning of a line.
func (a *account) intend(f *logFile, in, out, head, keep []byte) {
	a.keep(head, keep)
	a.write(entry{
		pending: 1, dev: f.dev, ino: f.ino, offset: uint64(f.size),
		outBytes: uint64(len(out)), outSum: sum(out),
		inBytes: uint64(len(in)), inSum: sum(in),
	})
}

// keep saves the beginning of a line where it does not touch the one that is
// saved there.
func (a *account) keep(head, keep []byte) {
	a.dirty = true
	a.next, a.nextBytes = 1-a.part, int32(len(head)+len(keep))
	if a.nextBytes == 0 {
		return
	}
	at := a.place(a.next)
	_, err := a.l.file.WriteAt(head, at)
	if err == nil {
		_, err = a.l.file.WriteAt(keep, at+int64(len(head)))
	}
	if err != nil {
		a.nextBytes = 0 // it is in memory, and lost if the daemon is killed
	}
}

// place is where one of the two beginnings of lines is.
func (a *account) place(which uint8) int64 {
	return partsAt + (int64(a.n)*2+int64(which))*maxPiece
}

// settle notes that what was intended is done.
func (a *account) settle() {
	if !a.dirty {
		return
	}
	a.dirty = false
	a.part, a.partBytes = a.next, a.nextBytes
	a.write(entry{})
}

// cancel notes that it is not done.
func (a *account) cancel() {
	a.dirty = false
	a.next, a.nextBytes = a.part, a.partBytes
	a.write(entry{})
}

// saved returns the beginning of a line that was saved.
func (a *account) saved() []byte {
	if a.partBytes == 0 {
		return nil
	}
	b := make([]byte, a.partBytes)
	if _, err := a.l.file.ReadAt(b, a.place(a.part)); err != nil {
		return nil
	}
	return b
}

// sampleBytes is how much of a chunk's beginning and of its end is summed.
const sampleBytes = 1 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum tells chunks apart by their beginnings and ends.
func sum(b []byte) uint64 {
	n := min(len(b), sampleBytes)
	return sums(b[:n], b[len(b)-n:])
}

func sums(first, last []byte) uint64 {
	return uint64(crc32.Checksum(first, castagnoli))<<32 | uint64(crc32.Checksum(last, castagnoli))
}

// recover finishes what a killed daemon had begun. It is called before the
// stream is read, with its file set.
func (s *stream) recover() {
	a := s.account
	if a == nil {
		return
	}
	if e := a.was; e != nil {
		a.was = nil
		if e.outBytes > 0 && (s.file == nil || !s.file.has(*e)) {
			a.cancel()
		} else {
			s.discardTwice(e.inBytes, e.inSum)
			a.dirty = true
			a.settle()
		}
	}
	s.part.part = a.saved()
}

// discardTwice takes out of the FIFO what is in the log already, if it is
// still in there.
func (s *stream) discardTwice(n, want uint64) {
	k := s.p.kits.take()
	defer s.p.kits.put(k)
	data, err := k.look(s.fd)
	if n > 0 && err == nil && uint64(len(data)) >= n && sum(data[:n]) == want {
		k.discard(s.fd, int(n))
	}
}

// has reports whether a write that was intended has been done. One that was
// cut short is taken back.
func (f *logFile) has(e entry) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fd < 0 || f.dev != e.dev || f.ino != e.ino {
		return false
	}
	at, end := int64(e.offset), int64(e.offset+e.outBytes)
	if f.size >= end {
		n := min(e.outBytes, sampleBytes)
		first, last := make([]byte, n), make([]byte, n)
		_, err1 := unix.Pread(f.fd, first, at)
		_, err2 := unix.Pread(f.fd, last, end-int64(n))
		return err1 == nil && err2 == nil && sums(first, last) == e.outSum
	}
	if f.size > at && unix.Ftruncate(f.fd, at) == nil {
		f.resize(at)
	}
	return false
}
