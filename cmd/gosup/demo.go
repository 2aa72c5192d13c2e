package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gosup/notify"
)

// demoOptions is what a demo was told to do.
type demoOptions struct {
	http               string
	crashAfter         time.Duration
	crashes            bool // crashAfter counts, also when it is 0
	crashAfterRequests int64
	exitCode           int
	unhealthyAfter     time.Duration
	degradedAfter      time.Duration
	ignoreTerm         bool
	heartbeat          time.Duration
	heartbeatStopAfter time.Duration
	readyAfter         time.Duration
	readies            bool // readyAfter counts, also when it is 0
	logRate            int
	fork               int
	state              bool
	fdstore            bool
	orphans            int  // internal: start so many orphans and leave them
	orphan             bool // internal: be one of them
}

// orphanLife is how long an orphan of --fork lives on: long enough to be seen
// in ps, short enough not to pile up.
const orphanLife = 10 * time.Second

// newDemoCommand returns gosup demo, a sample workload that misbehaves as it
// is told to, for trying and testing supervision.
func newDemoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "A sample workload for trying and testing supervision",
		Long: `A sample workload for trying and testing supervision.

Without flags it runs until it is told to stop. The flags combine. It says on
stdout what it was told to do and what it does. On TERM and INT it finishes the
requests that it has begun, says farewell and exits with code 0.`,
		Example: `  gosup demo --log-rate 5 --crash-after 3s --exit-code 7
  gosup demo --http 127.0.0.1:8080 --degraded-after 10s --unhealthy-after 20s`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags := cmd.Flags()
			// An exit code alone is the code of a demo that ends at once.
			o.crashes = flags.Changed("crash-after") ||
				flags.Changed("exit-code") && !flags.Changed("crash-after-requests")
			o.readies = flags.Changed("ready-after")
			if err := o.check(); err != nil {
				return err
			}
			return o.run()
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.http, "http", "", "serve HTTP on this `address`, or on fd://NAME, a socket that it is handed: / counts requests, /error fails, /healthz shows the health")
	f.DurationVar(&o.crashAfter, "crash-after", 0, "end after this time")
	f.Int64Var(&o.crashAfterRequests, "crash-after-requests", 0, "end after so many requests to --http, /healthz not counted")
	f.IntVar(&o.exitCode, "exit-code", 1, "the code to end with; without another flag that ends it, at once")
	f.DurationVar(&o.unhealthyAfter, "unhealthy-after", 0, "show unhealthy on /healthz after this time")
	f.DurationVar(&o.degradedAfter, "degraded-after", 0, "show degraded on /healthz after this time")
	f.BoolVar(&o.ignoreTerm, "ignore-term", false, "do not end on TERM")
	f.DurationVar(&o.heartbeat, "heartbeat", 0, "send WATCHDOG=1 to $NOTIFY_SOCKET each time this has passed")
	f.DurationVar(&o.heartbeatStopAfter, "heartbeat-stop-after", 0, "send no heartbeat after this time")
	f.DurationVar(&o.readyAfter, "ready-after", 0, "send READY=1 to $NOTIFY_SOCKET after this time")
	f.IntVar(&o.logRate, "log-rate", 0, "print so many numbered lines a second")
	f.IntVar(&o.fork, "fork", 0, "leave so many orphans behind, in sessions of their own, for "+orphanLife.String())
	f.BoolVar(&o.state, "state", false, "count the starts in $STATE_DIRECTORY and print the count")
	f.BoolVar(&o.fdstore, "fdstore", false, "count the starts in a file without a name, which the supervisor keeps")
	f.IntVar(&o.orphans, "orphans", 0, "")
	f.BoolVar(&o.orphan, "orphan", false, "")
	f.MarkHidden("orphans")
	f.MarkHidden("orphan")
	return cmd
}

