package control

import "net/http"

// access is what a route does to the supervisor, and so who may use it. On the
// unix socket that is everybody who is let in. By TCP what is open is for
// everybody, and all else for those who have a token, see Security.
type access string

const (
	open   access = "open"   // shows no more than whether all is well
	read   access = "read"   // shows
	change access = "change" // steers
)

// route is one line of the API. What comes after the handler describes it for
// the OpenAPI document.
type route struct {
	method string
	path   string // as http.ServeMux has it
	access access
	handle func(s *Server, w http.ResponseWriter, r *http.Request) error
	query  []param
	in     any // a value of the type of the body; nil for none
	out    any // a value of the type of the answer; nil for none
}

// param is a parameter of a query.
type param struct {
	name   string
	repeat bool
	doc    string
}

// text is the type of an answer in plain text.
type text string

// lines is the type of an answer of JSON lines, each an item.
type lines struct{ item any }

// routes returns the whole API.
func routes() []route {
	names := param{"name", true, "A full name, group, common name of instances, glob, unique last part, or all."}
	usage := param{"usage", false, "true: fill in cpu_percent and memory_bytes, for which gosup looks at every process of the machine, at most once a second."}
	dependencies := param{"name", true, "The name of a dependency."}
	return []route{
		{"GET", "/livez", open, (*Server).livez, nil, nil, text("")},
		{"GET", "/readyz", open, (*Server).readyz, nil, nil, text("")},
		{"GET", "/metrics", open, (*Server).metrics, nil, nil, text("")},

		{"GET", "/v1/processes", read, (*Server).listProcesses, []param{names, usage}, nil, []Process{}},
		{"GET", "/v1/processes/{name...}", read, (*Server).showProcess, []param{usage}, nil, Process{}},
		{"GET", "/v1/tree", read, (*Server).showTree, append(treeParams(), usage), nil, []Node{}},
		{"GET", "/v1/health", read, (*Server).health, []param{names}, nil, []ProcessHealth{}},
		{"GET", "/v1/describe/{name...}", read, (*Server).describe, nil, nil, Description{}},
		{"GET", "/v1/why/{name...}", read, (*Server).why, nil, nil, Why{}},
		{"GET", "/v1/breakers", read, (*Server).breakers, []param{dependencies}, nil, []Breaker{}},
		{"GET", "/v1/crashes", read, (*Server).crashes, []param{names}, nil, []Crash{}},
		{"GET", "/v1/wait", read, (*Server).wait, append(waitParams(), names), nil, []Process{}},
		{"GET", "/v1/events", read, (*Server).events, append(eventParams(), names), nil, lines{Event{}}},
		{"GET", "/v1/logs", read, (*Server).logs, append(logParams(), names), nil, lines{LogLine{}}},
		{"GET", "/v1/plan", read, (*Server).plan, planParams(), nil, Plan{}},
		{"GET", "/v1/version", read, (*Server).version, nil, nil, Version{}},
		{"GET", "/v1/openapi.json", read, (*Server).openAPI, nil, nil, map[string]any{}},

		{"POST", "/v1/actions/start", change, (*Server).start, nil, ActionRequest{}, ActionAnswer{}},
		{"POST", "/v1/actions/stop", change, (*Server).stop, nil, ActionRequest{}, ActionAnswer{}},
		{"POST", "/v1/actions/restart", change, (*Server).restart, nil, ActionRequest{}, ActionAnswer{}},
		{"POST", "/v1/actions/signal", change, (*Server).signal, nil, ActionRequest{}, ActionAnswer{}},
		{"POST", "/v1/actions/reload", change, (*Server).reloadProcess, nil, ActionRequest{}, ActionAnswer{}},
		{"POST", "/v1/actions/freeze", change, (*Server).freeze, nil, ActionRequest{}, ActionAnswer{}},
		{"POST", "/v1/actions/thaw", change, (*Server).thaw, nil, ActionRequest{}, ActionAnswer{}},
		{"POST", "/v1/actions/fail_health", change, (*Server).failHealth, nil, ActionRequest{}, ActionAnswer{}},
		{"POST", "/v1/breakers/trip", change, (*Server).tripBreaker, nil, BreakerRequest{}, Breaker{}},
		{"POST", "/v1/breakers/reset", change, (*Server).resetBreaker, nil, BreakerRequest{}, Breaker{}},
		{"POST", "/v1/guard", change, (*Server).guard, nil, BreakerRequest{}, nil},
		{"POST", "/v1/guard/result", change, (*Server).guardResult, nil, GuardResult{}, nil},
		{"POST", "/v1/reload", change, (*Server).reload, nil, ReloadRequest{}, Plan{}},
		{"POST", "/v1/upgrade", change, (*Server).upgrade, nil, UpgradeRequest{}, Upgrade{}},
		{"POST", "/v1/scale", change, (*Server).scale, nil, ScaleRequest{}, Plan{}},
		{"POST", "/v1/exec", change, (*Server).exec, nil, ExecRequest{}, upgraded{ExecResult{}}},
		{"POST", "/v1/shutdown", change, (*Server).shutdown, nil, ShutdownRequest{}, nil},
	}
}

func treeParams() []param {
	return []param{
		{"after", false, "What the header " + treeVersion + " of an earlier answer has told: wait until the tree has another version."},
		{"timeout", false, "How long to wait for that, as 2s, before the answer is what there is; a day at most."},
	}
}

func waitParams() []param {
	return []param{
		{"for", false, "The state to wait for: a state of a process, ready, healthy, degraded or unhealthy."},
		{"timeout", false, "How long to wait, as 30s; a day at most."},
	}
}

func eventParams() []param {
	return []param{
		{"since", false, "How far back, as 10m, or after which event, as 1234."},
		{"n", false, "At most so many of the past."},
		{"follow", false, "true: go on with what happens."},
	}
}

func logParams() []param {
	return []param{
		{"since", false, "How far back, as 10m, or from when on, as RFC 3339 has it."},
		{"until", false, "Up to when, as since."},
		{"n", false, "At most so many lines of each process."},
		{"stream", false, "stdout or stderr."},
		{"grep", false, "A regular expression that lines must match."},
		{"follow", false, "true: go on with what comes."},
		{"format", false, "text, for bare lines (the default), or json, for objects."},
		{"prefix", false, "Whether bare lines have the name before them: auto (where there are several processes), always or never."},
	}
}

func planParams() []param {
	return []param{{"file", false, "The absolute path of a file to plan with, instead of the daemon's own."}}
}

// LogLine is a line of output, or a piece of a long one.
type LogLine struct {
	Time    *string `json:"time"` // RFC 3339; null if it is not known
	Process string  `json:"process"`
	Stream  string  `json:"stream"`            // stdout, stderr, gosup (a remark of gosup's own), or "" if it is not known
	Partial bool    `json:"partial,omitempty"` // the line goes on in the next object of this process
	Line    string  `json:"line"`              // what is no UTF-8 is replaced
	Bytes   string  `json:"bytes,omitempty"`   // the whole line as base64, where something was replaced
}
