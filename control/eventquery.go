package control

import (
	"errors"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"gosup/spec"
	"gosup/tree"
)

// maxFollow is how long somebody can follow before it must ask again: no limit
// in practice, but every wait has one.
const maxFollow = 30 * 24 * time.Hour

// eventQuery is which events a client wants.
type eventQuery struct {
	since  uint64    // notes after this number
	from   time.Time // and not before this moment
	last   int       // of those kept, at most so many; -1: all
	follow bool
	names  []string // full names, or patterns that they match; none: all
}

func (s *Server) parseEventQuery(v url.Values) (eventQuery, error) {
	q := eventQuery{last: -1, follow: v.Get("follow") == "true"}
	if text := v.Get("since"); text != "" {
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			q.since = n
		} else if d, err := time.ParseDuration(text); err == nil && d >= 0 {
			q.from = s.sup.Wall(s.sup.Now()).Add(-d)
		} else {
			return q, problemf(CodeBadRequest, "write it like 10m or 1234", "since %q is neither a duration nor a number", text)
		}
	}
	if text := v.Get("n"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return q, problemf(CodeBadRequest, "", "n %q is no number of events", text)
		}
		q.last = n
	}
	for _, pattern := range v["name"] {
		names, err := s.eventNames(pattern)
		if err != nil {
			return q, err
		}
		q.names = append(q.names, names...)
	}
	return q, nil
}

// eventNames returns the names that a pattern means in events: those of
// processes that are, the pattern itself for a group or for one that is no
// more. The error is that of spec.Select if it never meant anything.
func (s *Server) eventNames(pattern string) ([]string, error) {
	nodes, err := choose(s.sup.Snapshot(), []string{pattern})
	var unknown *spec.UnknownError
	if errors.As(err, &unknown) && len(unknown.Similar) == 0 {
		past, _ := s.sup.Events(0)
		q := eventQuery{names: []string{pattern}}
		if slices.ContainsFunc(past, func(n tree.Noted) bool { return q.matches(&n) }) {
			return q.names, nil
		}
	}
	if err != nil {
		return nil, err
	}
	names := []string{pattern}
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return names, nil
}

func (q *eventQuery) matches(n *tree.Noted) bool {
	if n.Wall.Before(q.from) {
		return false
	}
	if len(q.names) == 0 {
		return true
	}
	return n.Process != "" && slices.ContainsFunc(q.names, func(name string) bool {
		if name == n.Process || strings.HasPrefix(n.Process, name+"/") || strings.HasPrefix(n.Process, name+"@") {
			return true
		}
		ok, _ := path.Match(name, n.Process)
		return ok
	})
}

func (q *eventQuery) matching(notes []tree.Noted) []tree.Noted {
	var out []tree.Noted
	for i := range notes {
		if q.matches(&notes[i]) {
			out = append(out, notes[i])
		}
	}
	return out
}

// first returns what is sent of the history before following.
func (q *eventQuery) first(notes []tree.Noted) []tree.Noted {
	out := q.matching(notes)
	if q.last >= 0 && len(out) > q.last {
		out = out[len(out)-q.last:]
	}
	return out
}
