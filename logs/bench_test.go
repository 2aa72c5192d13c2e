package logs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"gosup/spec"

	"golang.org/x/sys/unix"
)

// floodMiB is what one writer writes in one round of a benchmark: lines of
// 100 bytes, 64 KiB at a time.
const floodMiB = 256

// BenchmarkCat is what the others are compared with: the same writer into
// `cat > file`.
func BenchmarkCat(b *testing.B) {
	path := filepath.Join(b.TempDir(), "out")
	b.SetBytes(floodMiB << 20)
	for b.Loop() {
		cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf("/proc/%d/exe | cat > %s", os.Getpid(), path))
		cmd.Env = append(os.Environ(), fmt.Sprintf("LOGS_TEST_CHILD=flood %d", floodMiB))
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPumpRaw(b *testing.B)  { benchmarkPump(b, 1, spec.Logs{Format: spec.FormatRaw}) }
func BenchmarkPumpText(b *testing.B) { benchmarkPump(b, 1, spec.Logs{Format: spec.FormatText}) }
func BenchmarkPumpJSON(b *testing.B) { benchmarkPump(b, 1, spec.Logs{Format: spec.FormatJSON}) }
func BenchmarkPumpGzip(b *testing.B) {
	benchmarkPump(b, 1, spec.Logs{Format: spec.FormatRaw, Compress: spec.CompressGzip})
}
func BenchmarkPumpZstd(b *testing.B) {
	benchmarkPump(b, 1, spec.Logs{Format: spec.FormatRaw, Compress: spec.CompressZstd})
}
func BenchmarkPump100(b *testing.B) { benchmarkPump(b, 100, spec.Logs{Format: spec.FormatRaw}) }

// benchmarkPump has writers write floodMiB together, into logs that are
// rotated at the default size.
func benchmarkPump(b *testing.B, writers int, cfg spec.Logs) {
	w := newWorld(b)
	defer w.Close()
	before := cpuTime()
	var total time.Duration
	b.SetBytes(floodMiB << 20)
	rounds := 0
	for b.Loop() {
		var wg sync.WaitGroup
		for i := range writers {
			name := fmt.Sprintf("p%d", i)
			cfg.Output, cfg.File, cfg.MaxSizeBytes, cfg.MaxFiles = spec.OutputFile, w.path(name), 10<<20, 5
			s := w.open(name, cfg)
			cmd := w.begin(s, fmt.Sprintf("flood %g", float64(floodMiB)/float64(writers)))
			wg.Go(func() {
				if err := cmd.Wait(); err != nil {
					b.Error(err)
				}
				s.Drain()
			})
		}
		wg.Wait()
		rounds++
	}
	total = cpuTime() - before
	b.ReportMetric(total.Seconds()/(float64(rounds)*floodMiB*(1<<20)/1e9), "cpu-s/GB")
}

// BenchmarkIdle reports what memory a stream costs that nothing comes from.
func BenchmarkIdle(b *testing.B) {
	w := newWorld(b)
	defer w.Close()
	const streams = 1000
	for b.Loop() {
		before := heap()
		for i := range streams {
			w.open(fmt.Sprintf("p%d", i), w.config(fmt.Sprintf("p%d", i)))
		}
		b.ReportMetric(float64(heap()-before)/streams, "B/stream")
		w.Close()
		w.start()
	}
}

// cpuTime is what this process, not its children, has used.
func cpuTime() time.Duration {
	var ru unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// heap is the memory in use after a collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
