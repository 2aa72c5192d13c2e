package logs

import (
	"encoding/binary"
	"os"
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

// A raw file has no times in it. Beside it there is a sparse index, FILE.idx,
// which is rotated with it: a list of entries that say when the bytes from an
// offset on were written. Bytes that come within indexStep after an entry need
// none of their own, so the times it gives are exact to that.
//
// An entry is two unsigned varints: the milliseconds since the entry before,
// plus one, and the bytes since then. A zero instead of the first begins an
// absolute entry: Unix milliseconds and offset, 8 bytes each, little-endian;
// one stands at the beginning, and wherever a daemon went on.
//
// The index takes at most an eighth of the file and 4 KiB. It is a help and
// no promise: where it is missing or damaged, times are not known.
const (
	indexSuffix = ".idx"
	indexStep   = 100 * time.Millisecond
	indexFree   = 4 << 10
	indexShare  = 8
	indexBytes  = 1 << 20 // so many bytes always get an entry
	indexMax    = 64 << 20
)

// indexer writes the index of one live file. The zero value goes on with an
// index that may be there.
type indexer struct {
	begun bool
	stale bool // what is there is not of this file
	ms    int64
	off   int64
	size  int64
}

// note says that bytes from offset off on are written now. It writes an entry
// if that is worth one.
func (x *indexer) note(at *dir, base string, off int64, now time.Time) {
	ms := now.UnixMilli()
	grown := off - x.off
	if x.begun && grown < indexBytes {
		since := ms - x.ms
		if since >= 0 && since < indexStep.Milliseconds() || x.size > indexFree+off/indexShare {
			return
		}
	}
	var buf [2 * binary.MaxVarintLen64]byte
	var entry []byte
	if x.begun && ms >= x.ms && grown >= 0 {
		entry = binary.AppendUvarint(buf[:0], uint64(ms-x.ms)+1)
		entry = binary.AppendUvarint(entry, uint64(grown))
	} else {
		entry = append(buf[:0], 0)
		entry = binary.LittleEndian.AppendUint64(entry, uint64(ms))
		entry = binary.LittleEndian.AppendUint64(entry, uint64(off))
	}
	if x.write(at, base+indexSuffix, entry, off) {
		x.begun, x.ms, x.off = true, ms, off
	}
}

// write appends an entry. The file is not kept open: an index is written ten
// times a second at most, and a descriptor for each process costs more.
func (x *indexer) write(at *dir, name string, entry []byte, off int64) bool {
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	fd, err := unix.Openat(at.fd, name, flags, 0o640)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 {
		return false
	}
	if size := st.Size; size > 0 && (x.stale || off == 0) {
		if unix.Ftruncate(fd, 0) != nil {
			return false
		}
		st.Size = 0
	}
	x.stale = false
	n, err := unix.Write(fd, entry)
	if n < len(entry) || err != nil {
		unix.Ftruncate(fd, st.Size)
		return false
	}
	x.size = st.Size + int64(n)
	return true
}

// index is a read index: times by offset, both ascending.
type index []indexEntry

type indexEntry struct{ ms, off int64 }

// readIndex reads the index of an open log file; nil where there is none.
func readIndex(at int, name string) index {
	fd, err := unix.Openat(at, name+indexSuffix, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Size() > indexMax {
		return nil
	}
	data := make([]byte, st.Size())
	n, _ := f.ReadAt(data, 0)
	return parseIndex(data[:n])
}

// parseIndex decodes an index as far as it makes sense.
func parseIndex(data []byte) index {
	var list index
	var last indexEntry
	for len(data) > 0 {
		if data[0] == 0 {
			if len(data) < 17 {
				break
			}
			last.ms = int64(binary.LittleEndian.Uint64(data[1:]))
			last.off = int64(binary.LittleEndian.Uint64(data[9:]))
			data = data[17:]
		} else {
			ms, n := binary.Uvarint(data)
			off, m := binary.Uvarint(data[max(n, 0):])
			if n <= 0 || m <= 0 {
				break
			}
			last.ms += int64(ms) - 1
			last.off += int64(off)
			data = data[n+m:]
		}
		if last.off < 0 || len(list) == 0 && last.off > 0 && last.ms <= 0 {
			break
		}
		// Entries of bytes that were cut off since.
		for len(list) > 0 && list[len(list)-1].off >= last.off {
			list = list[:len(list)-1]
		}
		list = append(list, last)
	}
	return list
}

// at returns when the byte at an offset was written; zero if that is not
// known.
func (x index) at(off int64) time.Time {
	i := sort.Search(len(x), func(i int) bool { return x[i].off > off })
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMilli(x[i-1].ms)
}

// from returns the offset from which on bytes may have been written at t or
// later: where the first entry of t or later begins; end if there is none.
func (x index) from(t time.Time, end int64) int64 {
	// Entries are in the order of their offsets; after a jump of the wall
	// clock they are not in that of their times.
	ms := t.UnixMilli()
	for i, e := range x {
		if e.ms >= ms {
			if i == 0 {
				return 0
			}
			return min(e.off, end)
		}
	}
	if len(x) == 0 {
		return 0
	}
	return end
}
