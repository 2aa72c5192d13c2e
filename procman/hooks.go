package procman

import (
	"fmt"
	"os"
	"strconv"

	"gosup/spec"
	"gosup/tree"
)

// runHook runs the commands of a hook, one after the other, on a goroutine that
// ends with them. Their output goes where the process's does.
func (o *outfitter) runHook(e tree.RunHook) {
	o.goThrough(&hookRun{RunHook: e, deadline: o.m.Now().Add(e.Process.Hooks[e.Moment].Timeout)})
}

// hookRun is a hook that is under way.
type hookRun struct {
	tree.RunHook
	deadline tree.Time
	index    int // of the command that runs
	task     tree.NodeID
	adopted  <-chan tree.Event // of a command that the daemon before this one has begun; nil for none
}

// goThrough runs a hook from the command on at which it is.
func (o *outfitter) goThrough(h *hookRun) {
	l, files, err := o.hookLaunch(h.RunHook)
	if err != nil {
		o.m.Tell(h.done(err.Error()))
		return
	}
	cancel := make(chan struct{})
	o.hooks[runKey{h.Node, h.Run}] = cancel
	o.m.tasks.begin(h)
	go func() { // ends by the hook's timeout, but for what cannot be killed
		why := o.m.tasks.inTurn(l, h, cancel, o.m.Now)
		for _, f := range files {
			f.Close()
		}
		o.m.tasks.finish(h, func() { o.m.Tell(h.done(why)) })
	}()
}

func (h *hookRun) done(why string) tree.HookDone {
	return tree.HookDone{Node: h.Node, Run: h.Run, Moment: h.Moment, Why: why}
}

// cancelHook kills the hook of a run.
func (o *outfitter) cancelHook(e tree.CancelHook) {
	k := runKey{e.Node, e.Run}
	if c := o.hooks[k]; c != nil {
		close(c)
		delete(o.hooks, k)
	}
}

// inTurn runs the commands of a hook and returns why it failed; "" if it did
// not.
func (k *tasks) inTurn(l launch, h *hookRun, cancel <-chan struct{}, now func() tree.Time) string {
	hook := h.Process.Hooks[h.Moment]
	for i, argv := range hook.Commands {
		if i < h.index {
			continue // done under the daemon before this one
		}
		l.Argv = argv
		r := errand{timeout: h.deadline.Sub(now()), cancel: cancel, numbered: func(id tree.NodeID) { k.reach(h, i, id) }}
		var end ending
		if h.adopted != nil {
			end = k.await(h.task, h.adopted, r)
			k.release(h.task)
			h.adopted = nil
		} else {
			end = k.run(l, r)
		}
		switch {
		case end.why != "":
			return end.why
		case end.cancelled:
			return "cancelled"
		case end.timedOut:
			return fmt.Sprintf("not done within %s", tree.Seconds(hook.Timeout))
		case end.exit.Signal != 0 || end.exit.Code != 0:
			return fmt.Sprintf("%s %s", argv[0], end.exit)
		}
	}
	return ""
}

// hookLaunch returns the surroundings of a hook, and the files to close after
// it.
func (o *outfitter) hookLaunch(e tree.RunHook) (launch, []*os.File, error) {
	p := e.Process
	out, err := o.outlet(e.Node, p)
	if err != nil {
		return launch{}, nil, err
	}
	stdout, stderr, err := out.sink.ChildFiles()
	if err != nil {
		return launch{}, nil, err
	}
	l := o.besideRun(tree.Start{Node: e.Node, Run: e.Run, Process: p, Restarts: e.Restarts}, e.Moment.String())
	l.Files = []int{-1, int(stdout.Fd()), int(stderr.Fd())}
	l.Env = append(l.Env, hookVariables(e)...)
	return l, []*os.File{stdout, stderr}, nil
}

// hookVariables returns what a hook is told beside what its process is.
func hookVariables(e tree.RunHook) []string {
	code, signal, reason, pid := "", "", "", ""
	if x := e.Exit; x != nil && e.Moment == spec.PostStop {
		signal, reason = x.Name, x.Cause.String()
		if x.Signal == 0 && x.Code >= 0 {
			code = strconv.Itoa(x.Code)
		}
	}
	if e.PID != 0 {
		pid = strconv.Itoa(e.PID)
	}
	return []string{
		"GOSUP_HOOK=" + e.Moment.String(),
		"GOSUP_EXIT_CODE=" + code,
		"GOSUP_EXIT_SIGNAL=" + signal,
		"GOSUP_EXIT_REASON=" + reason,
		"GOSUP_PID=" + pid,
	}
}
