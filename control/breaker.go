package control

import (
	"context"
	"net/http"
	"slices"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// Breaker is the circuit breaker of one external dependency. Names and
// meanings of its JSON keys are fixed.
type Breaker struct {
	Name             string     `json:"name"`
	State            string     `json:"state"`    // closed, open, half_open
	Failures         int        `json:"failures"` // in a row
	FailureThreshold int        `json:"failure_threshold"`
	RetryAt          *time.Time `json:"retry_at"` // of an open one: when the next trial is
	RequiredBy       []string   `json:"required_by"`
	Reason           string     `json:"reason"` // of the last failure
}

func (c clock) breaker(b *tree.Breaker) Breaker {
	out := Breaker{
		Name: b.Name, State: b.State.String(), Failures: b.Failures, FailureThreshold: b.Limit.Failures,
		RetryAt: c.time(b.RetryAt), RequiredBy: b.RequiredBy, Reason: b.Reason,
	}
	if out.RequiredBy == nil {
		out.RequiredBy = []string{}
	}
	return out
}

// breakers answers with the breakers of the dependencies that the query's
// name, which may be repeated, names; without one, of all.
func (s *Server) breakers(w http.ResponseWriter, r *http.Request) error {
	list, err := s.breakersNamed(r.URL.Query()["name"])
	if err != nil {
		return err
	}
	return s.answer(w, list)
}

func (s *Server) breakersNamed(names []string) ([]Breaker, error) {
	snap, c := s.sup.Snapshot(), s.clock()
	out := []Breaker{}
	for i := range snap.Breakers {
		if b := &snap.Breakers[i]; len(names) == 0 || slices.Contains(names, b.Name) {
			out = append(out, c.breaker(b))
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(out, func(b Breaker) bool { return b.Name == name }) {
			return nil, noDependency(name)
		}
	}
	return out, nil
}

func noDependency(name string) *Problem {
	return problemf(CodeUnknownProcess, "gosup ctl breaker lists them", "no dependency %q", name)
}

// BreakerRequest is the body of the requests that change a breaker.
type BreakerRequest struct {
	Name   string `json:"name"`
	Reason string `json:"reason,omitempty"` // the person's words, for the history

	ForSeconds float64 `json:"for_seconds,omitempty"` // of trip: closed again after this time; 0: never
}

// tripBreaker opens a breaker, and answers with what it is then.
func (s *Server) tripBreaker(w http.ResponseWriter, r *http.Request) error {
	return s.setBreaker(w, r, tree.AskTrip)
}

// resetBreaker closes a breaker, and answers with what it is then.
func (s *Server) resetBreaker(w http.ResponseWriter, r *http.Request) error {
	return s.setBreaker(w, r, tree.AskReset)
}

// setBreaker opens or closes a breaker and answers with what it is then.
func (s *Server) setBreaker(w http.ResponseWriter, r *http.Request, verb tree.Verb) error {
	var req BreakerRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	before := s.sup.Snapshot().Version
	if _, err := s.askBreaker(r, verb, req); err != nil {
		return err
	}
	// The answer may come before the snapshot that shows it. There is none if
	// nothing has changed, so the wait is short.
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	_, _ = s.sup.Changed(ctx, before)
	list, err := s.breakersNamed([]string{req.Name})
	if err != nil {
		return err
	}
	return s.answer(w, list[0])
}

// guard answers whether a command may be run through a breaker: 204 if so, else
// a problem with the code open. How the command ended is to be told by
// guardResult.
func (s *Server) guard(w http.ResponseWriter, r *http.Request) error {
	var req BreakerRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	result, err := s.askBreaker(r, tree.AskGuard, req)
	if err != nil {
		return err
	}
	if result.Err != "" {
		return problemf(CodeOpen, "", "%s: %s", req.Name, result.Err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// askBreaker hands a wish about one dependency to the tree.
func (s *Server) askBreaker(r *http.Request, verb tree.Verb, req BreakerRequest) (tree.Result, error) {
	if req.Name == "" {
		return tree.Result{}, problemf(CodeBadRequest, "", "no name was given")
	}
	if req.ForSeconds < 0 || req.ForSeconds > maxWait.Seconds() || req.ForSeconds > 0 && verb != tree.AskTrip {
		return tree.Result{}, problemf(CodeBadRequest, "", "for_seconds is for a trip, and not more than a day")
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	ans, err := s.sup.Ask(ctx, tree.Asked{
		Verb: verb, Names: []string{req.Name}, By: asker(r), Why: req.Reason,
		For: time.Duration(req.ForSeconds * float64(time.Second)),
	})
	switch {
	case err != nil:
		return tree.Result{}, ended(err)
	case ans.Err != nil:
		return tree.Result{}, noDependency(req.Name)
	}
	return ans.Results[0], nil
}

// GuardResult is the body of POST /v1/guard/result: how the command ended that
// a breaker has let pass.
type GuardResult struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // why not
}

// maxReason bounds what a client says of a failure.
const maxReason = 200

// guardResult takes how the command ended that guard has let pass.
func (s *Server) guardResult(w http.ResponseWriter, r *http.Request) error {
	var req GuardResult
	if err := decode(r, &req); err != nil {
		return err
	}
	if _, err := s.breakersNamed([]string{req.Name}); err != nil {
		return err
	}
	s.sup.Tell(tree.Guarded{Dependency: req.Name, OK: req.OK, Why: spec.Line(req.Reason, maxReason)})
	w.WriteHeader(http.StatusNoContent)
	return nil
}
