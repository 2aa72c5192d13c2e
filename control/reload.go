package control

import (
	"context"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"gosup/spec"
)

// Reloader is the part of the daemon that knows its configuration file.
type Reloader interface {
	// Reload applies what the file says now, or nothing of it. It returns what
	// was done, and everything that is wrong with the file or unwise in it, one
	// a line. With a problem that is no warning the error is ErrRejected.
	Reload(by, why string) (Plan, error)

	// LastReload returns whether the last reload was applied, and when what
	// holds now was: with the start, where there was no reload.
	LastReload() (ok bool, applied time.Time)

	// Plan says what Reload would do with a file, "" for the daemon's own.
	Plan(file string) (Plan, error)

	// Scale sets how many instances of a process there are to be, until the
	// file has another number than now. It returns what was done. The error is
	// a *spec.UnknownError where there is no such process.
	Scale(name string, instances int, by, why string) (Plan, error)
}

// Plan is what a reload does, or would do.
type Plan struct {
	Changes  []Change `json:"changes"`
	Problems []string `json:"problems"` // FILE:LINE:COL: path: what (what to do)
	Rejected bool     `json:"rejected"` // because of the problems: then nothing is done
}

// Change is what a reload does to one process or group.
type Change struct {
	Name         string        `json:"name"`
	Effect       string        `json:"effect"` // in_place, restart, new or removed
	Group        bool          `json:"group"`
	Fields       []FieldChange `json:"fields"`
	AlsoRestarts []string      `json:"also_restarts"` // by depends_on with restart
}

// FieldChange is a key that is different. Values of env are never told.
type FieldChange struct {
	Field  string `json:"field"`
	From   string `json:"from"`
	To     string `json:"to"`
	Effect string `json:"effect"` // in_place or restart
}

// NewPlan translates what package spec has planned.
func NewPlan(changes []spec.Change, problems []string, rejected bool) Plan {
	p := Plan{Changes: make([]Change, 0, len(changes)), Problems: append([]string{}, problems...), Rejected: rejected}
	for _, c := range changes {
		out := Change{Name: c.Name, Effect: c.Effect.String(), Group: c.IsGroup,
			Fields: []FieldChange{}, AlsoRestarts: append([]string{}, c.Drags...)}
		for _, f := range c.Fields {
			out.Fields = append(out.Fields, FieldChange{f.Field, f.From, f.To, f.Effect.String()})
		}
		p.Changes = append(p.Changes, out)
	}
	return p
}

// ReloadRequest is the body of POST /v1/reload.
type ReloadRequest struct {
	Reason string `json:"reason,omitempty"`
}

// reload applies what the configuration file says now, or nothing of it, and
// answers with what that does.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) error {
	var req ReloadRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	if s.opts.Reloader == nil {
		return problemf(CodeBadRequest, "", "this gosup has no configuration file")
	}
	plan, err := s.opts.Reloader.Reload(asker(r), req.Reason)
	if err != nil {
		return err
	}
	return s.answer(w, plan)
}

// plan answers with what a reload would do. The daemon reads the file with its
// own rights and its messages quote it: so a file of the caller's choice is only
// for those who have these rights as well.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) error {
	if s.opts.Reloader == nil {
		return problemf(CodeBadRequest, "", "this gosup has no configuration file")
	}
	file := r.URL.Query().Get("file")
	peer := clientOf(r.Context()).peer
	switch {
	case file != "" && !filepath.IsAbs(file):
		return problemf(CodeBadRequest, "give an absolute path", "%q is relative", file)
	case file != "" && peer.UID != 0 && int(peer.UID) != s.opts.Access.UID:
		return problemf(CodeForbidden, "leave the file out, for the daemon's own", "%s may not have gosup read a file", peer)
	case strings.ContainsRune(file, 0):
		return problemf(CodeBadRequest, "", "a NUL byte in a path")
	}
	plan, err := s.opts.Reloader.Plan(file)
	if err != nil {
		return err
	}
	return s.answer(w, plan)
}

// maxInstances is what a configuration file may have, too.
const maxInstances = 10_000

// ScaleRequest is the body of POST /v1/scale.
type ScaleRequest struct {
	Name      string `json:"name"`      // of one process, without the number of an instance
	Instances int    `json:"instances"` // 1 to 10000
	Reason    string `json:"reason,omitempty"`
}

// scale sets how many instances of a process there are to be, until the file
// has another number than now, and answers with what that does.
func (s *Server) scale(w http.ResponseWriter, r *http.Request) error {
	var req ScaleRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	switch {
	case s.opts.Reloader == nil:
		return problemf(CodeBadRequest, "", "this gosup has no configuration file")
	case req.Name == "":
		return problemf(CodeBadRequest, "", "no name was given")
	case req.Instances < 1 || req.Instances > maxInstances:
		return problemf(CodeBadRequest, "gosup ctl stop has none of them run", "instances is not within 1 and %d", maxInstances)
	}
	plan, err := s.opts.Reloader.Scale(req.Name, req.Instances, asker(r), req.Reason)
	if err != nil {
		return err
	}
	return s.answer(w, plan)
}

// Scale sets how many instances of a process there are to be.
func (c *Client) Scale(ctx context.Context, req ScaleRequest) (Plan, error) {
	var out Plan
	err := c.post(ctx, "/v1/scale", answerTimeout, req, &out)
	return out, err
}

// Reload makes the daemon apply its file.
func (c *Client) Reload(ctx context.Context, reason string) (Plan, error) {
	var out Plan
	err := c.post(ctx, "/v1/reload", answerTimeout, ReloadRequest{Reason: reason}, &out)
	return out, err
}

// PlanJSON returns what a reload would do, as the server wrote it: a Plan. The
// file is an absolute path, or "" for the daemon's own.
func (c *Client) PlanJSON(ctx context.Context, file string) ([]byte, error) {
	q := url.Values{}
	if file != "" {
		q.Set("file", file)
	}
	return c.fetch(ctx, request{method: http.MethodGet, path: "/v1/plan", query: q})
}
