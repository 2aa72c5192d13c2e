package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gosup/config"
	"gosup/sim"
	"gosup/spec"
)

func newTestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Play what a configuration is expected to do, on a virtual clock",
		Long: `Test plays the tests in FILE against the configuration that it names, with the
code that decides in the daemon, on a clock that jumps ahead, and exits with 1 if
something was not as expected. A file has lines of the form "key: value", which
";" can put on one line; "#" begins a comment:

  config: gosup.yaml       # relative to this file; else the usual lookup
  test: a crash of db takes the api with it
  given: exit db 1 at 3s,5s
  for: 60s                 # 1h if it does not say
  expect: web running, api/worker restarted 2, daemon running

Given:
  exit NAME CODE|SIGNAL|oom at TIME,…   the run ends so
  crash NAME after DURATION [CODE]      each run ends so
  fail NAME [COUNT]                     it cannot be started, COUNT times or ever
  hang NAME                             it ignores all signals but SIGKILL
  slow NAME DURATION                    it takes so long to stop
  unhealthy NAME after DURATION         its checks fail from then on in each run
  down DEPENDENCY from TIME to TIME     its probes fail
  start|stop|restart NAME at TIME,…     a person asks for it
  shutdown at TIME                      of gosup

Expect, at the end or "at TIME":
  NAME STATE                            running, failed, stopped …
  NAME restarted COUNT                  automatic restarts in all
  NAME started COUNT                    runs in all
  daemon running
  daemon exit CODE`,
		Args: cobra.ExactArgs(1),
	}
	set := newSettings(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return runTests(cmd.OutOrStdout(), args[0], set)
	}
	return cmd
}

func runTests(w io.Writer, file string, set *settings) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	script, err := sim.ParseScript(string(text))
	if err != nil {
		return refused(w, file, err)
	}
	var args []string
	if script.Config != "" {
		path := script.Config
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(file), path)
		}
		args = append(args, path)
	}
	s, err := loadNamed(w, args, set)
	if err != nil {
		return err
	}
	for i := range script.Tests {
		if err := script.Tests[i].Check(s); err != nil {
			return refused(w, file, err)
		}
	}
	return playAll(w, file, script, s)
}

func playAll(w io.Writer, file string, script *sim.Script, s *spec.Tree) error {
	failed := 0
	for i := range script.Tests {
		t := &script.Tests[i]
		failures := t.Play(s)
		if len(failures) == 0 {
			fmt.Fprintf(w, "ok    %s\n", t.Name)
			continue
		}
		failed++
		fmt.Fprintf(w, "FAIL  %s\n", t.Name)
		for _, f := range failures {
			fmt.Fprintf(w, "      %s:%d:%d: %s\n", file, f.Line, f.Col, f.What)
		}
	}
	if failed > 0 {
		return &exitError{code: exitFailed, err: fmt.Errorf("%d of %d tests failed", failed, len(script.Tests))}
	}
	return nil
}

// refused writes each mistake in a file of tests, with its place.
func refused(w io.Writer, file string, err error) error {
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, err := range errs {
		var e *sim.ScriptError
		if errors.As(err, &e) {
			fmt.Fprintln(w, config.Problem{File: file, Line: e.Line, Col: e.Col, What: e.What})
		} else {
			fmt.Fprintln(w, err)
		}
	}
	return &exitError{code: exitConfig}
}
