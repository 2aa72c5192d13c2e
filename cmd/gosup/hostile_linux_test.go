package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// hostileClients are what the clients of TestHostileClients say, and then no
// more. None of them reads what it is answered.
func hostileClients() []string {
	post := func(path, headers, body string, length int) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", path, headers, length, body)
	}
	return []string{
		"",
		"GET /v1/proc",
		"GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/logs?follow=true HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/wait?for=stopped&name=all HTTP/1.1\r\nHost: x\r\n\r\n",
		strings.Repeat("GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 50),
		"GET /v1/version HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10),
		post("/v1/actions/stop", "", `{"names":["web"`, 1000),
		post("/v1/actions/stop", "", strings.Repeat("[", 64<<10), 2<<20),
		post("/v1/exec", "Connection: Upgrade\r\nUpgrade: gosup-exec\r\n", `{"name":"web","argv":["sleep","inf"]}`, 37),
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	}
}

// TestHostileClients: a thousand clients that are in the way as well as they
// can, and another thousand that come while a process is killed again and again;
// fewer under the race detector. It is restarted, what it writes comes into its
// log, and an honest client gets its answers.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	s := startSupervisor(t, `
processes:
  web:
    command: [sh, -c, 'echo run $GOSUP_RUN; exec sleep inf']
    restart: {strategy: immediate, max_restarts: unlimited}
`)
	s.wait("running", "web")
	crowd := &crowd{t: t, socket: filepath.Join(s.dir, ".gosup/run/gosup.sock")}
	size := 1000
	if raced {
		size = 300
	}
	crowd.grow(size)
	runs := func(n int) {
		t.Helper()
		if !eventually(func() bool { return strings.Count(s.log("web"), "run ") == n }) {
			t.Fatalf("the log has %d runs, want %d", strings.Count(s.log("web"), "run "), n)
		}
	}
	runs(1)
	pid := s.status("web").PID
	for i := range 20 {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		old := pid
		if !eventually(func() bool { pid = s.status("web").PID; return pid != 0 && pid != old }) {
			t.Fatalf("not restarted: %+v", s.status("web"))
		}
		runs(i + 2)
		crowd.grow(size / 20)
	}
	cmd := exec.Command("gosup", "ctl", "status", "web", "-o", "name")
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "web\n" {
		t.Errorf("gosup ctl status: %v\n%s", err, out)
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	if err != nil || len(files) > 800 {
		t.Errorf("gosup has %d descriptors open, %v", len(files), err)
	}
	s.end(syscall.SIGTERM, 0)
}

// crowd is clients that are in the way.
type crowd struct {
	t      *testing.T
	socket string
	count  int
}

// grow adds clients, each of the next kind. They stay until the end of the test,
// whatever becomes of their places.
func (c *crowd) grow(n int) {
	c.t.Helper()
	kinds := hostileClients()
	for range n {
		conn, err := net.Dial("unix", c.socket)
		if err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(func() { conn.Close() })
		go io.WriteString(conn, kinds[c.count%len(kinds)]) // ends with the connection
		c.count++
	}
}