// check refuses what could not have the effect that it asks for.
func (o *demoOptions) check() error {
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{
		{"crash-after", o.crashAfter}, {"unhealthy-after", o.unhealthyAfter},
		{"degraded-after", o.degradedAfter}, {"heartbeat", o.heartbeat},
		{"heartbeat-stop-after", o.heartbeatStopAfter}, {"ready-after", o.readyAfter},
	} {
		if d.value < 0 {
			return usageErrorf("--%s is negative: %v", d.flag, d.value)
		}
	}
	switch {
	case o.crashAfterRequests < 0 || o.logRate < 0 || o.fork < 0:
		return usageErrorf("--crash-after-requests, --log-rate and --fork take no negative number")
	case o.exitCode < 0 || o.exitCode > 255:
		return usageErrorf("--exit-code %d is not in 0 to 255", o.exitCode)
	case o.http == "" && (o.unhealthyAfter > 0 || o.degradedAfter > 0 || o.crashAfterRequests > 0):
		return usageErrorf("--unhealthy-after, --degraded-after and --crash-after-requests need --http, which shows the health and takes the requests")
	case o.heartbeat == 0 && o.heartbeatStopAfter > 0:
		return usageErrorf("--heartbeat-stop-after needs --heartbeat")
	}
	return nil
}

// demo is one running demo. Everything happens in its loop, except for the
// answers to HTTP requests.
type demo struct {
	demoOptions
	started  time.Time
	out      *bufio.Writer // flushed by say, and once for each batch of log lines
	lines    int           // of --log-rate, printed so far
	socket   string        // $NOTIFY_SOCKET, "" without one
	health   atomic.Pointer[demoHealth]
	requests atomic.Int64
	errors   atomic.Int64
	crowded  chan struct{}       // closed by the request that --crash-after-requests waits for
	handed   map[string]*os.File // by name, what the supervisor has handed over
	web      *demoServer         // nil without --http
}

func (o demoOptions) run() error {
	d := &demo{
		demoOptions: o,
		started:     time.Now(),
		out:         bufio.NewWriterSize(os.Stdout, 64<<10),
		socket:      os.Getenv("NOTIFY_SOCKET"),
		crowded:     make(chan struct{}),
	}
	d.health.Store(&demoHealth{Status: "healthy"})
	switch {
	case o.orphans > 0:
		return startOrphans(o.orphans)
	case o.orphan:
		return d.liveAsOrphan()
	}
	// Caught before the first line: who reads that line may signal.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	d.say("%s", strings.Join(append(d.plan(), identity()...), ", "))
	if d.socket == "" && (d.heartbeat > 0 || d.readies) {
		d.say("NOTIFY_SOCKET is not set: nobody will be told")
	}
	if d.state {
		if err := d.countStart(); err != nil {
			return err
		}
	}
	d.handed = takeHanded(os.Getenv)
	if d.fdstore {
		if err := d.countInStore(); err != nil {
			return err
		}
	}
	if d.fork > 0 {
		if err := d.leaveOrphans(); err != nil {
			return err
		}
	}
	if d.http != "" {
		if err := d.serve(); err != nil {
			return err
		}
	}
	return d.loop(signals)
}

// loop runs until the demo ends and returns the end.
func (d *demo) loop(signals <-chan os.Signal) error {
	crash := d.after(d.crashes, d.crashAfter)
	unhealthy := d.after(d.unhealthyAfter > 0, d.unhealthyAfter)
	degraded := d.after(d.degradedAfter > 0, d.degradedAfter)
	ready := d.after(d.readies, d.readyAfter)
	beats := every(d.heartbeat)
	beatStop := d.after(d.heartbeatStopAfter > 0, d.heartbeatStopAfter)
	lines := every(d.lineInterval())
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGTERM && d.ignoreTerm {
				d.say("TERM ignored")
				continue
			}
			d.web.drain()
			d.say("farewell on %s", signalWord(s))
			return nil
		case <-crash:
			return d.crash("")
		case <-d.crowded:
			return d.crash(fmt.Sprintf(", after %d requests", d.crashAfterRequests))
		case <-unhealthy:
			d.show("unhealthy", d.unhealthyAfter)
		case <-degraded:
			d.show("degraded", d.degradedAfter)
		case <-ready:
			d.tell("ready", "READY=1")
		case <-beats:
			d.tell("", fmt.Sprintf("WATCHDOG=1\nX_GOSUP_REQUESTS=%d\nX_GOSUP_ERRORS=%d",
				d.requests.Load(), d.errors.Load()))
		case <-beatStop:
			beats = nil
			d.say("no more heartbeats")
		case <-lines:
			d.printLines()
		}
	}
}

