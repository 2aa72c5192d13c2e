//go:build linux

// Command bench measures gosup beside a floor, which is what the kernel alone
// costs, and beside every other supervisor that it finds installed: all in one
// run, taking turns, so that what else the machine does hits them alike.
//
//	go run ./scripts/bench -md table.md -json table.json
//
// It builds its own workloads, counts what really ran, and ends only what it
// started: everything it starts is and stays its descendant, since it is a
// subreaper. Results are medians, and ratios to the floor; trust the ratios.
//
// A job is a file of its own with one function that returns its cases. A tool
// is a value in the file of its kind, with a function for each thing that it
// can do. The rest is in session.go (a running daemon and its workloads),
// stamps.go (how workloads report), schedule.go, procfs.go and report.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	jobs, tools  string
	sizes        string
	quick        bool
	gosup        string
	gosupOutput  string
	dir          string
	jsonFile, md string
	doc          string
	mebibytes    int
	rounds       int
	time         time.Duration
	keep         bool
}

func parse() options {
	var o options
	flag.StringVar(&o.jobs, "jobs", "", "only these `jobs`, with commas: "+strings.Join(jobNames(), ", "))
	flag.StringVar(&o.tools, "tools", "", "only these `tools`, with commas")
	flag.StringVar(&o.sizes, "sizes", "1,100,1000", "the `numbers` of processes for start and idle")
	flag.BoolVar(&o.quick, "quick", false, "little of everything: to see that it works")
	flag.StringVar(&o.gosup, "gosup", "bin/gosup", "the gosup `binary`")
	flag.StringVar(&o.gosupOutput, "gosup-output", "file", "logs.output of gosup where output is not what is measured: `file|none`")
	flag.StringVar(&o.dir, "dir", "", "the `folder` for files of all tools (default one in memory, /dev/shm, where there is that: /run is in memory too)")
	flag.StringVar(&o.jsonFile, "json", "", "write all results, samples too, to this `file`")
	flag.StringVar(&o.md, "md", "", "write the table to this `file` (default stdout)")
	flag.StringVar(&o.doc, "doc", "", "put the table into this Markdown `file`, between its marks")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each case is measured, unless it is slow; a `number`")
	flag.DurationVar(&o.time, "time", 9*time.Minute, "begin no further round after this `time`; the first is always finished")
	flag.IntVar(&o.mebibytes, "log-mib", 256, "how much the log writers write, in `MiB`")
	flag.BoolVar(&o.keep, "keep", false, "keep all files")
	flag.Parse()
	return o
}

// bench is one run of the program.
type bench struct {
	options
	*report
	ctx   context.Context
	dir   string
	sizes []int
	bin   helpers
	tools []*tool
	log   io.Writer
	// sweep ends what a measurement has left: all descendants of this program.
	sweep func(spared ...int) error
}

func run() error {
	o := parse()
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	// What loses its parent becomes a child of this program: nothing that it
	// started can get away.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	raiseFileLimit()
	b := &bench{options: o, ctx: ctx, log: os.Stderr, sweep: sweep}
	var err error
	if b.sizes, err = parseSizes(o.sizes, o.quick); err != nil {
		return err
	}
	if o.rounds < 1 {
		return fmt.Errorf("-rounds: %d is no number of rounds", o.rounds)
	}
	chosen, err := chooseJobs(o.jobs)
	if err != nil {
		return err
	}
	if o.dir == "" {
		// What a file costs is the disk's matter, and the noisiest part of all.
		if _, err := os.Stat("/dev/shm"); err == nil {
			o.dir = "/dev/shm"
		}
	}
	if b.dir, err = os.MkdirTemp(o.dir, "gosup-bench-"); err != nil {
		return err
	}
	if !o.keep {
		defer os.RemoveAll(b.dir)
	}
	defer sweep()
	if b.bin, err = buildHelpers(ctx, b.dir); err != nil {
		return err
	}
	if err := b.findTools(); err != nil {
		return err
	}
	b.runAll(chosen)
	if err := b.write(); err != nil {
		return err
	}
	return ctx.Err()
}

// job is a kind of measurement; each of its cases fills one or several rows.
type job struct {
	name  string
	cases func(*bench) []kase
}

