package procman

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// runHook runs the commands of a hook, one after the other, on a goroutine that
// ends with them. Their output goes where the process's does.
func (o *outfitter) runHook(e tree.RunHook) {
	done := func(why string) {
		o.m.Tell(tree.HookDone{Node: e.Node, Run: e.Run, Moment: e.Moment, Why: why})
	}
	l, files, err := o.hookLaunch(e)
	if err != nil {
		done(err.Error())
		return
	}
	cancel := make(chan struct{})
	o.hooks[runKey{e.Node, e.Run}] = cancel
	hook := e.Process.Hooks[e.Moment]
	go func() { // ends by the hook's timeout, but for what cannot be killed
		why := o.m.tasks.inTurn(l, hook, cancel)
		for _, f := range files {
			f.Close()
		}
		done(why)
	}()
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
func (k *tasks) inTurn(l launch, hook *spec.Hook, cancel <-chan struct{}) string {
	deadline := time.Now().Add(hook.Timeout)
	for _, argv := range hook.Commands {
		l.Argv = argv
		end := k.run(l, errand{timeout: time.Until(deadline), cancel: cancel})
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
