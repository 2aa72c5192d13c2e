package control

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// ActionRequest is the body of the requests under /v1/actions.
type ActionRequest struct {
	Names          []string `json:"names"`                     // as gosup ctl takes them
	Signal         string   `json:"signal,omitempty"`          // "HUP", "SIGHUP" or "1"; of signal alone
	Reason         string   `json:"reason,omitempty"`          // the person's words, for the history
	TimeoutSeconds float64  `json:"timeout_seconds,omitempty"` // how long to wait; 0: a day
	NoWait         bool     `json:"no_wait,omitempty"`         // answer as soon as it is on its way
	ForSeconds     float64  `json:"for_seconds,omitempty"`     // of stop, freeze and fail_health: undone after this time; 0: never
	AtOnce         bool     `json:"at_once,omitempty"`         // of restart: all instances together, not one after the other
}

// Outcome is what came of an action for one process.
type Outcome string

// The outcomes. The first three are successes.
const (
	OutcomeDone      Outcome = "done"
	OutcomeUnchanged Outcome = "unchanged" // it was so already
	OutcomeAccepted  Outcome = "accepted"  // nobody waited for it
	OutcomeFailed    Outcome = "failed"
	OutcomeOvertaken Outcome = "overtaken" // a later wish came in between
	OutcomeTimeout   Outcome = "timeout"   // it goes on, but not within the time
)

// OK reports whether the outcome is a success.
func (o Outcome) OK() bool {
	return o == OutcomeDone || o == OutcomeUnchanged || o == OutcomeAccepted
}

// ActionResult is what an action did to one process.
type ActionResult struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	State   string  `json:"state"` // afterwards; "" if it is no more
	PID     int     `json:"pid"`   // afterwards; 0 if none
	Message string  `json:"message"`
}

// ActionAnswer is the answer to a request under /v1/actions. That it is given
// means that the names were good; whether it worked is in the results.
type ActionAnswer struct {
	Results []ActionResult `json:"results"` // in the order in which it was done
}

// ShutdownRequest is the body of POST /v1/shutdown.
type ShutdownRequest struct {
	Urgency string `json:"urgency,omitempty"` // orderly (the default), quick, at_once
	Reason  string `json:"reason,omitempty"`
}

// askTimeout is for a wish that nobody waits for to come true.
const askTimeout = 10 * time.Second

// start has processes started, and answers when they run, have exited, or the
// first attempt has failed.
func (s *Server) start(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, tree.AskStart)
}

// stop has processes stopped, and answers when nothing is left of them.
func (s *Server) stop(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, tree.AskStop)
}

// restart has processes stopped and started again, of several instances one
// after the other, and answers when they run.
func (s *Server) restart(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, tree.AskRestart)
}

// signal sends a signal to the first process of each run.
func (s *Server) signal(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, tree.AskSignal)
}

// freeze makes processes stand still, with all that they started.
func (s *Server) freeze(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, tree.AskFreeze)
}

// thaw lets frozen processes go on.
func (s *Server) thaw(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, tree.AskThaw)
}

// failHealth makes the checks of processes fail, whatever they find.
func (s *Server) failHealth(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, tree.AskFailHealth)
}

// reloadProcess has processes reload themselves, as their definition says.
func (s *Server) reloadProcess(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, tree.AskReload)
}

// act does what start, stop, restart and signal have in common: ask, wait for
// what was asked, answer.
func (s *Server) act(w http.ResponseWriter, r *http.Request, verb tree.Verb) error {
	req, err := parseAction(r, verb)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	if !req.noWait {
		cancel()
		if ctx, cancel, err = s.stay(w, r, req.timeout); err != nil {
			return err
		}
	}
	defer cancel()
	req.asked.By = asker(r)
	results, err := s.perform(ctx, req)
	if err != nil {
		return err
	}
	return s.answer(w, ActionAnswer{Results: results})
}

// perform does an action, a rolling one step by step. The rest is left alone
// where a step has failed.
func (s *Server) perform(ctx context.Context, a action) ([]ActionResult, error) {
	steps := [][]string{a.asked.Names}
	if a.asked.Verb == tree.AskRestart && !a.noWait && !a.atOnce {
		nodes, err := choose(s.sup.Snapshot(), a.asked.Names)
		if err != nil {
			return nil, err
		}
		steps = rolling(nodes)
	}
	var all []ActionResult
	for i, names := range steps {
		a.asked.Names = names
		results, err := s.perform1(ctx, a)
		if err != nil {
			return nil, err
		}
		all = append(all, results...)
		bad := slices.IndexFunc(results, func(r ActionResult) bool { return !r.Outcome.OK() })
		if bad < 0 {
			continue
		}
		for _, name := range slices.Concat(steps[i+1:]...) {
			all = append(all, ActionResult{Name: name, Outcome: OutcomeFailed, Message: "left as it is, because of " + results[bad].Name})
		}
		break
	}
	return all, nil
}

