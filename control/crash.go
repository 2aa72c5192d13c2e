package control

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"gosup/tree"
)

// Crash is an unplanned end of a process, with what was known then.
type Crash struct {
	Name          string    `json:"name"`
	Run           uint64    `json:"run"`
	PID           int       `json:"pid"`
	At            time.Time `json:"at"`
	Exit          Exit      `json:"exit"`
	Reason        string    `json:"reason"` // what it led to
	Health        string    `json:"health"` // just before
	Checks        []Check   `json:"checks"` // their last results
	UserSeconds   float64   `json:"user_seconds"`
	SystemSeconds float64   `json:"system_seconds"`
	MaxRSSBytes   int64     `json:"max_rss_bytes"`
	Output        string    `json:"output"`                  // the last 8 KiB of the run
	OutputBase64  string    `json:"output_base64,omitempty"` // the same, where it is not UTF-8
}

func (c clock) crash(k *tree.Crash) Crash {
	out := Crash{
		Name: k.Process, Run: k.Run, PID: k.PID, At: stamp(k.Wall), Exit: *c.exit(&k.Exit), Reason: k.Reason,
		Health: k.Health.String(), Checks: c.checks(k.Checks),
		UserSeconds: k.Exit.User.Seconds(), SystemSeconds: k.Exit.System.Seconds(), MaxRSSBytes: k.Exit.MaxRSS,
		Output: string(k.Output),
	}
	out.Exit.At = out.At // the crash may be of an earlier boot, whose clock is gone
	if !utf8.Valid(k.Output) {
		out.Output = strings.ToValidUTF8(out.Output, string(utf8.RuneError))
		out.OutputBase64 = base64.StdEncoding.EncodeToString(k.Output)
	}
	return out
}

// crashes answers with the last crashes of the processes that the query's name,
// which may be repeated, means; without one, of all. Oldest first of each.
func (s *Server) crashes(w http.ResponseWriter, r *http.Request) error {
	nodes, err := choose(s.sup.Snapshot(), r.URL.Query()["name"])
	if err != nil {
		return err
	}
	c := s.clock()
	out := []Crash{}
	for _, n := range nodes {
		list, err := s.sup.Crashes(n.Name)
		if err != nil {
			return problemf(CodeFailed, "", "crashes of %s: %s", n.Name, err)
		}
		for i := range list {
			out = append(out, c.crash(&list[i]))
		}
	}
	return s.answer(w, out)
}
