package control

import (
	"context"
	"net/http"
	"time"
)

// Upgrader replaces the program of the daemon.
type Upgrader interface {
	// Upgrade makes the daemon go on as the program that is on the disk now, with
	// everything running. It returns when that is certain to be tried, shortly
	// before it is. The error says why nothing was done.
	Upgrade(ctx context.Context, by, why string) (Upgrade, error)
}

// Upgrade is how the program of the daemon is replaced.
type Upgrade struct {
	From string `json:"from"` // version
	To   string `json:"to"`
	PID  int    `json:"pid"` // of the daemon, before and after
}

// UpgradeRequest is the body of POST /v1/upgrade.
type UpgradeRequest struct {
	Reason string `json:"reason,omitempty"`
}

// upgrade replaces the program of the daemon. The answer comes before the new
// one is there.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) error {
	var req UpgradeRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	if s.opts.Upgrader == nil {
		return problemf(CodeBadRequest, "", "this gosup cannot be upgraded in place")
	}
	done, err := s.opts.Upgrader.Upgrade(r.Context(), asker(r), req.Reason)
	if err != nil {
		return problemf(CodeFailed, "the old one goes on; nothing was changed", "upgrade: %v", err)
	}
	w.Header().Set("Connection", "close")
	return s.answer(w, done)
}

// upgradeLimit is how long a daemon may take to ask the new program and to let
// the starts that are under way be answered.
const upgradeLimit = time.Minute

// Upgrade has the daemon go on as the program that is on the disk now, and
// returns when that one answers.
func (c *Client) Upgrade(ctx context.Context, req UpgradeRequest) (Upgrade, error) {
	before, err := c.Version(ctx)
	if err != nil {
		return Upgrade{}, err
	}
	var done Upgrade
	if err := c.post(ctx, "/v1/upgrade", upgradeLimit, req, &done); err != nil {
		return Upgrade{}, err
	}
	// The socket stays: who connects in between waits for the new one.
	for {
		now, err := c.Version(ctx)
		if err == nil && now.StartedAt.After(before.StartedAt) {
			return done, nil
		}
		select {
		case <-ctx.Done():
			return done, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
