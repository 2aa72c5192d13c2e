package spec

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestCapNames holds the order of the names against the kernel's numbers.
func TestCapNames(t *testing.T) {
	t.Parallel()
	if got := len(capNames); got != unix.CAP_LAST_CAP+1 {
		t.Errorf("got %d names, want %d", got, unix.CAP_LAST_CAP+1)
	}
	for name, n := range map[string]int{
		"CHOWN": unix.CAP_CHOWN, "SETPCAP": unix.CAP_SETPCAP, "NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE,
		"SYS_ADMIN": unix.CAP_SYS_ADMIN, "MKNOD": unix.CAP_MKNOD, "SETFCAP": unix.CAP_SETFCAP,
		"AUDIT_READ": unix.CAP_AUDIT_READ, "CHECKPOINT_RESTORE": unix.CAP_CHECKPOINT_RESTORE,
	} {
		if capNames[n] != name {
			t.Errorf("number %d: got %s, want %s", n, capNames[n], name)
		}
	}
}
