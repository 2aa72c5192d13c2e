//go:build linux

package procman

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"gosup/tree"
)

// roles are what the test binary can be when a test starts it. Each says on
// its standard output when it is ready, so that nobody has to guess.
var roles = map[string]func(args []string){
	"exit":        playExit,
	"sleep":       playSleep,
	"ignore-term": playIgnoreTerm,
	"spawn":       playSpawn,
	"say":         playSay,
	"storm":       playStorm,
	"comet":       playComet,
	"daemon":      playDaemon,
	"blocked":     playBlocked,
	"init":        playInit,
	"front":       playFront,
	"eat":         playEat,
	"saver":       playSaver,
}

// playExit ends with the code of its first argument.
func playExit(args []string) {
	code, _ := strconv.Atoi(args[0])
	os.Exit(code)
}

// playSleep says "ready PID" and waits for a signal to end it.
func playSleep([]string) {
	ready()
	forever()
}

// forever waits for something that does not come, in a way that Go does not
// take for a deadlock.
func forever() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGWINCH)
	for range c {
	}
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
			env = []string{"GORACE=atexit_sleep_ms=0"}
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
		forever()
	case "die":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
}

// playDaemon does what a daemon does at its start, and then runs one command
// on its own standard streams: the role or, after "--", the program that its
// arguments say. Its first argument may be "front" to give it the terminal.
func playDaemon(args []string) {
	handleSignals()
	if err := errors.Join(markCloexec(), adoptOrphans()); err != nil {
		fmt.Println(err)
	}
	l := launch{Node: 1, Run: 1, Tag: "daemon/1", Dir: "/", Files: []int{0, 1, 2}}
	if rights := os.Getenv("PROCMAN_TEST_RIGHTS"); rights != "" {
		if err := json.Unmarshal([]byte(rights), &l.Rights); err != nil {
			fmt.Println(err)
		}
	}
	if args[0] == "front" {
		l.Foreground, args = true, args[1:]
	}
	l.Argv = args[1:]
	l.Env = append(without(os.Environ(), "PROCMAN_TEST_ROLE="), "GOSUP_RUN=daemon/1")
	if args[0] != "--" {
		l.Argv = append([]string{"/proc/self/exe"}, args[1:]...)
		l.Env = append(l.Env, "PROCMAN_TEST_ROLE="+args[0])
	}
	events := make(chan tree.Event, 8)
	h := newHand(func(e tree.Event) { events <- e }, func() tree.Time { return 0 }, handOptions{})
	h.start(l)
	for e := range events {
		switch e := e.(type) {
		case tree.StartFailed:
			fmt.Println("failed", e.Why)
			os.Exit(1)
		case tree.Exited:
			fmt.Println("exited", e.Exit.Code, e.Exit.Signal)
			if !e.Left {
				daemonEnd(h)
			}
		case tree.Gone:
			daemonEnd(h)
		}
	}
}

func daemonEnd(h *hand) {
	h.close(context.Background())
	_, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
	fmt.Println("children", err != syscall.ECHILD)
	if front, err := unix.IoctlGetInt(0, unix.TIOCGPGRP); err == nil {
		fmt.Println("front again", front == syscall.Getpgrp())
	}
	ready()
	os.Exit(0)
}

// playBlocked becomes a daemon on a thread that blocks most signals.
func playBlocked(args []string) {
	runtime.LockOSThread()
	var all unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[0]
	}
	unix.PthreadSigmask(unix.SIG_BLOCK, &all, nil)
	pid, err := syscall.ForkExec("/proc/self/exe", append(os.Args[:1:1], args...), &syscall.ProcAttr{
		Env:   append(without(os.Environ(), "PROCMAN_TEST_ROLE="), "PROCMAN_TEST_ROLE=daemon"),
		Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		fmt.Println(err)
	}
	syscall.Wait4(pid, nil, 0, nil)
}

// playInit is a daemon that is PID 1, with a procfs of its own or, when its
// first argument is "without", none.
func playInit(args []string) {
	unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if args[0] == "with" {
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("pid", os.Getpid())
	playDaemon(args[1:])
}

// playEat enters a cgroup and takes 256 MiB of memory.
func playEat(args []string) {
	if err := os.WriteFile(args[0], []byte("0"), 0); err != nil {
		fmt.Println(err)
		return
	}
	memory := make([]byte, 256<<20)
	for i := range memory {
		memory[i] = 1
	}
	fmt.Println(memory[len(memory)-1])
}

// playFront says whether it has the terminal.
func playFront([]string) {
	front, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	fmt.Println("front", front == os.Getpid(), err)
	fmt.Println("group", syscall.Getpgrp() == os.Getpid())
	sid, _ := unix.Getsid(0)
	fmt.Println("session", sid == os.Getpid())
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

// playStorm forks short-lived children into sessions of their own as fast as
// it can, for a while.
func playStorm([]string) {
	ready()
	for range 20000 {
		if _, err := fork("exit", "0"); err != nil && err != syscall.EAGAIN {
			return
		}
		var status syscall.WaitStatus
		syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
	}
}

// playComet replaces itself by a child in a new session, again and again, for
// a while: each becomes an orphan at once.
func playComet(args []string) {
	generation := 0
	if len(args) == 0 {
		ready()
	} else {
		generation, _ = strconv.Atoi(args[0])
	}
	for generation < 3000 {
		if _, err := fork("comet", strconv.Itoa(generation+1)); err != syscall.EAGAIN {
			return
		}
	}
}

// fork starts this binary in a role and a session of its own.
func fork(role string, args ...string) (int, error) {
	return syscall.ForkExec(os.Args[0], append(os.Args[:1:1], args...), &syscall.ProcAttr{
		Env:   append(without(os.Environ(), "PROCMAN_TEST_ROLE="), "PROCMAN_TEST_ROLE="+role),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
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
