package procman

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// waiter tells the hand that a child has ended. It has a goroutine that blocks
// in waitid(2), which the kernel wakes with nobody in between: SIGCHLD would
// first wake the main thread for Go's handler, then the thread that receives
// signals, and took 0.06 ms longer.
//
// It only looks. A child stays a zombie until the hand reaps it, and until
// then waitid(2) would not wait again.
type waiter struct {
	ended  chan int      // the pid of a child that has ended
	reaped chan struct{} // the hand has reaped it, and it is to wait for the next
	born   chan struct{} // there is a child
	quit   <-chan struct{}
}

// open begins to wait, until quit is closed and after that one child has ended.
func (w *waiter) open(chld chan<- os.Signal, quit <-chan struct{}) {
	w.ended = make(chan int, 1)
	w.reaped, w.born = make(chan struct{}, 1), make(chan struct{}, 1)
	w.quit = quit
	// Were SIGCHLD ignored, as it may be inherited, the kernel would throw the
	// exit statuses away; at its default it wakes nobody.
	restoreDefault(int(syscall.SIGCHLD))
	if os.Getpid() == 1 {
		// The orphans of who has entered the pid namespace from outside come
		// also when there is no child to wait for.
		signal.Notify(chld, syscall.SIGCHLD)
	}
	go w.work()
}

func (w *waiter) close(chld chan<- os.Signal) { signal.Stop(chld) }

// next lets it wait for the next end, once what it told of is reaped. It must be
// called once for each that it tells of.
func (w *waiter) next() { ring(w.reaped) }

// fork tells it that there is a child again.
func (w *waiter) fork() { ring(w.born) }

func (w *waiter) work() {
	for {
		next := w.reaped
		if pid := awaitEnd(); pid != 0 {
			w.ended <- pid
		} else {
			next = w.born
		}
		select {
		case <-next:
		case <-w.quit:
			return
		}
		// Who has woken this goroutine may have woken others that a restart
		// waits for: they first, for what follows keeps its share of the
		// scheduler until that notices.
		runtime.Gosched()
	}
}

// awaitEnd waits until a child has ended and returns its pid; 0 if there is no
// child.
func awaitEnd() int { return waitFor(unix.P_ALL, 0, 0) }
