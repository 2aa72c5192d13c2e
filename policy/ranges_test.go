package policy

import (
	"slices"
	"testing"
)

func TestParseRanges(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want Ranges
		text string
	}{
		{"200-299", Ranges{{200, 299}}, "200-299"},
		{"200,204,300-399", Ranges{{200, 200}, {204, 204}, {300, 399}}, "200,204,300-399"},
		{" 200 , 300 - 399 ", Ranges{{200, 200}, {300, 399}}, "200,300-399"},
		{"100-999", Ranges{{100, 999}}, "100-999"},
		{"204-204", Ranges{{204, 204}}, "204"},
		{"", nil, ""},
		{"  ", nil, ""},
	}
	for _, tt := range tests {
		got, err := ParseRanges(tt.in, 100, 999)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("ParseRanges(%q) = %v, %v, want %v", tt.in, got, err, tt.want)
		}
		if s := got.String(); s != tt.text {
			t.Errorf("%q: String() = %q, want %q", tt.in, s, tt.text)
		}
	}
}

func TestParseRangesRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2xx":                  `"2xx" is neither a number nor a range such as 100-999`,
		"200,":                 `"" is neither a number nor a range such as 100-999`,
		"200--299":             `"200--299" is not within 100-999`,
		"200-":                 `"200-" is neither a number nor a range such as 100-999`,
		"-200":                 `"-200" is neither a number nor a range such as 100-999`,
		"99":                   `"99" is not within 100-999`,
		"900-1000":             `"900-1000" is not within 100-999`,
		"299-200":              `"299-200" ends before it begins`,
		"1e2":                  `"1e2" is neither a number nor a range such as 100-999`,
		"99999999999999999999": `"99999999999999999999" is neither a number nor a range such as 100-999`,
	} {
		got, err := ParseRanges(in, 100, 999)
		if err == nil || err.Error() != want {
			t.Errorf("ParseRanges(%q) = %v, %v, want %s", in, got, err, want)
		}
	}
}

func TestRangesHas(t *testing.T) {
	t.Parallel()
	r := Ranges{{200, 204}, {304, 304}}
	for n, want := range map[int]bool{199: false, 200: true, 202: true, 204: true, 205: false, 303: false, 304: true, 305: false} {
		if got := r.Has(n); got != want {
			t.Errorf("Has(%d) = %v", n, got)
		}
	}
	if (Ranges(nil)).Has(0) {
		t.Error("no ranges hold 0")
	}
}
