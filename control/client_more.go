package control

import (
	"context"
	"net/http"
	"net/url"
)

// HealthJSON returns what the checks of the processes that the names mean say,
// of all without names: a list of ProcessHealth, as the server wrote it.
func (c *Client) HealthJSON(ctx context.Context, names ...string) ([]byte, error) {
	return c.fetch(ctx, request{method: http.MethodGet, path: "/v1/health", query: url.Values{"name": names}})
}

// Breakers returns the breakers of the dependencies that are named, of all
// without names.
func (c *Client) Breakers(ctx context.Context, names ...string) ([]Breaker, error) {
	var out []Breaker
	err := c.get(ctx, "/v1/breakers", url.Values{"name": names}, &out)
	return out, err
}

// TripBreaker opens a breaker and returns what it is then.
func (c *Client) TripBreaker(ctx context.Context, req BreakerRequest) (Breaker, error) {
	var out Breaker
	err := c.post(ctx, "/v1/breakers/trip", 0, req, &out)
	return out, err
}

// ResetBreaker closes a breaker and returns what it is then.
func (c *Client) ResetBreaker(ctx context.Context, req BreakerRequest) (Breaker, error) {
	var out Breaker
	err := c.post(ctx, "/v1/breakers/reset", 0, req, &out)
	return out, err
}

// Guard asks whether a command may be run through a breaker. The code of the
// error is CodeOpen if not. GuardResult is to follow.
func (c *Client) Guard(ctx context.Context, req BreakerRequest) error {
	return c.post(ctx, "/v1/guard", 0, req, nil)
}

// GuardResult tells how the command ended that Guard has let pass.
func (c *Client) GuardResult(ctx context.Context, req GuardResult) error {
	return c.post(ctx, "/v1/guard/result", 0, req, nil)
}

// CrashesJSON returns the last crashes of the processes that the names mean: a
// list of Crash, as the server wrote it.
func (c *Client) CrashesJSON(ctx context.Context, names ...string) ([]byte, error) {
	return c.fetch(ctx, request{method: http.MethodGet, path: "/v1/crashes", query: url.Values{"name": names}})
}

// Why returns why a process, group or dependency is in its state.
func (c *Client) Why(ctx context.Context, name string) (Why, error) {
	var out Why
	err := c.get(ctx, "/v1/why/"+name, nil, &out)
	return out, err
}

// DescribeJSON returns everything about one process or group: a Description,
// as the server wrote it.
func (c *Client) DescribeJSON(ctx context.Context, name string) ([]byte, error) {
	return c.fetch(ctx, request{method: http.MethodGet, path: "/v1/describe/" + name})
}
