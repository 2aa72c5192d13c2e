package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"gosup/control"
)

// Commands of the live view: each asks the daemon on a goroutine of its own and
// ends with one message. What is not answered in time is cut off by the
// client; all ends with the program.

// treeSeen is what the daemon supervises.
type treeSeen struct {
	nodes   []control.Node
	version uint64
	about   *control.Version // nil: as before
	at      time.Time
}

// treeLost says that nobody answers.
type treeLost struct{ err error }

// treeDue says that it is time to ask again.
type treeDue struct{}

const (
	// treeWait is how long the daemon waits for a change before it tells what
	// there is: uptimes, and what processes use, change without one.
	treeWait = 2 * time.Second
	// treePause is at least between two answers, however much happens.
	treePause = 250 * time.Millisecond
	// lostPause is between two attempts to reach a daemon that is gone.
	lostPause = time.Second
)

// askTree waits for another tree than the one of a version that is known.
func askTree(ctx context.Context, client *control.Client, known uint64) (treeSeen, error) {
	nodes, version, err := client.TreeChanged(ctx, known, treeWait)
	if err != nil {
		return treeSeen{}, err
	}
	seen := treeSeen{nodes: nodes, version: version, at: time.Now()}
	if known == 0 || version < known { // a daemon that was not known
		about, err := client.Version(ctx)
		if err != nil {
			return treeSeen{}, err
		}
		seen.about = &about
	}
	return seen, nil
}

func watchTree(client *control.Client, known uint64) tea.Cmd {
	return func() tea.Msg {
		seen, err := askTree(context.Background(), client, known)
		if err != nil {
			return treeLost{err}
		}
		return seen
	}
}

// whySeen is the answer to why.
type whySeen struct {
	name string
	why  control.Why
	err  error
}

func askWhy(client *control.Client, name string) tea.Cmd {
	return func() tea.Msg {
		why, err := client.Why(context.Background(), name)
		return whySeen{name, why, err}
	}
}

// acted is what a wish led to.
type acted struct {
	verb    string
	name    string
	results []control.ActionResult
	err     error
}

// actTimeout is how long the outcome of a wish is waited for.
const actTimeout = 2 * time.Minute

func act(client *control.Client, verb, name string) tea.Cmd {
	return func() tea.Msg {
		results, err := client.Act(context.Background(), verb, control.ActionRequest{
			Names: []string{name}, Reason: "gosup ctl top", TimeoutSeconds: actTimeout.Seconds(),
		})
		return acted{verb, name, results, err}
	}
}

// logStream is the output of what is selected, as it comes. Its number tells it
// from those before.
type logStream struct {
	number int
	out    *control.Output
	lines  *bufio.Reader
	cancel context.CancelFunc
}

func (l *logStream) close() {
	l.cancel()
	l.out.Close()
}

// logOpened is a stream, or why there is none.
type logOpened struct {
	number int
	stream *logStream
	err    error
}

// logRead is what has come since the last one. After an error the stream is
// closed.
type logRead struct {
	number int
	lines  []string
	err    error
}

// logDue says that it is time to open a stream, or to read on.
type logDue struct {
	number int
	open   bool
}

const (
	// logPast is how many lines from before a stream begins with.
	logPast = 500
	// logBatch bounds how many lines are taken at once, logWidth how much of
	// each. With logPause in between that is what a screen can show of a process
	// that writes without end; who reads so slowly is dropped by the daemon, and
	// begins again with the latest lines.
	logBatch = 500
	logWidth = 4 << 10
	logPause = 50 * time.Millisecond
	// logSettle is how long a selection has to last before its output is asked
	// for, and logRetry how long a stream that broke off is left alone.
	logSettle = 150 * time.Millisecond
	logRetry  = 2 * time.Second
)

func openOutput(client *control.Client, number int, name string) tea.Cmd {
	return func() tea.Msg {
		ctx, cancel := context.WithCancel(context.Background())
		out, err := client.Logs(ctx, control.LogsRequest{Names: []string{name}, Last: logPast, Follow: true})
		if err != nil {
			cancel()
			return logOpened{number: number, err: err}
		}
		return logOpened{number: number, stream: &logStream{number, out, bufio.NewReaderSize(out, 64<<10), cancel}}
	}
}

// readLog waits for the next lines of a stream.
func readOutput(l *logStream) tea.Cmd {
	return func() tea.Msg {
		got := logRead{number: l.number}
		for len(got.lines) < logBatch && (len(got.lines) == 0 || l.lines.Buffered() > 0) {
			line, err := nextLine(l.lines)
			if err != nil {
				got.err = err
				break
			}
			got.lines = append(got.lines, line)
		}
		if got.err != nil {
			l.close()
		}
		return got
	}
}

// nextLine returns a line, or the beginning of a long one.
func nextLine(r *bufio.Reader) (string, error) {
	var kept strings.Builder
	for {
		piece, err := r.ReadSlice('\n')
		kept.Write(piece[:min(len(piece), logWidth-kept.Len())])
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err == nil, errors.Is(err, io.EOF) && kept.Len() > 0:
			return strings.TrimRight(kept.String(), "\r\n"), nil
		default:
			return "", err
		}
	}
}

// after returns a message when a time has passed.
func after(d time.Duration, msg tea.Msg) tea.Cmd {
	return tea.Tick(d, func(time.Time) tea.Msg { return msg })
}
