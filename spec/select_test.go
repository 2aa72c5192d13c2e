package spec

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestSelect(t *testing.T) {
	t.Parallel()
	names := strings.Fields("db api/web@1 api/web@2 api/in/deep api/in/web jobs/in/run jobs/mail x/x/y")
	for patterns, want := range map[string]string{
		"db":            "db",
		"api":           "api/web@1 api/web@2 api/in/deep api/in/web",
		"api/web":       "api/web@1 api/web@2",
		"api/web@2":     "api/web@2",
		"web@2":         "api/web@2",
		"mail":          "jobs/mail",
		"deep":          "api/in/deep",
		"api/*":         "api/web@1 api/web@2",
		"*/in/*":        "api/in/deep api/in/web jobs/in/run",
		"all":           strings.Join(names, " "),
		"mail db mail":  "db jobs/mail",
		"x":             "x/x/y",
		"jobs/in":       "jobs/in/run",
		"run":           "jobs/in/run",
		"none":          "no process or group \"none\"",
		"z*":            "no process or group \"z*\"",
		"in":            "\"in\" is ambiguous: api/in, jobs/in",
		"web":           "\"web\" is ambiguous: api/web, api/in/web",
		"db none":       "no process or group \"none\"",
		"":              "no process or group \"\"",
		"api/":          "no process or group \"api/\"",
		"../db":         "no process or group \"../db\"",
		"[":             "no process or group \"[\"",
		"api/in/deep/x": "no process or group \"api/in/deep/x\"",
	} {
		var got []string
		chosen, err := Select(names, strings.Split(patterns, " "))
		for _, i := range chosen {
			got = append(got, names[i])
		}
		var unknown *UnknownError
		if errors.As(err, &unknown) {
			got = []string{err.Error()}
		}
		if !slices.Equal(got, strings.Split(want, " ")) && strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", patterns, got, want)
		}
	}
	// The last part of a group's name, where there is one alone.
	chosen, err := Select([]string{"api/in/deep", "api/in/web", "db"}, []string{"in"})
	if err != nil || !slices.Equal(chosen, []int{0, 1}) {
		t.Errorf("got %v, %v", chosen, err)
	}
}
