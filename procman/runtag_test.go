package procman

import "testing"

func TestRunTag(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value string
		want  runTag
		ok    bool
	}{
		{"ab12/web/7", runTag{"ab12", "web", 7, ""}, true},
		{"ab12/api/web@2/7", runTag{"ab12", "api/web@2", 7, ""}, true},
		{"ab12/web/7/pre_start", runTag{"ab12", "web", 7, "pre_start"}, true},
		{"ab12/web/7/check0/probe12", runTag{"ab12", "web", 7, "check0/probe12"}, true},
		{"ab12/web/7/exec3", runTag{"ab12", "web", 7, "exec3"}, true},
		{"ab12/api/web/exec3", runTag{"ab12", "api/web", 0, "exec3"}, true}, // it has never run
		{"ab12/pg/probe3", runTag{"ab12", "pg", 0, "probe3"}, true},         // a dependency
		{"ab12/exec1/7", runTag{"ab12", "exec1", 7, ""}, true},
		{"ab12/7", runTag{}, false},
		{"ab12/web/0", runTag{}, false},
		{"ab12/web", runTag{}, false},
		{"exec1", runTag{}, false},
		{"", runTag{}, false},
	} {
		got, ok := parseRunTag(test.value)
		if got != test.want || ok != test.ok {
			t.Errorf("%q: got %+v, %v, want %+v, %v", test.value, got, ok, test.want, test.ok)
		}
		if ok && got.String() != test.value {
			t.Errorf("%q comes back as %q", test.value, got)
		}
	}
}
