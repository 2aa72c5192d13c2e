package control

import (
	"errors"
	"fmt"
	"net/http"

	"gosup/spec"
)

// Code says what kind of mistake or mishap a Problem is. Programs branch on
// it; gosup ctl derives its exit code from it.
type Code string

// The codes.
const (
	CodeBadRequest     Code = "bad_request"     // the request makes no sense
	CodeForbidden      Code = "forbidden"       // the caller is not let in
	CodeUnauthorized   Code = "unauthorized"    // by TCP, without a token that is known
	CodeUnknownProcess Code = "unknown_process" // a name that means nothing, or too much
	CodeNotFound       Code = "not_found"       // no such resource in the API
	CodeNotInTime      Code = "not_in_time"     // what was waited for did not come
	CodeFailed         Code = "failed"          // it was tried and did not work
	CodeOpen           Code = "open"            // the circuit breaker lets nobody pass
	CodeBusy           Code = "busy"            // too many clients
	CodeEnding         Code = "ending"          // the daemon shuts down
	CodeUnreachable    Code = "unreachable"     // made by the client: no daemon answers
	CodeBroken         Code = "broken"          // made by the client: the answer makes no sense
)

// status returns the HTTP status of an answer with that code.
func (c Code) status() int {
	switch c {
	case CodeBadRequest:
		return http.StatusBadRequest
	case CodeForbidden:
		return http.StatusForbidden
	case CodeUnauthorized:
		return http.StatusUnauthorized
	case CodeUnknownProcess, CodeNotFound:
		return http.StatusNotFound
	case CodeNotInTime:
		return http.StatusRequestTimeout
	case CodeBusy, CodeEnding, CodeOpen:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// Problem is an error of the API, as RFC 9457 has it: the body of every
// answer that is not a success, with the media type
// application/problem+json. It is the error that the Client returns.
type Problem struct {
	Type   string `json:"type"`   // always "about:blank": Code says more
	Title  string `json:"title"`  // the words of the HTTP status
	Status int    `json:"status"` // the HTTP status
	Detail string `json:"detail"` // what and why, in words
	Code   Code   `json:"code"`
	Hint   string `json:"hint,omitempty"` // what to do
}

// Error returns the detail, with the hint in brackets.
func (p *Problem) Error() string {
	if p.Hint == "" {
		return p.Detail
	}
	return p.Detail + " (" + p.Hint + ")"
}

func problemf(code Code, hint, format string, args ...any) *Problem {
	return &Problem{
		Type:   "about:blank",
		Title:  http.StatusText(code.status()),
		Status: code.status(),
		Detail: fmt.Sprintf(format, args...),
		Code:   code,
		Hint:   hint,
	}
}

// asProblem finds the problem that an error is, or makes one of it.
func asProblem(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var unknown *spec.UnknownError
	if errors.As(err, &unknown) {
		hint := "gosup ctl status -o name lists the names"
		switch {
		case unknown.Kind != "":
			hint = "gosup ctl breaker lists them"
		case len(unknown.Similar) > 0:
			hint = "use the full name"
		}
		return problemf(CodeUnknownProcess, hint, "%s", unknown)
	}
	return problemf(CodeFailed, "", "%s", err)
}
