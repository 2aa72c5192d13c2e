package control

import (
	"net/http"
	"time"

	"gosup/tree"
)

// ProcessHealth is what the checks of one process say.
type ProcessHealth struct {
	Name         string  `json:"name"`
	State        string  `json:"state"`
	Health       string  `json:"health"` // the worst of the checks
	HealthReason string  `json:"health_reason"`
	Ready        bool    `json:"ready"`
	Checks       []Check `json:"checks"` // of the current run, never null
}

// Check is what one check says.
type Check struct {
	Name           string     `json:"name"` // "" where the file has one check and no name for it
	Health         string     `json:"health"`
	Reason         string     `json:"reason"` // of the health
	Last           string     `json:"last"`   // what the last result said; "" for no more than healthy
	At             *time.Time `json:"at"`     // of the last result
	LatencySeconds float64    `json:"latency_seconds"`
	Failed         int        `json:"failed"` // failures in a row
}

func (c clock) checks(list []tree.Checkup) []Check {
	out := make([]Check, len(list))
	for i, k := range list {
		out[i] = Check{
			Name: k.Name, Health: k.Health.String(), Reason: k.Reason, Last: k.Last, At: c.time(k.At),
			LatencySeconds: k.Latency.Seconds(), Failed: k.Failed,
		}
	}
	return out
}

// health answers with the checks of the processes that the query's name, which
// may be repeated, means; without one, of all.
func (s *Server) health(w http.ResponseWriter, r *http.Request) error {
	nodes, err := choose(s.sup.Snapshot(), r.URL.Query()["name"])
	if err != nil {
		return err
	}
	c := s.clock()
	out := make([]ProcessHealth, len(nodes))
	for i, n := range nodes {
		out[i] = ProcessHealth{
			Name: n.Name, State: n.State.String(), Health: n.Health.String(), HealthReason: n.HealthReason,
			Ready: n.Ready, Checks: c.checks(n.Checks),
		}
	}
	return s.answer(w, out)
}
