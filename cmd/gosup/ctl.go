package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"gosup/config"
	"gosup/control"
)

// ctl is what the commands below gosup ctl share.
type ctl struct {
	socket string // as asked for by --socket
	file   string // as asked for by --config
	quiet  bool
}

// newCtlCommand returns gosup ctl with its verbs.
func newCtlCommand() *cobra.Command {
	c := &ctl{}
	cmd := &cobra.Command{
		Use:   "ctl",
		Short: "Show and steer what a running gosup supervises",
		Long: `Show and steer what a running gosup supervises.

A NAME is the full name of a process ("api/web"), a group ("api"), what is
common to all instances ("web" for web@1 and web@2), a glob ("api/*"), the last
part of a name where only one process has it, or all.

The daemon is reached through its socket: --socket, $GOSUP_SOCKET, what the
configuration file says (--config, $GOSUP_CONFIG, ./gosup.yaml, ./gosup.yml,
$XDG_CONFIG_HOME/gosup/gosup.yaml, /etc/gosup/gosup.yaml), or
/run/gosup/gosup.sock.

Exit codes: 0 done, 1 it failed, 2 wrong usage, 3 not in the wanted state, 4 no
such process, 5 not permitted, 6 rejected configuration, 7 no daemon answers.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageErrorf("unknown command %q for %q (see %s --help)", args[0], cmd.CommandPath(), cmd.CommandPath())
			}
			return cmd.Help()
		},
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.socket, "socket", "", "the daemon's socket")
	flags.StringVarP(&c.file, "config", "c", "", "the configuration file that names the socket")
	flags.BoolVarP(&c.quiet, "quiet", "q", false, "print nothing but errors: the exit code says it")
	cmd.AddCommand(
		newStatusCommand(c),
		newTreeCommand(c),
		newTopCommand(c),
		newReloadCommand(c),
		newScaleCommand(c),
		newPlanCommand(c),
		newLogsCommand(c),
		newWhyCommand(c),
		newDescribeCommand(c),
		newHealthCommand(c),
		newBreakerCommand(c),
		newGuardCommand(c),
		newExecCommand(c),
		newCrashesCommand(c),
		newEventsCommand(c),
		newWaitCommand(c),
		newStartCommand(c),
		newStopCommand(c),
		newRestartCommand(c),
		newSignalCommand(c),
		newFreezeCommand(c),
		newThawCommand(c),
		newChaosCommand(c),
		newUpgradeCommand(c),
		newShutdownCommand(c),
		newCtlVersionCommand(c),
	)
	return cmd
}

// client returns a client of the daemon that the flags mean.
func (c *ctl) client() (*control.Client, error) {
	path, err := c.socketPath()
	if err != nil {
		return nil, err
	}
	return control.NewClient(path), nil
}

func (c *ctl) socketPath() (string, error) {
	if c.socket != "" {
		return c.socket, nil
	}
	if path := os.Getenv("GOSUP_SOCKET"); path != "" {
		return path, nil
	}
	opt := config.Options{Env: lookupVariable, Settings: lookupSetting, OnlyRoot: os.Geteuid() == 0}
	file, ok, err := config.Find(c.file)
	if err != nil {
		return "", err
	}
	if !ok {
		s, problems := config.Supervisor(opt)
		return s.Socket, socketProblem(problems)
	}
	path, problems := config.Socket(file, opt)
	return path, socketProblem(problems)
}

// lookupSetting is config.Options.Settings without flags: those of gosup run
// are not ours.
func lookupSetting(key string) (value, origin string, ok bool) {
	name := variableName(key)
	value, ok = os.LookupEnv(name)
	return value, "$" + name, ok && value != ""
}

// socketProblem is the error of a file that does not tell the socket.
func socketProblem(problems config.Problems) error {
	for _, p := range problems {
		if !p.Warning {
			return &exitError{code: exitConfig, err: fmt.Errorf("the socket cannot be told: %s; --socket names one without a file", p)}
		}
	}
	return nil
}

// run makes the RunE of a command that asks the daemon. Its errors get the
// exit code that belongs to them.
func (c *ctl) run(f func(ctx context.Context, client *control.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := c.client()
		if err != nil {
			return err
		}
		return coded(f(cmd.Context(), client, args))
	}
}

// coded gives an error of the API its exit code, unless it has one.
func coded(err error) error {
	var known *exitError
	var p *control.Problem
	if errors.As(err, &known) || !errors.As(err, &p) {
		return err
	}
	code := exitFailed
	switch p.Code {
	case control.CodeBadRequest:
		code = exitUsage
	case control.CodeNotInTime:
		code = exitNotRunning
	case control.CodeUnknownProcess:
		code = exitUnknown
	case control.CodeForbidden:
		code = exitPermission
	case control.CodeUnreachable, control.CodeBusy:
		code = exitUnreachable
	}
	return &exitError{code: code, err: err}
}