// kase is one measurement that is repeated for each tool that can do it.
type kase struct {
	name string
	once bool // it takes long, and is measured in the first round only
	can  func(*tool) bool
	run  func(*bench, *tool) error // one round of one tool
}

// jobs in the order of the table.
func jobs() []job {
	return []job{
		{"restart", restartCases},
		{"start", startCases},
		{"idle", idleCases},
		{"logs", logsCases},
		{"storm", stormCases},
		{"orphans", orphansCases},
		{"checks", checksCases},
		{"growth", growthCases},
	}
}

func jobNames() []string {
	var names []string
	for _, j := range jobs() {
		names = append(names, j.name)
	}
	return names
}

func chooseJobs(names string) ([]job, error) {
	if names == "" {
		return jobs(), nil
	}
	var chosen []job
	for name := range strings.SplitSeq(names, ",") {
		i := slices.Index(jobNames(), name)
		if i < 0 {
			return nil, fmt.Errorf("no job %q (there are %s)", name, strings.Join(jobNames(), ", "))
		}
		chosen = append(chosen, jobs()[i])
	}
	return chosen, nil
}

func (b *bench) fail(where, tool string, err error) {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	fmt.Fprintf(b.log, "%s: %s: %s\n", where, tool, text)
	b.Failures = append(b.Failures, failure{where, tool, text})
}

// findTools makes the list of tools that are there, and says what is missing.
func (b *bench) findTools() error {
	all := allTools(b)
	var known, names, packages []string
	for _, t := range all {
		known = append(known, t.name)
	}
	wanted := known
	if b.options.tools != "" {
		wanted = strings.Split(b.options.tools, ",")
	}
	for _, name := range wanted {
		i := slices.Index(known, name)
		if i < 0 {
			return fmt.Errorf("no tool %q (there are %s)", name, strings.Join(known, ", "))
		}
		t := all[i]
		version, ok := t.find()
		switch {
		case ok:
			b.tools = append(b.tools, t)
			names = append(names, name)
		case t.pkg != "":
			packages = append(packages, t.pkg)
		default:
			fmt.Fprintf(b.log, "not there: %s (%s)\n", name, t.hint)
		}
		t.version = version
	}
	if len(packages) > 0 {
		fmt.Fprintf(b.log, "not there: %[1]s; to measure them as well: apt-get install %[1]s\n", strings.Join(packages, " "))
	}
	b.report = newReport(names, time.Now())
	b.Machine, b.Quick = machine(), b.quick
	for _, t := range b.tools {
		b.Versions[t.name] = t.version
	}
	return nil
}

// write writes the table first: it is what was waited for.
func (b *bench) write() error {
	table := func(w io.Writer) error { b.report.markdown(w); return nil }
	var err error
	if b.md != "" {
		err = create(b.md, table)
	} else {
		err = table(os.Stdout)
	}
	if b.doc != "" {
		err = errors.Join(err, b.report.insert(b.doc))
	}
	if b.jsonFile != "" {
		err = errors.Join(err, create(b.jsonFile, b.report.json))
	}
	return err
}

func create(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// parseSizes reads -sizes; a quick run takes no more than 20 of anything.
func parseSizes(text string, quick bool) ([]int, error) {
	var sizes []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-sizes: %q is no number of processes", part)
		}
		if quick {
			n = min(n, 20)
		}
		if !slices.Contains(sizes, n) {
			sizes = append(sizes, n)
		}
	}
	return sizes, nil
}

// machine describes what the figures hold for.
func machine() string {
	cpu := "an unknown CPU"
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			cpu = strings.TrimSpace(value)
		}
	}
	var set unix.CPUSet
	unix.SchedGetaffinity(0, &set)
	var uts unix.Utsname
	unix.Uname(&uts)
	return fmt.Sprintf("%d × %s, Linux %s", set.Count(), cpu, unix.ByteSliceToString(uts.Release[:]))
}

// raiseFileLimit lets the daemons, which inherit it, have as many descriptors
// as the machine allows.
func raiseFileLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}

// pause waits for so many nanoseconds: between two looks at something that
// tells nobody when it changes, and where time is what is measured.
func pause(ns int64) { <-time.After(time.Duration(ns)) }

// thousands writes 1000 as 1,000.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
