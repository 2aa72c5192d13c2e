package notify

import (
	"fmt"
	"net"
	"time"
)

// sendTimeout bounds Send where the receiver's queue is full: nobody may be
// held up for long by the one it reports to.
const sendTimeout = time.Second

// Send tells the supervisor behind socket, a path or with @ before it a name
// in the abstract namespace, as $NOTIFY_SOCKET has it, what state says: lines
// of KEY=value. As for sd_notify(3) it is no error that there is no socket,
// "". It may be called on any goroutine and takes at most a second.
func Send(socket, state string) error {
	if socket == "" {
		return nil
	}
	if socket[0] != '/' && socket[0] != '@' || len(socket) == 1 {
		return fmt.Errorf("notify %s: not a path and no abstract name", socket)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("notify %s: %w", socket, err)
	}
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}
