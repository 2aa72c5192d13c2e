package procman

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

// roles are what the test binary can be when a test starts it. Each says on
// its standard output when it is ready, so that nobody has to guess.
var roles = map[string]func(args []string){
	"exit":        playExit,
	"sleep":       playSleep,
	"ignore-term": playIgnoreTerm,
	"spawn":       playSpawn,
	"say":         playSay,
}

// playExit ends with the code of its first argument.
func playExit(args []string) {
	code, _ := strconv.Atoi(args[0])
	os.Exit(code)
}

// playSleep says "ready PID" and waits for a signal to end it.
func playSleep([]string) {
	ready()
	select {}
}

// playIgnoreTerm is deaf to TERM, and says so to everybody who sends one.
func playIgnoreTerm([]string) {
	c := make(chan os.Signal, 8)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGCONT)
	ready()
	for s := range c {
		fmt.Printf("got %d\n", s.(syscall.Signal))
	}
}

// playSpawn starts a child of its own in another role and, as its first
// argument says, lives on, ends, or dies. The words before the role say how
// the child is to hide: "setsid" in a session of its own, "bare" with an empty
// environment but for the role.
func playSpawn(args []string) {
	end, args := args[0], args[1:]
	attr := &syscall.SysProcAttr{}
	env := os.Environ()
	for ; args[0] == "setsid" || args[0] == "bare"; args = args[1:] {
		attr.Setsid = attr.Setsid || args[0] == "setsid"
		if args[0] == "bare" {
			env = nil
		}
	}
	cmd := exec.Command(os.Args[0], args[1:]...)
	cmd.Env = append(without(env, "PROCMAN_TEST_ROLE="), "PROCMAN_TEST_ROLE="+args[0])
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stdout, os.Stderr, attr
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		os.Exit(98)
	}
	switch end {
	case "stay":
		ready()
		cmd.Wait()
		select {}
	case "die":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
}

// playSay prints what it can see of itself.
func playSay([]string) {
	dir, _ := os.Getwd()
	fmt.Println("dir", dir)
	fmt.Println("pgrp", syscall.Getpgrp() == os.Getpid())
	for n := 1; n <= 64; n++ {
		if ignored(n) {
			fmt.Println("ignored", n)
		}
	}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "SigBlk:") {
			fmt.Print(strings.Join(strings.Fields(line), " "), "\n")
		}
	}
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && !strings.HasPrefix(to, "anon_inode") && !strings.HasPrefix(to, "/proc/") {
			fmt.Println("fd", fd.Name(), to)
		}
	}
	ready()
}

func ready() { fmt.Println("ready", os.Getpid()) }

// without returns an environment without the entries of a prefix.
func without(env []string, prefix string) []string {
	var kept []string
	for _, kv := range env {
		if !strings.HasPrefix(kv, prefix) {
			kept = append(kept, kv)
		}
	}
	return kept
}
