package healthcheck

import (
	"fmt"
	"slices"
)

// ExecVerdict says what the end of an exec probe's command means: exit code 0
// is healthy, one of degradedCodes degraded, everything else unhealthy. The
// reason is the command's last line of output, or how it ended where it wrote
// none. The signal is a name such as SIGKILL, "" if none ended it; then
// exitCode does not count. With timedOut neither does: the command was ended
// because its time was over.
//
// A command that could not be started at all did not end: the caller has the
// reason for that.
func ExecVerdict(exitCode int, signal string, timedOut bool, lastLine string, degradedCodes []int) Result {
	verdict, ending := Unhealthy, ""
	switch {
	case timedOut:
		// A last line from before the timeout is rarely its cause.
		ending = "timed out"
		if lastLine != "" {
			ending += ": " + lastLine
		}
		return result(Unhealthy, ending)
	case signal != "":
		ending = "killed by " + signal
	case exitCode == 0:
		verdict = Healthy
	case slices.Contains(degradedCodes, exitCode):
		verdict = Degraded
		ending = fmt.Sprintf("exit code %d", exitCode)
	default:
		ending = fmt.Sprintf("exit code %d", exitCode)
	}
	r := result(verdict, lastLine)
	if r.Reason == "" {
		r.Reason = ending
	}
	return r
}
