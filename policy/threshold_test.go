package policy

import (
	"testing"
	"time"
)

func TestStreak(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		t       Threshold
		results string // + passed, - failed
		want    string // u up, d down, . neither
	}{
		{"three in a row", Threshold{3, 1}, "--+---", "..u..d"},
		{"stays down", Threshold{2, 1}, "----", ".ddd"},
		{"two to come back", Threshold{1, 2}, "-+-++", "d.d.u"},
		{"one of each", Threshold{1, 1}, "+-+", "udu"},
	}
	for _, tt := range tests {
		var s Streak
		got := ""
		for _, r := range tt.results {
			up, down := s.Add(tt.t, r == '+')
			got += map[[2]bool]string{{true, false}: "u", {false, true}: "d", {}: ".", {true, true}: "!"}[[2]bool{up, down}]
		}
		if got != tt.want {
			t.Errorf("%s: %s gave %s, want %s", tt.name, tt.results, got, tt.want)
		}
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	const s = Time(time.Second)
	l := BreakerLimit{Failures: 3, Recovery: 30 * time.Second, HalfOpenFailures: 2}
	type step struct {
		at    Time
		do    string // ok, bad, trip, reset, look
		state BreakerState
		count int
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"opens at the threshold", []step{
			{0, "bad", Closed, 1}, {1 * s, "bad", Closed, 2}, {2 * s, "bad", Open, 3}, {31 * s, "look", Open, 3}, {32 * s, "look", HalfOpen, 3}}},
		{"a success starts the count anew", []step{
			{0, "bad", Closed, 1}, {1 * s, "bad", Closed, 2}, {2 * s, "ok", Closed, 0}, {3 * s, "bad", Closed, 1}, {4 * s, "bad", Closed, 2}}},
		{"one success in half open closes", []step{
			{0, "trip", Open, 0}, {30 * s, "look", HalfOpen, 0}, {31 * s, "ok", Closed, 0}}},
		{"failed trials open it again, from the last failure", []step{
			{0, "trip", Open, 0}, {30 * s, "bad", HalfOpen, 1}, {40 * s, "bad", Open, 2}, {69 * s, "look", Open, 2}, {70 * s, "look", HalfOpen, 2},
			{71 * s, "bad", HalfOpen, 3}, {72 * s, "bad", Open, 4}, {102 * s, "look", HalfOpen, 4}}},
		{"a late failure while open puts off the trial", []step{
			{0, "trip", Open, 0}, {10 * s, "bad", Open, 1}, {39 * s, "look", Open, 1}, {40 * s, "look", HalfOpen, 1}}},
		{"a late success while open changes nothing", []step{{0, "trip", Open, 0}, {1 * s, "ok", Open, 0}, {30 * s, "look", HalfOpen, 0}}},
		{"reset", []step{{0, "bad", Closed, 1}, {0, "trip", Open, 1}, {1 * s, "reset", Closed, 0}, {2 * s, "bad", Closed, 1}}},
	}
	for _, tt := range tests {
		var b Breaker
		for i, st := range tt.steps {
			switch st.do {
			case "ok", "bad":
				b.Result(st.at, l, st.do == "ok")
			case "trip":
				b.Trip(st.at, l)
			case "reset":
				b.Reset()
			}
			if b.State(st.at) != st.state || b.Failures() != st.count {
				t.Errorf("%s: after step %d %s: %s with %d failures, want %s with %d", tt.name, i, st.do, b.State(st.at), b.Failures(), st.state, st.count)
			}
		}
	}
	var b Breaker
	b.Trip(7, l)
	if got, want := b.RetryAt(), Time(7).Add(l.Recovery); got != want {
		t.Errorf("RetryAt = %d, want %d", got, want)
	}
}
