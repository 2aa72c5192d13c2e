//go:build linux

// Command floor is the least that a supervisor in Go can do: fork, exec and
// wait4 in a loop. It starts WORKLOAD once for each line of FILE, starts what
// ends again, and on TERM ends all and itself.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
)

// floor is what runs, by pid, and whether it should.
type floor struct {
	workload string
	mu       sync.Mutex
	running  map[int]string
	stopping bool
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: floor WORKLOAD FILE")
		os.Exit(2)
	}
	text, err := os.ReadFile(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	f := &floor{workload: os.Args[1], running: map[int]string{}}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() { // lives as long as the program
		<-term
		f.stop()
	}()
	for argument := range strings.Lines(string(text)) {
		f.start(strings.TrimSpace(argument))
	}
	f.loop()
}

// loop reaps and restarts until there is no child left.
func (f *floor) loop() {
	for {
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		switch err {
		case nil:
		case syscall.EINTR:
			continue
		default:
			return
		}
		f.mu.Lock()
		argument, known := f.running[pid]
		delete(f.running, pid)
		restart := known && !f.stopping
		f.mu.Unlock()
		if restart {
			f.start(argument)
		}
	}
}

func (f *floor) start(argument string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	pid, err := syscall.ForkExec(f.workload, []string{f.workload, argument}, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	f.running[pid] = argument
}

func (f *floor) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopping = true
	for pid := range f.running {
		syscall.Kill(pid, syscall.SIGTERM)
	}
}
