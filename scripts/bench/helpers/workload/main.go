//go:build linux

// Command workload is workload.c once more, for machines without a C
// compiler. It starts more slowly, for every supervisor alike.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) < 2 {
		os.Exit(110)
	}
	if os.Args[1] == "child" {
		// The orphan outlives its parent, this process.
		exec.Command(os.Args[0], "moment").Start()
		return
	}
	if os.Args[1] == "moment" {
		<-time.After(time.Millisecond)
		return
	}
	parts := strings.Split(os.Args[1], ",")
	if len(parts) < 3 {
		os.Exit(110)
	}
	mode, fifo := parts[0], parts[1]
	id, number := atoi(parts[2]), 0
	if len(parts) > 3 {
		number = atoi(parts[3])
	}
	begin := make(chan os.Signal, 1)
	signal.Notify(begin, unix.SIGUSR1)
	stamp(fifo, id, 0, 0)
	switch mode {
	case "crash":
		os.Exit(1)
	case "write":
		<-begin
		stamp(fifo, id, 1, writeLines(number))
	case "orphans":
		stamp(fifo, id, 1, leaveOrphans(number))
	}
	<-time.After(1<<63 - 1) // a bare select{} would be a deadlock to Go
}

// stamp writes one record: when, who.
func stamp(fifo string, id, kind, value int) {
	var now unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		os.Exit(111)
	}
	defer f.Close()
	record := binary.NativeEndian.AppendUint64(nil, uint64(now.Nano()))
	for _, n := range []int{os.Getpid(), id, kind, value} {
		record = binary.NativeEndian.AppendUint32(record, uint32(n))
	}
	if _, err := f.Write(record); err != nil {
		os.Exit(111)
	}
}

func writeLines(size int) int {
	const line, batch = 100, 655
	lines := size / line
	fill := strings.Repeat("x", line-13)
	var buf bytes.Buffer
	for next := 0; next < lines; {
		buf.Reset()
		for range min(batch, lines-next) {
			fmt.Fprintf(&buf, "%012d%s\n", next, fill)
			next++
		}
		if _, err := os.Stdout.Write(buf.Bytes()); err != nil {
			os.Exit(112)
		}
	}
	return lines
}

func leaveOrphans(count int) (left int) {
	for range count {
		if exec.Command(os.Args[0], "child").Run() == nil {
			left++
		}
	}
	return left
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		os.Exit(110)
	}
	return n
}