// plan is what the demo was told, one phrase for each flag.
func (d *demo) plan() []string {
	var p []string
	add := func(told bool, format string, args ...any) {
		if told {
			p = append(p, fmt.Sprintf(format, args...))
		}
	}
	add(d.crashes, "ends after %v with code %d", d.crashAfter, d.exitCode)
	add(d.crashAfterRequests > 0, "ends after %d requests with code %d", d.crashAfterRequests, d.exitCode)
	add(d.degradedAfter > 0, "degraded after %v", d.degradedAfter)
	add(d.unhealthyAfter > 0, "unhealthy after %v", d.unhealthyAfter)
	add(d.readies, "ready after %v", d.readyAfter)
	add(d.heartbeat > 0, "heartbeat every %v", d.heartbeat)
	add(d.heartbeatStopAfter > 0, "heartbeats stop after %v", d.heartbeatStopAfter)
	add(d.logRate > 0, "%d lines a second", d.logRate)
	add(d.ignoreTerm, "ignores TERM")
	if len(p) == 0 {
		p = []string{"steady"}
	}
	return p
}

// identity is which run this is: its pid and what the supervisor told.
func identity() []string {
	id := []string{"pid " + strconv.Itoa(os.Getpid())}
	if name := os.Getenv("GOSUP_PROCESS"); name != "" {
		id = append(id, "process "+name)
	}
	if run := os.Getenv("GOSUP_RUN"); run != "" {
		id = append(id, "run "+path.Base(run)) // supervisor/name/number
	}
	if n := os.Getenv("GOSUP_RESTART_COUNT"); n != "" {
		id = append(id, "restarts "+n)
	}
	return id
}

// say prints a line at once.
func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "demo: "+format+"\n", args...)
	d.out.Flush() // who does not read the demo's output is not the demo's concern
}

// crash is the end that --exit-code and its companions ask for.
func (d *demo) crash(why string) error {
	d.say("end with code %d%s", d.exitCode, why)
	if d.exitCode == 0 {
		return nil
	}
	return &exitError{code: d.exitCode}
}

// tell sends a message to the supervisor, and says so where word names it.
func (d *demo) tell(word, message string) {
	switch err := notify.Send(d.socket, message); {
	case err != nil:
		d.say("%v", err)
	case word != "":
		d.say("%s", word)
	}
}

// after returns a channel that delivers once, when wait has passed since the
// start; never where the demo was not told to.
func (d *demo) after(told bool, wait time.Duration) <-chan time.Time {
	if !told {
		return nil
	}
	return time.After(wait - time.Since(d.started))
}

// every returns a channel that delivers at each interval; never for 0.
func every(interval time.Duration) <-chan time.Time {
	if interval <= 0 {
		return nil
	}
	return time.Tick(interval)
}

// lineInterval is the time between two wake-ups for --log-rate: one line each,
// but no more than a hundred a second, then with several lines each.
func (d *demo) lineInterval() time.Duration {
	if d.logRate == 0 {
		return 0
	}
	return max(time.Second/time.Duration(d.logRate), 10*time.Millisecond)
}

// printLines prints the lines that are due by now.
func (d *demo) printLines() {
	due := int(time.Since(d.started).Seconds() * float64(d.logRate))
	for d.lines < due {
		d.lines++
		fmt.Fprintf(d.out, "demo: line %d\n", d.lines)
	}
	d.out.Flush()
}

// countStart adds one to the counter in the state folder.
func (d *demo) countStart() error {
	dir := os.Getenv("STATE_DIRECTORY")
	if dir == "" {
		return errors.New("--state: STATE_DIRECTORY is not set (run the demo under gosup run, or set it to a folder)")
	}
	file := filepath.Join(dir, "starts")
	n := 0
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, os.ErrNotExist): // the first start
	case err != nil:
		return fmt.Errorf("--state: %w", err)
	default:
		if n, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			return fmt.Errorf("--state: %s holds no number (remove it to count from 1)", file)
		}
	}
	n++
	// Renamed into place, so that a kill at any moment leaves one number or
	// the other.
	if err := os.WriteFile(file+".new", []byte(strconv.Itoa(n)+"\n"), 0o600); err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	d.say("start %d, counted in %s", n, file)
	return nil
}

func signalWord(s os.Signal) string {
	if s == syscall.SIGINT {
		return "INT"
	}
	return "TERM"
}
