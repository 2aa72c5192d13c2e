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
// `cat > file`; BenchmarkCat100, a hundred of each.
func BenchmarkCat(b *testing.B)    { benchmarkCat(b, 1) }
func BenchmarkCat100(b *testing.B) { benchmarkCat(b, 100) }

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

func benchmarkCat(b *testing.B, writers int) {
	dir := b.TempDir()
	benchmark(b, writers, func(i int, flood *exec.Cmd) (started, ended func()) {
		out, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			b.Fatal(err)
		}
		pr, pw, err := os.Pipe()
		if err != nil {
			b.Fatal(err)
		}
		cat := exec.Command("cat")
		cat.Stdin, cat.Stdout = pr, out
		if err := cat.Start(); err != nil {
			b.Fatal(err)
		}
		pr.Close()
		flood.Stdout = pw
		return func() { pw.Close() }, func() {
			cat.Wait()
			out.Close()
		}
	})
}

// benchmarkPump has writers write into logs that are rotated at the default
// size.
func benchmarkPump(b *testing.B, writers int, cfg spec.Logs) {
	w := newWorld(b)
	defer w.Close()
	before := cpuTime()
	benchmark(b, writers, func(i int, flood *exec.Cmd) (started, ended func()) {
		name := fmt.Sprintf("p%d", i)
		cfg.Output, cfg.File, cfg.MaxSizeBytes, cfg.MaxFiles = spec.OutputFile, w.path(name), 10<<20, 5
		s := w.open(name, cfg)
		stdout, stderr, err := s.ChildFiles()
		if err != nil {
			b.Fatal(err)
		}
		flood.Stdout, flood.Stderr = stdout, stderr
		return func() {
			stdout.Close()
			stderr.Close()
		}, s.Drain
	})
	b.ReportMetric((cpuTime()-before).Seconds()/(float64(b.N)*floodMiB*(1<<20)/1e9), "cpu-s/GB")
}

// benchmark times writers that write floodMiB together, from when all of them
// have started. sink prepares where one writes to; what it returns is called
// when that one has started, and when it has ended.
func benchmark(b *testing.B, writers int, sink func(i int, flood *exec.Cmd) (started, ended func())) {
	b.SetBytes(floodMiB << 20)
	for range b.N {
		b.StopTimer()
		gate, open, err := os.Pipe()
		if err != nil {
			b.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range writers {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), fmt.Sprintf("LOGS_TEST_CHILD=flood %g", float64(floodMiB)/float64(writers)))
			cmd.Stdin = gate
			started, ended := sink(i, cmd)
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			started()
			wg.Go(func() {
				if err := cmd.Wait(); err != nil {
					b.Error(err)
				}
				ended()
			})
		}
		gate.Close()
		b.StartTimer()
		open.Close()
		wg.Wait()
	}
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