// perform1 asks for an action and waits for it to come true.
func (s *Server) perform1(ctx context.Context, a action) ([]ActionResult, error) {
	ans, err := s.sup.Ask(ctx, a.asked)
	if err != nil {
		return nil, ended(err)
	}
	if ans.Err != nil {
		return nil, ans.Err
	}
	watch := newWatch(a.asked.Verb, ans.Results, a.noWait)
	snap := s.sup.Snapshot()
	for !watch.see(snap) {
		next, err := s.sup.Changed(ctx, snap.Version)
		if err != nil {
			watch.giveUp(snap, err, a.timeout)
			break
		}
		snap = next
	}
	if a.asked.Verb == tree.AskStop {
		watch.nameDependents()
	}
	return watch.results, nil
}

// rolling returns in which steps processes are restarted so that of several
// instances of one process only one is taken down at a time. What is down
// already comes up with the first: others may wait for it.
func rolling(nodes []*tree.Node) (steps [][]string) {
	seen := map[string]int{}
	for _, n := range nodes {
		base, _, _ := strings.Cut(n.Name, "@")
		step := 0
		if n.State == tree.StateRunning {
			step = seen[base]
			seen[base]++
		}
		if step == len(steps) {
			steps = append(steps, nil)
		}
		steps[step] = append(steps[step], n.Name)
	}
	return steps
}

// action is a parsed ActionRequest.
type action struct {
	asked   tree.Asked
	timeout time.Duration
	noWait  bool
	atOnce  bool
}

func parseAction(r *http.Request, verb tree.Verb) (action, error) {
	var req ActionRequest
	if err := decode(r, &req); err != nil {
		return action{}, err
	}
	a := action{
		asked:   tree.Asked{Verb: verb, Names: req.Names, Why: req.Reason},
		timeout: maxWait,
		atOnce:  req.AtOnce,
		noWait:  req.NoWait || momentary(verb),
	}
	if len(req.Names) == 0 {
		return a, problemf(CodeBadRequest, `use "all" for every process`, "no names were given")
	}
	switch {
	case req.ForSeconds < 0 || req.ForSeconds > maxWait.Seconds():
		return a, problemf(CodeBadRequest, "", "for_seconds is not within 0 and a day")
	case req.ForSeconds > 0 && verb != tree.AskStop && verb != tree.AskFreeze && verb != tree.AskFailHealth:
		return a, problemf(CodeBadRequest, "", "%s is not undone, so for_seconds makes no sense", verb)
	}
	a.asked.For = time.Duration(req.ForSeconds * float64(time.Second))
	switch sec := req.TimeoutSeconds; {
	case sec < 0:
		return a, problemf(CodeBadRequest, "", "timeout_seconds is negative")
	case sec > 0 && sec < maxWait.Seconds():
		a.timeout = time.Duration(sec * float64(time.Second))
	}
	switch {
	case verb == tree.AskSignal:
		n, ok := spec.SignalNumber(req.Signal)
		if !ok {
			return a, problemf(CodeBadRequest, "write it like HUP or 1", "there is no signal %q", req.Signal)
		}
		a.asked.Signal = n
	case req.AtOnce && verb != tree.AskRestart:
		return a, problemf(CodeBadRequest, "", "at_once is for restart")
	case req.Signal != "":
		return a, problemf(CodeBadRequest, "", "%s takes no signal", verb)
	}
	return a, nil
}

// shutdown has everything stopped and the daemon end. It answers at once.
func (s *Server) shutdown(w http.ResponseWriter, r *http.Request) error {
	var req ShutdownRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	urgencies := map[string]tree.Urgency{"": tree.Orderly, "orderly": tree.Orderly, "quick": tree.Quick, "at_once": tree.AtOnce}
	u, ok := urgencies[req.Urgency]
	if !ok {
		return problemf(CodeBadRequest, "use orderly, quick or at_once", "there is no urgency %q", req.Urgency)
	}
	s.sup.Shutdown(u, asker(r), req.Reason)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// momentary reports whether a wish is over once it is done: there is no state
// to wait for.
func momentary(v tree.Verb) bool { return v >= tree.AskSignal }
