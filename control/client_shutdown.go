package control

import (
	"context"
	"errors"
	"io"
	"net/url"
)

// Shutdown asks the daemon to end. It returns as soon as that is on its way.
func (c *Client) Shutdown(ctx context.Context, req ShutdownRequest) error {
	return c.post(ctx, "/v1/shutdown", 0, req, nil)
}

// ShutdownAndWait asks the daemon to end and returns when its process is gone.
// Where the process cannot be seen, as from another pid namespace, it returns
// when the daemon answers no more.
func (c *Client) ShutdownAndWait(ctx context.Context, req ShutdownRequest) error {
	conn, err := dialAt(c.socket, dialTimeout)
	if err != nil {
		return c.unreachable(err)
	}
	peer, err := peerOf(conn)
	conn.Close()
	if err != nil {
		peer.PID = 0
	}
	// Watched from before the end, so that the pid cannot be another's.
	gone := processEnd(ctx, peer.PID)
	if err := c.Shutdown(ctx, req); err != nil {
		return err
	}
	if err := c.untilSilent(ctx); err != nil {
		return err
	}
	select {
	case <-gone:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// untilSilent returns when the daemon answers no more.
func (c *Client) untilSilent(ctx context.Context) error {
	body, err := c.stream(ctx, "/v1/events", url.Values{"follow": {"true"}, "n": {"0"}})
	var p *Problem
	switch {
	case errors.As(err, &p) && p.Code == CodeUnreachable:
		return nil // it was quick
	case err != nil:
		return err
	}
	defer body.Close()
	// However it ends: the daemon has closed.
	_, _ = io.Copy(io.Discard, body)
	return ctx.Err()
}
