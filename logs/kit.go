package logs

import "sync"

const (
	chunkBytes = 256 << 10 // read and written at once
	smallBytes = 16 << 10  // enough for most reads
)

// maxGrown is how many FIFOs may be enlarged to the full: what is in a FIFO is
// memory of the kernel's that cannot be swapped out.
const maxGrown = 32

// grow enlarges the FIFO of a busy stream, which saves switches between its
// writer and the pump.
func (p *Pump) grow(fd int) {
	if p.grown.Add(1) <= maxGrown && resizePipe(fd, 4*chunkBytes) {
		return
	}
	resizePipe(fd, chunkBytes)
}

// kit is what a worker needs while it serves a stream: room for a chunk as it
// was read and as it is written, and a pipe to look at a FIFO through.
type kit struct {
	small  []byte
	big    []byte // nil until something big came
	out    []byte // formatted lines
	join   []byte // a line of which the beginning was kept
	peek   [2]int // a pipe, read end first; -1 where there is none
	null   int    // /dev/null; -1 where there is none
	broken bool   // the pipe holds what nobody read: not to be used again
}

// room returns a buffer of n bytes, n at most chunkBytes.
func (k *kit) room(n int) []byte {
	if n <= smallBytes {
		if k.small == nil {
			k.small = make([]byte, smallBytes)
		}
		return k.small[:n]
	}
	if k.big == nil {
		k.big = bigs.Get().(*[chunkBytes]byte)[:]
	}
	return k.big[:n]
}

// output returns an empty buffer for formatted lines.
func (k *kit) output() []byte {
	if k.out == nil {
		k.out = outs.Get().(*[maxOut]byte)[:]
	}
	return k.out[:0]
}

// maxOut is what outBytes and one more long line usually stay below.
const maxOut = outBytes + 2*maxPiece

// outs holds the output buffers that nobody uses.
var outs = sync.Pool{New: func() any { return new([maxOut]byte) }}

// bigs holds the big buffers that nobody uses; the garbage collector may have
// them.
var bigs = sync.Pool{New: func() any { return new([chunkBytes]byte) }}

// kitPool keeps as many kits as were in use at once, without their big
// buffers.
type kitPool struct {
	mu   sync.Mutex
	free []*kit
}

func (p *kitPool) take() *kit {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		k := p.free[n-1]
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return k
	}
	p.mu.Unlock()
	return newKit()
}

func (p *kitPool) put(k *kit) {
	if k.big != nil {
		bigs.Put((*[chunkBytes]byte)(k.big))
		k.big = nil
	}
	if cap(k.out) == maxOut {
		outs.Put((*[maxOut]byte)(k.out[:maxOut]))
	}
	k.out = nil
	if k.broken {
		k.close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) >= minWorkers {
		k.close()
		return
	}
	p.free = append(p.free, k)
}

func (p *kitPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.free {
		k.close()
	}
	p.free = nil
}
