package policy

// When says after which ends a process is restarted. OTP's permanent,
// transient and temporary.
type When uint8

// The restart policies.
const (
	Always    When = iota // after every end
	OnFailure             // after an end that was no success
	Not                   // after none
)

var whenNames = [...]string{"always", "on_failure", "never"}

// String returns the name that configuration files use.
func (w When) String() string { return nameOf(whenNames[:], int(w)) }

// ParseWhen returns the policy of a name from a configuration file.
func ParseWhen(s string) (When, error) {
	i, err := indexOf(whenNames[:], s)
	return When(i), err
}

// Wants reports whether an end, successful or not, calls for a restart.
func (w When) Wants(success bool) bool {
	return w == Always || w == OnFailure && !success
}

// OnExhausted says what a spent budget leads to.
type OnExhausted uint8

// What a spent budget leads to.
const (
	Stop     OnExhausted = iota // failed, and that is all
	Escalate                    // failed, and reported to the parent as a child's failure
	Shutdown                    // the supervisor ends with code 1; for groups
)

var onExhaustedNames = [...]string{"stop", "escalate", "shutdown"}

// String returns the name that configuration files use.
func (o OnExhausted) String() string { return nameOf(onExhaustedNames[:], int(o)) }

// ParseOnExhausted returns what a name from a configuration file means.
func ParseOnExhausted(s string) (OnExhausted, error) {
	i, err := indexOf(onExhaustedNames[:], s)
	return OnExhausted(i), err
}

// Strategy says which siblings share a restart. The names are OTP's.
type Strategy uint8

// The strategies.
const (
	OneForOne Strategy = iota
	OneForAll
	RestForOne
)

var strategyNames = [...]string{"one_for_one", "one_for_all", "rest_for_one"}

// String returns the name that configuration files use.
func (s Strategy) String() string { return nameOf(strategyNames[:], int(s)) }

// ParseStrategy returns the strategy of a name from a configuration file.
func ParseStrategy(name string) (Strategy, error) {
	i, err := indexOf(strategyNames[:], name)
	return Strategy(i), err
}

// Ordered reports whether members start and stop one after the other.
func (s Strategy) Ordered() bool { return s != OneForOne }

// Affected reports which of n siblings, as the half-open range [lo, hi), must
// restart when child i has failed. The strategies are OTP's.
func (s Strategy) Affected(i, n int) (lo, hi int) {
	switch s {
	case OneForAll:
		return 0, n
	case RestForOne:
		return i, n
	default:
		return i, i + 1
	}
}
