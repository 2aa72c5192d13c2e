package control

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// samples are lists of processes with all that their fields can hold.
func samples() [][]Process {
	at := time.Date(2026, 11, 23, 6, 1, 42, 500_000_000, time.UTC)
	code, limit, unlimited := 7, 5, -1
	bytes := int64(1<<33 + 1)
	up, within, long := 10.5, 60.0, 1e9+0.001
	full := Process{
		Name: "api/web", Group: "api", State: "running", Health: "degraded", HealthReason: "slow",
		PID: 1234, Ready: true, StartedAt: &at, UptimeSeconds: &up, Restarts: 2, TotalRestarts: 1<<64 - 1,
		MaxRestarts: &limit, WithinSeconds: &within, NextStartAt: &at, Reason: "because", WaitingOn: []string{"db", "cache"},
		LastExit: &Exit{Code: &code, At: at, RunSeconds: long, OOMKilled: true, CoreDumped: true, Cause: "exited"},
		Run:      9, Succeeded: true, Frozen: true, CPUPercent: &up, MemoryBytes: &bytes,
	}
	odd := Process{
		Name: "quote \" backslash \\ newline \n <html> & ünïcode \u2028 \x7f \xff", WaitingOn: []string{},
		MaxRestarts: &unlimited, UptimeSeconds: &long,
		LastExit: &Exit{Signal: "SIGKILL", At: at.Truncate(time.Second), Cause: "signalled"},
	}
	return [][]Process{{}, {{WaitingOn: []string{}}}, {full}, {odd}, {full, odd, full}}
}

// appendProcesses appends a list as json.Marshal would.
func appendProcesses(out []byte, list []Process) []byte {
	out = append(out, '[')
	for i := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = list[i].appendJSON(out)
	}
	return append(out, ']')
}

func TestAppendProcesses(t *testing.T) {
	t.Parallel()
	for _, list := range samples() {
		want, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(appendProcesses(nil, list))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestDecodeProcesses(t *testing.T) {
	t.Parallel()
	for _, list := range samples() {
		text := appendProcesses(nil, list)
		checkDecode(t, text)
		s := scanner{text: string(text)}
		if s.processes(); s.odd {
			t.Errorf("left to encoding/json: %s", text)
		}
		checkDecode(t, text[:len(text)-1])
		checkDecode(t, append(text, ' ', '\n'))
		checkDecode(t, append(text, 'x'))
		checkDecode(t, []byte(strings.ReplaceAll(string(text), ",", " , ")))
		checkDecode(t, []byte(strings.Replace(string(text), `"run":`, `"future":[1,{"a":null}],"run":`, 1)))
	}
}

// checkDecode compares with encoding/json.
func checkDecode(t *testing.T, text []byte) {
	t.Helper()
	var want []Process
	wantErr := json.Unmarshal(text, &want)
	got, err := DecodeProcesses(text)
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("%s: got error %v, want %v", text, err, wantErr)
	}
	if err != nil {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", text, diff)
	}
}

// What the scanner takes for good, encoding/json reads the same, or not at all:
// the scanner lets pass numbers with leading zeros and the like.
func FuzzDecodeProcesses(f *testing.F) {
	for _, list := range samples() {
		f.Add(string(appendProcesses(nil, list)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := scanner{text: text}
		got := s.processes()
		var want []Process
		if s.odd || json.Unmarshal([]byte(text), &want) != nil {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	})
}
