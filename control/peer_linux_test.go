package control

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// as runs f on a thread that has become another user. The thread is thrown
// away afterwards.
func as(t *testing.T, uid, gid int, groups []uint32, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	done := make(chan error)
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		var first unsafe.Pointer
		if len(groups) > 0 {
			first = unsafe.Pointer(&groups[0])
		}
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(first), 0); errno != 0 {
			done <- errno
			return
		}
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)); errno != 0 {
			done <- errno
			return
		}
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			done <- errno
			return
		}
		f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// The socket lets everybody in here: what counts is what the kernel says of
// the peer.
func TestPeers(t *testing.T) {
	t.Parallel()
	open := func(o *Options, _ *deadlines, s *Socket) {
		s.Mode = 0o666
		dir, err := os.MkdirTemp("", "gosup-control-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		s.Path = dir + "/gosup.sock"
		o.Access = Access{UID: 1000, GID: 50}
	}
	w := serve(t, newFake(running(1, "web")), open)
	many := make([]uint32, 200)
	for i := range many {
		many[i] = uint32(10000 + i)
	}
	for _, test := range []struct {
		name     string
		uid, gid int
		groups   []uint32
		status   int
	}{
		{"root", 0, 0, nil, 200},
		{"the user", 1000, 1000, nil, 200},
		{"a stranger", 1001, 1001, []uint32{1000}, 403},
		{"a member", 1001, 1001, []uint32{7, 50}, 200},
		{"a member of many groups", 1001, 1001, append(many, 50), 200},
		{"by primary group", 1001, 50, nil, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			as(t, test.uid, test.gid, test.groups, func() {
				conn, err := dialAt(w.socket, time.Second)
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				io.WriteString(conn, "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n")
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if resp.StatusCode != test.status {
					t.Errorf("got %s, want %d", resp.Status, test.status)
				}
				if resp.StatusCode == http.StatusOK {
					return
				}
				var p Problem
				if json.NewDecoder(resp.Body).Decode(&p); p.Code != CodeForbidden {
					t.Errorf("got %+v", p)
				}
			})
		})
	}
}

// The mode of the socket keeps others out before anything is said.
func TestClientNotAllowed(t *testing.T) {
	t.Parallel()
	w := serve(t, newFake())
	as(t, 1001, 1001, nil, func() {
		_, err := NewClient(w.socket).Version(t.Context())
		if codeOf(t, err) != CodeForbidden {
			t.Errorf("got %v", err)
		}
	})
}

// A user who takes all the places that one may have, by following and by a crowd
// that says nothing, leaves those that are root's.
func TestRootHasPlaces(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "gosup-control-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w := serve(t, newFake(running(1, "web")), func(o *Options, _ *deadlines, s *Socket) {
		s.Mode, s.Path = 0o666, dir+"/gosup.sock"
		o.Access = Access{UID: 1000, GID: -1}
		o.Limits = Limits{Clients: 12, PerUID: 8, Root: 4, Stranger: 1, Execs: 1}
	})
	following := 0
	as(t, 1000, 1000, nil, func() {
		for range 100 {
			conn := w.dial(t)
			io.WriteString(conn, "GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n")
			if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil && resp.StatusCode == http.StatusOK {
				following++
			}
		}
		for range 100 {
			io.WriteString(w.dial(t), "GET /v1/proc")
		}
	})
	if following != 2 {
		t.Errorf("%d follow, want 2: half of the places that are not root's", following)
	}
	for range 20 {
		if _, err := w.client().Processes(soon(t)); err != nil {
			t.Fatalf("root beside the crowd: %v", err)
		}
	}
}
