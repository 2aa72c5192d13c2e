package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestHerald: gosup tells a supervisor above, as systemd is one, what that
// wants to hear, and its processes know nothing of it.
func TestHerald(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "n"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var mu sync.Mutex
	heard := ""
	go func() { // ends with conn
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			mu.Lock()
			heard += string(buf[:n]) + "\n"
			mu.Unlock()
		}
	}()
	await := func(pattern string) {
		t.Helper()
		re := regexp.MustCompile("(?m)" + pattern)
		all := func() string {
			mu.Lock()
			defer mu.Unlock()
			return heard
		}
		if !eventually(func() bool { return re.MatchString(all()) }) {
			t.Fatalf("no %s in\n%s", pattern, all())
		}
	}
	file := "processes:\n  slow: {command: [gosup, demo, --ready-after, 300ms], readiness: notify}\n" +
		"  bare: {command: [sh, -c, 'env; exec sleep inf']}\n"
	if err := os.WriteFile(filepath.Join(dir, "gosup.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "n"), "WATCHDOG_USEC=1000000")
	start := func() *program {
		t.Helper()
		mu.Lock()
		heard = ""
		mu.Unlock()
		p, err := startProgram(dir, "gosup", env, []string{"gosup", "run"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.stop)
		await(`^READY=1\nSTATUS=2 processes, 2 running$`)
		mu.Lock()
		early := heard[:strings.Index(heard, "READY=1")]
		mu.Unlock()
		if !strings.Contains(early, "STATUS=2 processes, ") || !strings.Contains(early, " starting (slow") {
			t.Errorf("before it was ready: %s", early)
		}
		return p
	}
	p := start()
	await(`(^WATCHDOG=1\n(.*\n)*){3}`)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(`^RELOADING=1\nMONOTONIC_USEC=[0-9]+\n(.*\n)*READY=1$`)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(`^STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000\n`)
	if code, err := p.code(); err != nil || code != 0 {
		t.Errorf("exit code %d, %v", code, err)
	}
	start() // what is kept of the first one is not taken for this one's start
	said, err := os.ReadFile(filepath.Join(dir, ".gosup/log/bare.log"))
	if err != nil || !strings.Contains(string(said), "GOSUP_PROCESS=bare\n") || strings.Contains(string(said), "NOTIFY_SOCKET") || strings.Contains(string(said), "WATCHDOG") {
		t.Errorf("the environment of a process: %v\n%s", err, said)
	}
}
