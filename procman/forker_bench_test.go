package procman

import (
	"os"
	"syscall"
	"testing"
)

// BenchmarkForker shows what a table of 2,000 descriptors costs a fork, and
// what the forker saves of it.
func BenchmarkForker(b *testing.B) {
	for range 2000 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
	}
	attr := &syscall.ProcAttr{Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true}}
	argv := []string{"/bin/true"}
	run := func(b *testing.B, fork func() (int, error)) {
		for b.Loop() {
			pid, err := fork()
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
	b.Run("direct", func(b *testing.B) {
		run(b, func() (int, error) { return syscall.ForkExec(argv[0], argv, attr) })
	})
	b.Run("forker", func(b *testing.B) {
		var f forkers
		if err := f.add(); err != nil {
			b.Skip(err)
		}
		defer f.close()
		run(b, func() (int, error) { return f.fork(argv[0], argv, attr) })
	})
}
