package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gopkg.in/yaml.v3"

	"gosup/config"
	"gosup/control"
)

// TestContribUnit: systemd takes the unit file, and it names what there is.
func TestContribUnit(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../contrib/systemd/gosup.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^Exec\w+=/usr/local/bin/gosup (.*)$`).FindAllStringSubmatch(string(text), -1) {
		if err := checkCommand(m[1]); err != nil {
			t.Errorf("gosup %s: %v", m[1], err)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze verifies the rest where there is one (apt-get install systemd)")
	}
	gosup, err := exec.LookPath("gosup")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "gosup.service")
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(string(text), "/usr/local/bin/gosup", gosup)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestContribCompose: the example names files that there are, and is what a
// docker compose takes where there is one.
func TestContribCompose(t *testing.T) {
	t.Parallel()
	if _, problems := config.Load("../../contrib/docker/gosup.yaml", config.Options{}); len(problems) > 0 {
		t.Errorf("what the container runs: %v", problems)
	}
	const file = "../../contrib/docker/compose.yaml"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Build struct{ Context, Dockerfile string }
		}
	}
	if err := yaml.Unmarshal(text, &compose); err != nil || len(compose.Services) != 1 {
		t.Fatalf("%+v, %v", compose, err)
	}
	build := compose.Services["app"].Build
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), build.Context, build.Dockerfile)); err != nil {
		t.Errorf("its Dockerfile: %v", err)
	}
	if exec.Command("docker", "compose", "version").Run() != nil {
		t.Skip("docker compose checks the rest where there is one")
	}
	if out, err := exec.Command("docker", "compose", "-f", file, "config", "--quiet").CombinedOutput(); err != nil {
		t.Errorf("docker compose config: %v\n%s", err, out)
	}
}

// engine is a container engine of a test's own.
type engine struct {
	t    *testing.T
	host string
}

// startEngine starts dockerd in a folder of its own. It ends with the test.
func startEngine(t *testing.T) *engine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, program := range []string{"dockerd", "docker"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s (apt-get install docker.io)", program)
		}
	}
	dir, err := os.MkdirTemp("", "gosup-docker") // not t.TempDir: what is mounted in there would fail the test
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{t: t, host: "unix://" + dir + "/sock"}
	p, err := startProgram(dir, "dockerd", os.Environ(), []string{"dockerd", "--host", e.host, "--data-root", dir + "/data", "--exec-root", dir + "/exec",
		"--pidfile", dir + "/pid", "--bridge=none", "--iptables=false", "--ip6tables=false"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		if _, err := p.code(); err != nil {
			p.stop()
		}
		os.RemoveAll(dir)
	})
	up := func() bool { return exec.Command("docker", "-H", e.host, "info").Run() == nil }
	ended := func() bool {
		select {
		case <-p.ended:
			return true
		default:
			return false
		}
	}
	if !eventually(func() bool { return up() || ended() }) || ended() {
		said, _ := os.ReadFile(p.stderr)
		t.Skipf("dockerd does not run here:\n%s", lastLines(string(said), 3))
	}
	return e
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// docker runs a command of docker's and returns what it prints.
func (e *engine) docker(args ...string) (string, error) {
	cmd := exec.Command("docker", append([]string{"-H", e.host}, args...)...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("docker %s: %w: %s", args[0], err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

func (e *engine) must(args ...string) string {
	e.t.Helper()
	out, err := e.docker(args...)
	if err != nil {
		e.t.Fatal(err)
	}
	return out
}

// TestContribDockerfile builds the image, runs it with nothing that can be
// written but a place for the socket, and ends it.
func TestContribDockerfile(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	root := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(root, "bin/gosup"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.CopyFS(filepath.Join(root, "contrib/docker"), os.DirFS("../../contrib/docker")); err != nil {
		t.Fatal(err)
	}
	e.must("build", "--quiet", "--file", filepath.Join(root, "contrib/docker/Dockerfile"), "--tag", "gosup", root)
	id := e.must("run", "--detach", "--network", "none", "--health-interval", "1s", "--read-only", "--tmpfs", "/run/gosup", "--tmpfs", "/var/lib/gosup", "gosup")
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("docker", "-H", e.host, "logs", id).CombinedOutput()
			t.Logf("the container's log:\n%s", out)
		}
		e.docker("rm", "--force", id)
	})
	ctl := func(args ...string) (string, error) {
		return e.docker(append([]string{"exec", id, "/gosup", "ctl"}, args...)...)
	}
	if !eventually(func() bool { _, err := ctl("wait", "all", "--for", "running", "--timeout", "20s"); return err == nil }) {
		t.Fatal("not all runs")
	}
	out, err := ctl("version", "-o", "json")
	var v control.Version
	if json.Unmarshal([]byte(out), &v) != nil || err != nil || v.PID != 1 {
		t.Errorf("gosup is no PID 1: %s, %v", out, err)
	}
	inspected := func(format string) string { return e.must("inspect", "--format", format, id) }
	if !eventually(func() bool { return inspected("{{.State.Health.Status}}") == "healthy" }) {
		t.Errorf("its health: %s", inspected("{{json .State.Health}}"))
	}
	// Output of processes is the container's log.
	if log := e.must("logs", id); !strings.Contains(log, "worker  | demo: ") && !strings.Contains(log, "worker | demo: ") {
		t.Errorf("the log of the container:\n%s", log)
	}
	e.must("stop", "--time", "40", id)
	if code := inspected("{{.State.ExitCode}}"); code != "0" {
		t.Errorf("exit code %s", code)
	}
	if log := e.must("logs", id); strings.Count(log, "farewell on TERM") != 2 {
		t.Errorf("the end of the container's log:\n%s", lastLines(log, 10))
	}
}

// TestContribAlerts: the rules ask for metrics that there are.
func TestContribAlerts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../contrib/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil || len(rules.Groups) != 1 {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	metric := regexp.MustCompile(`\bgosup_\w+`)
	for _, r := range rules.Groups[0].Rules {
		names := metric.FindAllString(r.Expr, -1)
		if len(names) == 0 && !strings.HasPrefix(r.Expr, `up{job="gosup"}`) {
			t.Errorf("%s asks for nothing: %s", r.Alert, r.Expr)
		}
		for _, name := range slices.Compact(names) {
			if !strings.Contains(string(page), "`"+strings.TrimSuffix(name, "_bucket")+"`") {
				t.Errorf("%s asks for %s, which there is not", r.Alert, name)
			}
		}
	}
}
