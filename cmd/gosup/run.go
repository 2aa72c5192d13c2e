package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gosup/config"
	"gosup/journal"
	"gosup/procman"
	"gosup/spec"
)

// forEver stands for no limit where a duration is needed.
const forEver = 100 * 365 * 24 * time.Hour

func newRunCommand() *cobra.Command {
	var file, pprofSocket string
	cmd := &cobra.Command{
		Use:   "run [-c FILE] [flags] | run [flags] -- COMMAND [ARGS...]",
		Short: "Supervise the processes of a file, or one command, in the foreground",
		Long: `Supervise the processes of a configuration file in the foreground.

Without -c the file is $GOSUP_CONFIG, ./gosup.yaml, ./gosup.yml,
$XDG_CONFIG_HOME/gosup/gosup.yaml or /etc/gosup/gosup.yaml.

With a command after -- gosup supervises that alone and needs no file: it hands
on every signal, reaps orphans, ends when the command ends for good, and exits
with its code (128+N after signal N). So it can be the PID 1 of a container.

TERM and INT end gosup in order; a second one kills what is left. QUIT ends it
with no patience. HUP reloads the file. USR1 opens the log files again.`,
	}
	flags := cmd.Flags()
	flags.StringVarP(&file, "config", "c", "", "configuration file")
	flags.StringVar(&pprofSocket, "pprof", "", "serve Go's profiles on this unix socket, for work on gosup itself")
	set := newSettings(flags)
	for _, f := range commandFlags {
		flags.String(f.name, "", f.usage)
		completeFlag(cmd, f.name, oneOf(f.values...))
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dash := cmd.ArgsLenAtDash()
		if len(args) > 0 && dash != 0 {
			return usageErrorf("run: unexpected %q (name a file with -c %s, or put a command behind --)", args[0], args[0])
		}
		if dash == 0 && len(args) == 0 {
			return usageErrorf("run: there is no command behind -- (write it there)")
		}
		if len(args) > 0 {
			if file != "" {
				return usageErrorf("run: -c and a command behind -- exclude each other")
			}
			return runCommand(set, args, pprofSocket)
		}
		for _, f := range commandFlags {
			if flags.Changed(f.name) {
				return usageErrorf("run: --%s is for a command behind -- (with a file, write it there)", f.name)
			}
		}
		return runFile(set, file, pprofSocket)
	}
	return cmd
}

// commandFlags are the flags of `run -- CMD` and the keys that they set.
var commandFlags = []struct {
	name, path, usage string
	values            []string // nil: too many to list
}{
	{"restart", "restart.policy", "with a command: always, on_failure or never. Default: never", []string{"always", "on_failure", "never"}},
	{"strategy", "restart.strategy", "with a command: immediate, delayed or exponential_backoff", []string{"immediate", "delayed", "exponential_backoff"}},
	{"max-restarts", "restart.max_restarts", "with a command: restarts before gosup gives up, or unlimited", nil},
	{"within", "restart.within", "with a command: the good running time after which a restart is forgotten", nil},
	{"health-http", "health.http.url", "with a command: the URL that says how it is, such as http://127.0.0.1:8080/healthz", nil},
	{"health-tcp", "health.tcp.address", "with a command: the address on which it takes connections, such as 127.0.0.1:5432", nil},
	{"health-exec", "health.exec.command", "with a command: a command that exits with 0 if it is healthy", nil},
	{"health-interval", "health.interval", "with a command: the time from one health check to the next. Default: 10s", nil},
}

// checkHealthFlags refuses more than one health check, and none with an
// interval.
func checkHealthFlags(flags *pflag.FlagSet) error {
	given := ""
	for _, name := range []string{"health-http", "health-tcp", "health-exec"} {
		switch {
		case !flags.Changed(name):
		case given != "":
			return usageErrorf("run: --%s and --%s exclude each other (write a file for several checks)", given, name)
		default:
			given = name
		}
	}
	if given == "" && flags.Changed("health-interval") {
		return usageErrorf("run: --health-interval without a check (add --health-http, --health-tcp or --health-exec)")
	}
	return nil
}

// runFile supervises what a file says.
func runFile(set *settings, file, pprofSocket string) error {
	path, ok, err := config.Find(file)
	if err != nil {
		return err
	}
	if !ok {
		return &exitError{code: exitConfig, err: errors.New(
			"no configuration file (write ./gosup.yaml with `gosup init`, or name a file with -c)")}
	}
	r := &reloader{file: path, options: set.options(), scaled: map[string]journal.Scale{}}
	if err := reportProblems(r.read()); err != nil {
		return err
	}
	if fd, ok := os.LookupEnv(procman.RehearsalVariable); ok {
		return rehearse(fd, r.tree)
	}
	d := daemon{tree: r.tree, output: fileOutput(), reload: r, pprof: pprofSocket}
	return d.run()
}

// reportProblems prints what is wrong or unwise, one a line. The error ends the
// command with the code of a rejected configuration.
func reportProblems(problems config.Problems) error {
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if problems.Failed() {
		return &exitError{code: exitConfig}
	}
	return nil
}

// runCommand supervises one command. It has gosup's own input and output, and
// all the time that it needs to stop: who started gosup decides about that.
func runCommand(set *settings, argv []string, pprofSocket string) error {
	if err := checkHealthFlags(set.flags); err != nil {
		return err
	}
	own := []config.Setting{
		{Path: "restart.policy", Value: "never", Origin: "--restart"},
		{Path: "logs.output", Value: "inherit", Origin: "run --"},
	}
	for _, f := range commandFlags {
		if set.flags.Changed(f.name) {
			value, _ := set.flags.GetString(f.name)
			own = append(own, config.Setting{Path: f.path, Value: value, Origin: "--" + f.name})
		}
	}
	t, problems := config.Command("main", argv, own, set.options())
	if err := reportProblems(problems); err != nil {
		return err
	}
	p := t.Root.Members[0].Process
	p.Essential = true
	for i := range p.Stop.Steps {
		p.Stop.Steps[i].Wait = forEver
	}
	s := &t.Supervisor
	if _, _, ok := set.lookup("shutdown_timeout"); !ok {
		s.ShutdownTimeout = forEver
	}
	if _, _, ok := set.lookup("runtime_dir"); !ok {
		// Many may run like this on one machine: nothing of theirs is shared.
		s.RuntimeDir = ""
		if _, _, ok := set.lookup("socket"); !ok {
			s.Socket = ""
		}
	}
	if _, _, ok := set.lookup("state_dir"); !ok {
		s.StateDir = ""
	}
	if _, _, ok := set.lookup("log_level"); !ok {
		s.LogLevel = "warn"
	}
	d := daemon{tree: t, output: spec.OutputInherit, single: true, pprof: pprofSocket}
	return d.run()
}
