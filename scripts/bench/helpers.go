//go:build linux

package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed helpers/c/workload.c
var workloadC []byte

//go:embed helpers/c/floor.c
var floorC []byte

// helpers are the paths of the programs that the bench builds for itself.
type helpers struct {
	workload string
	floor    string // "" without a C compiler
	floorGo  string
	checks   string
}

// buildHelpers builds the helpers in dir. It runs in the module's folder, where
// the sources of the Go ones are.
func buildHelpers(ctx context.Context, dir string) (helpers, error) {
	h := helpers{
		floorGo: filepath.Join(dir, "floor-go"),
		checks:  filepath.Join(dir, "checks"),
	}
	if err := buildGo(ctx, h.floorGo, "floor"); err != nil {
		return h, err
	}
	if err := buildGo(ctx, h.checks, "checks"); err != nil {
		return h, err
	}
	h.workload = filepath.Join(dir, "workload")
	if _, err := exec.LookPath("cc"); err != nil {
		fmt.Fprintln(os.Stderr, "no cc: workloads in Go, and the floor in Go alone (apt-get install gcc libc6-dev)")
		return h, buildGo(ctx, h.workload, "workload")
	}
	if err := buildC(ctx, h.workload, workloadC); err != nil {
		return h, err
	}
	h.floor = filepath.Join(dir, "floor")
	return h, buildC(ctx, h.floor, floorC)
}

func buildGo(ctx context.Context, out, name string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", out, "gosup/scripts/bench/helpers/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return runBuild(cmd, name)
}

func buildC(ctx context.Context, out string, source []byte) error {
	file := out + ".c"
	if err := os.WriteFile(file, source, 0o600); err != nil {
		return err
	}
	return runBuild(exec.CommandContext(ctx, "cc", "-O2", "-static", "-s", "-o", out, file), file)
}

func runBuild(cmd *exec.Cmd, what string) error {
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", what, err, text)
	}
	return nil
}
