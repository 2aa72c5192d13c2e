//go:build !linux

package procman

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"gosup/spec"
)

// What follows is the hand where there is no procfs and no subreaper: it
// starts, signals and reaps its own children, and knows of no other.

type signalMask struct{}

func unblockSignals() signalMask { return signalMask{} }
func blockSignals(signalMask)    {}
func onMainThread() bool         { return false }
func adoptOrphans() error        { return nil }
func handleSignals()             {}
func markCloexec() error         { return nil }
func takeTerminal(int)           {}
func dupTerminal(int) int        { return -1 }
func access(path string) error   { return unix.Access(path, unix.X_OK) }

// waiter leaves it to SIGCHLD to tell that a child has ended.
type waiter struct{ ended chan int }

func (*waiter) open(chld chan<- os.Signal, _ <-chan struct{}) { signal.Notify(chld, syscall.SIGCHLD) }
func (*waiter) close(chld chan<- os.Signal)                   { signal.Stop(chld) }
func (*waiter) next()                                         {}
func (*waiter) fork()                                         {}

// maxRSSBytes returns the largest resident set; darwin counts in bytes.
func maxRSSBytes(u *syscall.Rusage) int64 { return u.Maxrss }

type oomCounter struct{}

func (*oomCounter) open(string) {}
func (*oomCounter) close()      {}
func (*oomCounter) grew() bool  { return false }

// mounts knows of nothing here.
type mounts struct{}

func (*mounts) open(string)        {}
func (*mounts) close()             {}
func (*mounts) hangs(*launch) bool { return false }

// kin knows nobody here.
type kin struct{ cgroups cgroups }

func (*kin) open(handOptions, *reserve, map[int]*child) {}
func (*kin) close()                                     {}
func (*kin) born(*child)                                {}
func (*kin) forget(*child)                              {}
func (*kin) left(*child) bool                           { return false }
func (*kin) adopt(bool) bool                            { return true }
func (*kin) dying(int) bool                             { return false }

func (*kin) blink()                 {}
func (*kin) killStrays([]relative)  {}
func (h *hand) adoptAll([]adoption) {}
func (h *hand) farEnded() []*child  { return nil }

// signal reaches the process group while its first process lives.
func (*kin) signal(c *child, _ spec.Kill, sigs []syscall.Signal) {
	if !c.over {
		send(-c.pid, sigs)
	}
}

// cgroups are not known here.
type cgroups struct{}

func (*cgroups) add() (string, int)              { return "", -1 }
func (*cgroups) tidy()                           {}
func (*cgroups) drop(string)                     {}
func (*cgroups) fail(error)                      {}
func (*cgroups) limit(string, spec.Cgroup) error { return errors.New("cgroups need Linux") }

func makeCgroups(string) (string, error)   { return "", errors.New("cgroups need Linux") }
func intoCgroup(*syscall.SysProcAttr, int) {}
func cgroupRefused(error) bool             { return false }

// reapOne reaps a child that has ended.
func (h *hand) reapOne(int) (pid int, status syscall.WaitStatus, usage *syscall.Rusage, ok bool) {
	usage = new(syscall.Rusage)
	for {
		pid, err := syscall.Wait4(-1, &status, unix.WNOHANG, usage)
		if err == nil && pid > 0 && h.leaders[pid] == nil {
			h.strays.Add(1)
		}
		if err != syscall.EINTR {
			return pid, status, usage, err == nil && pid > 0
		}
	}
}

// What an earlier daemon has left is not looked for here.
func findLeft(string, []runRecord, string) []*found { return nil }
func bootID() string                                { return "" }
func startOf(int) uint64                            { return 0 }
func marksOf(int) (start, inode uint64)             { return 0, 0 }
func pidfdsWork() bool                              { return false }
