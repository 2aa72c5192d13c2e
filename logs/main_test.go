package logs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gosup/spec"
)

// TestMain lets the test binary be the processes whose output is tested.
func TestMain(m *testing.M) {
	if job := os.Getenv("LOGS_TEST_CHILD"); job != "" {
		child(strings.Fields(job))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is what a process does: "lines N" numbered lines to stdout, "bytes N"
// of one long line, "both N" lines to stdout and stderr in turn, "reopen" to
// /dev/stdout and /dev/stderr.
func child(job []string) {
	n := 0
	if len(job) > 1 {
		n, _ = strconv.Atoi(job[1])
	}
	switch job[0] {
	case "lines":
		var b bytes.Buffer
		for i := range n {
			fmt.Fprintf(&b, "line %08d %s\n", i, strings.Repeat("x", i%150))
			if b.Len() > 60<<10 {
				os.Stdout.Write(b.Bytes())
				b.Reset()
			}
		}
		os.Stdout.Write(b.Bytes())
	case "flood":
		io.Copy(io.Discard, os.Stdin) // until all may begin
		mib, _ := strconv.ParseFloat(job[1], 64)
		line := append(bytes.Repeat([]byte{'x'}, 99), '\n')
		block := bytes.Repeat(line, 656)[:64<<10]
		for left := int(mib * (1 << 20)); left > 0; {
			n, err := os.Stdout.Write(block[:min(left, len(block))])
			if err != nil {
				panic(err)
			}
			left -= n
		}
	case "bytes":
		os.Stdout.Write(bytes.Repeat([]byte{'z'}, n))
	case "both":
		for i := range n {
			fmt.Fprintf(os.Stdout, "out %d\n", i)
			fmt.Fprintf(os.Stderr, "err %d\n", i)
		}
	case "line": // one long line and a short one
		os.Stdout.Write(bytes.Repeat([]byte{'z'}, n))
		fmt.Print("\nnext\n")
	case "grandchild": // leaves a process behind that holds the output open
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "LOGS_TEST_CHILD=hold")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.ExtraFiles = []*os.File{os.NewFile(3, "until")}
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		fmt.Println("parent ends")
	case "hold": // until descriptor 3 is closed
		os.NewFile(3, "until").Read(make([]byte, 1))
	case "farewell": // writes until TERM, then a last MiB
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		for {
			select {
			case <-term:
				os.Stdout.Write(bytes.Repeat([]byte("farewell\n"), 1<<20/9))
				fmt.Println("end")
				return
			default:
				fmt.Println("working")
			}
		}
	case "daemon": // DIR FORMAT SIZE COMPRESSION: a pump, until it is killed
		var c crash
		fmt.Sscan(strings.Join(job[2:], " "), &c.format, &c.maxSize, &c.compress)
		daemon(job[1], c)
	case "reopen":
		for _, path := range []string{"/dev/stdout", "/dev/stderr"} {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			fmt.Fprintln(f, path)
		}
	default:
		panic("no such job: " + job[0])
	}
}

// world is a pump and the folders that it works in.
type world struct {
	testing.TB
	*Pump
	dir     string
	console *os.File // what was written to it can be read back
	color   bool
	clock   *clock
}

// clock is the pump's, and stands still unless it is told.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// noon is when every test begins.
var noon = time.Date(2024, 11, 23, 12, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	con, err := os.Create(filepath.Join(dir, "console"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { con.Close() })
	w := &world{TB: t, dir: dir, console: con, clock: &clock{}}
	w.clock.ns.Store(noon.UnixNano())
	w.start()
	return w
}

// start makes the pump, again after it was closed.
func (w *world) start() {
	w.Helper()
	p, err := NewPump(Options{RuntimeDir: filepath.Join(w.dir, "run"), Stdout: w.console, Stderr: w.console, Color: w.color})
	if err != nil {
		w.Fatal(err)
	}
	p.now, p.start = w.clock.now, w.clock.now()
	w.Pump = p
	w.Cleanup(func() { p.Close() })
}

// config is a configuration that writes to the file "log/NAME.log".
func (w *world) config(name string) spec.Logs {
	return spec.Logs{
		Output: spec.OutputFile, File: w.path(name), Format: spec.FormatRaw,
		ConsoleFormat: spec.FormatPrefix, MaxSizeBytes: 10 << 20, MaxFiles: 5,
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, "log", name+".log") }

func (w *world) open(name string, cfg spec.Logs) *Sink {
	w.Helper()
	s, err := w.Open(name, cfg, Owner{os.Getuid(), os.Getgid()})
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// run runs a child to its end and drains its output.
func (w *world) run(s *Sink, job string) {
	w.Helper()
	cmd := w.begin(s, job)
	if err := cmd.Wait(); err != nil {
		w.Fatalf("%s: %v", job, err)
	}
	s.Drain()
}

// begin starts a child that writes to a sink.
func (w *world) begin(s *Sink, job string) *exec.Cmd {
	w.Helper()
	stdout, stderr, err := s.ChildFiles()
	if err != nil {
		w.Fatal(err)
	}
	defer stdout.Close()
	defer stderr.Close()
	cmd := w.command(job)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	return cmd
}

// command is the test binary as a process with a job.
func (w *world) command(job string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "LOGS_TEST_CHILD="+job, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// write writes to a sink as a process would, and drains it.
func (w *world) write(s *Sink, text string) {
	w.Helper()
	stdout, stderr, err := s.ChildFiles()
	if err != nil {
		w.Fatal(err)
	}
	defer stdout.Close()
	defer stderr.Close()
	if _, err := io.WriteString(stdout, text); err != nil {
		w.Fatal(err)
	}
	s.Drain()
}

// read returns a file's content, "" if there is none.
func (w *world) read(path string) string {
	w.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		w.Fatal(err)
	}
	return string(b)
}

// eventually waits for a condition, 90 seconds at most.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(90 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 90s: %s", what)
		}
	}
}

// lines returns what "lines N" writes.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %08d %s\n", i, strings.Repeat("x", i%150))
	}
	return b.String()
}
