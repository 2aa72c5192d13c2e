package main

import (
	"fmt"
	"net"
)

// notifier is the path of a notify socket as $NOTIFY_SOCKET has it, with @ for
// the abstract namespace; sd_notify(3).
type notifier string

// send does nothing where there is no socket, as sd_notify does.
func (n notifier) send(message string) error {
	if n == "" {
		return nil
	}
	conn, err := net.Dial("unixgram", string(n))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(message)); err != nil {
		return fmt.Errorf("write to %s: %w", n, err)
	}
	return nil
}
