//go:build linux

package procman

import (
	"context"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// benchRounds is how often the hand and the bare loop take turns within one
// benchmark, so that both see the same machine. They cannot run at once: the
// hand reaps every child of the process.
const benchRounds = 8

// BenchmarkHandRestart measures from a SIGKILL to the execution of the next
// run, beside a bare loop of fork, kill and wait.
func BenchmarkHandRestart(b *testing.B) { benchBoth(b, benchCase{argv: sleeper, kill: true}) }

// BenchmarkHandRestartBeside is the same with 500 idle processes beside it.
func BenchmarkHandRestartBeside(b *testing.B) {
	benchBoth(b, benchCase{argv: sleeper, kill: true, idle: 500})
}

// BenchmarkHandRestartCgroup is the same with a cgroup for each run.
func BenchmarkHandRestartCgroup(b *testing.B) {
	root, err := makeCgroups("bench")
	if err != nil {
		b.Skip(err)
	}
	benchBoth(b, benchCase{argv: sleeper, kill: true, opt: handOptions{cgroups: root}})
}

// BenchmarkHandSpawnShim is BenchmarkHandSpawn through the shim.
func BenchmarkHandSpawnShim(b *testing.B) {
	umask := uint32(0o22)
	benchBoth(b, benchCase{argv: []string{"/bin/true"}, rights: spec.Rights{Umask: &umask}})
}

// BenchmarkHandSpawn measures from start to end of a process that ends at once.
func BenchmarkHandSpawn(b *testing.B) { benchBoth(b, benchCase{argv: []string{"/bin/true"}}) }

var sleeper = []string{"/bin/sleep", "100"}

// benchCase is what is started, and among what.
type benchCase struct {
	argv   []string
	kill   bool // it must be killed to end
	idle   int  // others that run meanwhile
	opt    handOptions
	rights spec.Rights
}

func benchBoth(b *testing.B, c benchCase) {
	if err := adoptOrphans(); err != nil {
		b.Fatal(err)
	}
	var bare, hand []time.Duration
	var heap uint64
	n := max(b.N/benchRounds, 4)
	for range benchRounds {
		h, events := benchHand(c.opt)
		for i := range c.idle {
			h.start(benchLaunch(uint64(1e6+i), []string{"/bin/sleep", "1000"}))
		}
		for range c.idle {
			<-events
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		hand = append(hand, benchTheHand(h, events, c, n)...)
		runtime.ReadMemStats(&after)
		heap += after.TotalAlloc - before.TotalAlloc
		for i := range c.idle {
			h.signal(tree.Signal{Node: 1, Run: uint64(1e6 + i), Signal: 9, Reach: spec.KillProcess})
		}
		for range c.idle {
			<-events
		}
		if err := h.close(context.Background()); err != nil {
			b.Fatal(err)
		}
		bare = append(bare, benchBare(b, c.argv, c.kill, n)...)
	}
	slices.Sort(bare)
	slices.Sort(hand)
	at := func(d []time.Duration, share float64) float64 {
		return float64(d[int(share*float64(len(d)-1))]) / 1e3
	}
	b.ReportMetric(at(hand, 0.5), "µs/hand-p50")
	b.ReportMetric(at(bare, 0.5), "µs/bare-p50")
	b.ReportMetric(at(hand, 0.5)/at(bare, 0.5), "ratio-p50")
	b.ReportMetric(at(hand, 0.99)/at(bare, 0.99), "ratio-p99")
	b.ReportMetric(float64(heap)/float64(n*benchRounds), "B/run")
	b.ReportMetric(0, "ns/op")
}

func benchLaunch(run uint64, argv []string) launch {
	return launch{Node: 1, Run: run, Argv: argv, Dir: "/", Env: append(os.Environ(), "GOSUP_RUN=bench/bench/1"), Files: []int{-1, -1, -1}}
}

func benchHand(opt handOptions) (*hand, chan tree.Event) {
	events := make(chan tree.Event, 4096)
	begin := time.Now()
	now := func() tree.Time { return tree.Time(time.Since(begin)) }
	return newHand(func(e tree.Event) { events <- e }, now, opt), events
}

// benchTheHand does n restarts.
func benchTheHand(h *hand, events chan tree.Event, c benchCase, n int) []time.Duration {
	var took []time.Duration
	start := func(run uint64) {
		l := benchLaunch(run, c.argv)
		l.Rights = c.rights
		h.start(l)
	}
	start(1)
	begin := time.Now()
	for run := uint64(1); len(took) < n; {
		switch e := (<-events).(type) {
		case tree.Started:
			if e.Run != run {
				continue
			}
			if c.kill {
				if run > 1 {
					took = append(took, time.Since(begin))
				}
				begin = time.Now()
				h.signal(tree.Signal{Node: 1, Run: run, Signal: 9, Reach: spec.KillProcess})
			}
		case tree.Exited:
			if !c.kill {
				took = append(took, time.Since(begin))
				begin = time.Now()
			}
			run++
			start(run)
		}
	}
	h.signal(tree.Signal{Node: 1, Run: uint64(n + 1), Signal: 9, Reach: spec.KillTree})
	for {
		if e, ok := (<-events).(tree.Exited); ok && e.Run == uint64(n+1) {
			return took
		}
	}
}

// benchBare does the same with nothing but the system calls.
func benchBare(b *testing.B, argv []string, kill bool, n int) []time.Duration {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	attr := &syscall.ProcAttr{Dir: "/", Env: benchLaunch(1, argv).Env, Sys: &syscall.SysProcAttr{Setsid: true},
		Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}}
	var took []time.Duration
	begin := time.Now()
	for len(took) < n {
		pid, err := syscall.ForkExec(argv[0], argv, attr)
		if err != nil {
			b.Fatal(err)
		}
		if kill {
			took = append(took, time.Since(begin))
			begin = time.Now()
			syscall.Kill(pid, syscall.SIGKILL)
		}
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
			b.Fatal(err)
		}
		if !kill {
			took = append(took, time.Since(begin))
			begin = time.Now()
		}
	}
	return took[1:]
}
