package healthcheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"gosup/spec"
)

// answer is what is kept of an HTTP response.
type answer struct {
	status      int
	contentType string
	location    string
	body        []byte // at most maxBody bytes
}

// redirects reports whether the answer sends the client elsewhere.
func (a *answer) redirects() bool {
	switch a.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return a.location != ""
	default:
		return false
	}
}

// judge says what an answer means, in the order that HTTP documents.
func (p *Prober) judge(probe *spec.HTTPProbe, a *answer) Result {
	if probe.DegradedStatus.Has(a.status) {
		return result(Degraded, a.describe())
	}
	if !probe.Status.Has(a.status) {
		return result(Unhealthy, a.describe())
	}
	if said := a.report(); said.Status == "degraded" {
		if said.Reason == "" {
			return result(Degraded, "reported by itself")
		}
		return result(Degraded, said.Reason)
	}
	if probe.Body == "" {
		return result(Healthy, "")
	}
	re, err := p.patterns.compile(probe.Body)
	if err != nil {
		return result(Unknown, "not probed: body: "+err.Error())
	}
	if !re.Match(a.body) {
		return result(Unhealthy, "body does not match "+probe.Body)
	}
	return result(Healthy, "")
}

// report is what a JSON body says of its sender's health.
type report struct {
	Status string `json:"status"`
	Reason string `json:"reason"`
}

// report reads the body as a report. What is not JSON by its content type, or
// not well-formed, says nothing.
func (a *answer) report() report {
	media, _, err := mime.ParseMediaType(a.contentType)
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
		return report{}
	}
	var r report
	err = json.Unmarshal(a.body, &r)
	if _, mistyped := errors.AsType[*json.UnmarshalTypeError](err); err != nil && !mistyped {
		return report{}
	}
	return r
}

// describe names the status, with what the answer says about it: the reason
// of a JSON report or the first line of plain text.
func (a *answer) describe() string {
	s := fmt.Sprintf("HTTP %d %s", a.status, http.StatusText(a.status))
	detail := a.report().Reason
	if media, _, err := mime.ParseMediaType(a.contentType); err == nil && media == "text/plain" {
		first, _, _ := bytes.Cut(bytes.TrimSpace(a.body), []byte("\n"))
		detail = string(first)
	}
	if detail == "" || strings.EqualFold(detail, http.StatusText(a.status)) {
		return s
	}
	return strings.TrimSpace(s) + ": " + detail
}
