package spec

import (
	"slices"
	"time"

	"gosup/policy"
)

// Probe is how something is asked whether it is well. At most one field is
// set; the zero value asks nothing.
type Probe struct {
	HTTP *HTTPProbe
	Exec *ExecProbe
	TCP  *TCPProbe
}

// HTTPProbe asks by one HTTP request.
type HTTPProbe struct {
	URL            string        // http://…, https://… or unix:///path/of/socket:/path/of/url
	Method         string        // an HTTP token in upper case, such as GET
	Headers        []Header      // sent in this order; Host sets the request's host
	Status         policy.Ranges // what a healthy answer has; at least one
	DegradedStatus policy.Ranges // what a degraded answer has; looked at before Status
	Body           string        // source of a regexp that a healthy answer's body matches; "" for none
	TLSSkipVerify  bool          // any certificate will do
}

// Header is one header of a request.
type Header struct {
	Name  string
	Value string // may be a secret
}

// ExecProbe asks by running a command, as the process's user, in its
// directory and environment.
type ExecProbe struct {
	Argv          []string
	DegradedCodes []int // exit codes that mean degraded; 0 is healthy, all others unhealthy
}

// TCPProbe asks by opening a connection.
type TCPProbe struct {
	Address string // host:port
}

// Heartbeat is a check that the process itself feeds, by WATCHDOG=1 on
// $NOTIFY_SOCKET.
type Heartbeat struct {
	Timeout   time.Duration // a longer silence is unhealthy at once
	ErrorRate float64       // 0…1: a share of failed requests strictly above it is degraded
}

// Check is one health check of a process. Either Probe or Heartbeat is set.
type Check struct {
	Name            string // "" where the file has one check and no name for it
	Probe           Probe
	Heartbeat       *Heartbeat
	Interval        time.Duration    // from one probe to the next; above 0, and 0 for a heartbeat
	Timeout         time.Duration    // of one probe; at most Interval
	Threshold       policy.Threshold // unhealthy_threshold and healthy_threshold
	StartPeriod     time.Duration    // failures before it has passed, or the first success, do not count
	DegradedLatency time.Duration    // a slower answer is degraded; 0 for no limit
	OnUnhealthy     OnUnhealthy
}

// UnhealthyAction is what is done about an unhealthy process.
type UnhealthyAction uint8

// The actions.
const (
	UnhealthyRestart UnhealthyAction = iota
	UnhealthyNone
	UnhealthySignal
)

// String returns the name that configuration files use.
func (a UnhealthyAction) String() string { return [...]string{"restart", "none", "signal"}[a] }

// OnUnhealthy is what follows when a process becomes unhealthy.
type OnUnhealthy struct {
	Action UnhealthyAction
	Signal int // a signal number of this platform; with UnhealthySignal only
}

// Readiness is what lets a starting process count as running. Exactly one of
// Notify, Probe, Log, FD and Delay is set.
type Readiness struct {
	Notify  bool // READY=1 on $NOTIFY_SOCKET
	Probe   Probe
	Log     string        // source of a regexp that a line of output must match; "" for none
	FD      int           // descriptor on which the process writes a newline, as for s6; 0 for none
	Delay   time.Duration // simply this time after the start; 0 for none
	Timeout time.Duration // what is not ready by then has failed to start; 0 with Delay
}

// Condition is what a dependency must have reached before a dependent starts.
type Condition uint8

// The conditions.
const (
	Ready     Condition = iota // running, past its readiness
	Started                    // spawned
	Healthy                    // running, and its last health result healthy or degraded
	Completed                  // a oneshot that ended with success
)

var conditionNames = []string{"ready", "started", "healthy", "completed"}

// String returns the name that configuration files use.
func (c Condition) String() string { return conditionNames[c] }

// ConditionNames returns the names that configuration files use, in the order
// of the constants.
func ConditionNames() []string { return slices.Clone(conditionNames) }

// DependsOn is one process that another waits for.
type DependsOn struct {
	Name      string // full name of a process; every instance has its own entry
	Condition Condition
	Restart   bool // restart the dependent when this one is restarted
}

// Dependency is something outside the supervisor that processes require,
// behind a circuit breaker.
type Dependency struct {
	Name       string
	Probe      Probe         // none set: only guarded commands feed the breaker
	Interval   time.Duration // from one probe to the next
	Timeout    time.Duration // of one probe
	Breaker    policy.BreakerLimit
	StopOnOpen bool // running processes that require it stop when the breaker opens
}
