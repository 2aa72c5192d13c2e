package spec

// The numbers of the signals that stop and continue a process, see signal(3).
const (
	SIGSTOP = 17
	SIGCONT = 19
)
