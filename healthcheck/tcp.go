package healthcheck

import (
	"context"
	"net"
	"time"

	"gosup/spec"
)

// TCP opens a connection and closes it again: healthy if the other side
// accepts. It returns at the latest after the timeout, or when ctx is done.
func (p *Prober) TCP(ctx context.Context, probe *spec.TCPProbe, timeout time.Duration) Result {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := dial(ctx, "tcp", probe.Address)
	r := result(Healthy, "")
	if err != nil {
		r = failed(ctx, timeout, err)
	} else {
		// Nothing was sent, so there is nothing that closing could lose.
		_ = conn.Close()
	}
	r.Latency = time.Since(begin)
	return r
}

// dial connects without a proxy and without keep-alive probes: the connection
// lives for one question.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, &failure{connecting, address, err}
	}
	return conn, nil
}
