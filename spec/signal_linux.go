package spec

// The numbers of the signals that stop and continue a process, see signal(7).
const (
	SIGSTOP = 19
	SIGCONT = 18
)
