//go:build linux

package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, tt := range []struct {
		name    string
		samples []float64
		q       float64
		want    float64
	}{
		{"one", []float64{7}, 0.5, 7},
		{"odd median", []float64{9, 1, 5}, 0.5, 5},
		{"even median", []float64{4, 1, 3, 2}, 0.5, 2.5},
		{"p99 of one", []float64{7}, 0.99, 7},
		{"p99 of a hundred", hundred, 0.99, 99},
		{"all", hundred, 1, 100},
		{"none of it", hundred, 0, 1},
	} {
		if got := quantile(tt.samples, tt.q); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("no samples: got %v, want NaN", got)
	}
	if hundred[0] != 100 {
		t.Error("the samples were sorted in place")
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		0: "0", 1: "1", 0.99999: "1", 0.04149: "0.0415", 1.256: "1.26", 12.34: "12.3",
		99.96: "100", 123.6: "124", 20000: "20000", 1234567: "1234567",
	} {
		if got := number(v); got != want {
			t.Errorf("number(%v): got %s, want %s", v, got, want)
		}
	}
}

func TestTargetMet(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		target       target
		value, floor float64
		ok, known    bool
	}{
		{"none", target{}, 1, 1, false, false},
		{"times, met", target{times: 1.25}, 1.25, 1, true, true},
		{"times, missed", target{times: 1.25}, 1.26, 1, false, true},
		{"times, no floor", target{times: 1.25}, 1, math.NaN(), false, false},
		{"share, met", target{share: 0.9}, 900, 1000, true, true},
		{"share, missed", target{share: 0.9}, 899, 1000, false, true},
		{"most, met without a floor", target{most: 15}, 15, math.NaN(), true, true},
		{"most, missed", target{most: 15}, 15.1, 1, false, true},
		{"nothing, met", target{nothing: true}, 0, math.NaN(), true, true},
		{"nothing, missed", target{nothing: true}, 0.1, 0, false, true},
	} {
		ok, known := tt.target.met(tt.value, tt.floor)
		if ok != tt.ok || known != tt.known {
			t.Errorf("%s: got %v, %v, want %v, %v", tt.name, ok, known, tt.ok, tt.known)
		}
	}
}

// example is a report with a row of each kind.
func example() *report {
	r := newReport([]string{"floor", "gosup", "idler", "peer"}, time.Date(2026, 11, 2, 3, 4, 5, 0, time.UTC))
	r.Machine = "2 × Abacus, Linux 6.18"
	r.Versions = map[string]string{"peer": "peer 1.2-3"}
	restart := row{name: "restart", unit: "ms", target: target{times: 1.25}}
	for tool, samples := range map[string][]float64{"floor": {3, 1, 2}, "gosup": {2.5, 2.4}, "peer": {1006}} {
		for _, v := range samples {
			r.add(restart, tool, v)
		}
	}
	list := row{name: "list", unit: "ms", target: target{most: 15}}
	r.add(list, "gosup", 16)
	r.Failures = []failure{{"list", "peer", "it crashed"}}
	return r
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	example().markdown(&b)
	want := `Measured on 2026-11-02 on 2 × Abacus, Linux 6.18.

| what | unit | floor | gosup | peer | gosup/floor | target | met |
|---|---|---|---|---|---|---|---|
| restart | ms | 2 | 2.45 | 1006 | 1.23 | ≤ 1.25 × floor | yes |
| list | ms |  | 16 |  |  | ≤ 15 | **no** |

- peer: peer 1.2-3
- not measured: peer, list: it crashed
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestLineNumber(t *testing.T) {
	t.Parallel()
	line := func(number string) string { return number + strings.Repeat("x", lineBytes-13) + "\n" }
	for _, tt := range []struct {
		name, line string
		n          int
		ok         bool
	}{
		{"first", line("000000000000"), 0, true},
		{"later", line("000000012345"), 12345, true},
		{"tail of a cut line", line("000000000001")[40:], 0, false},
		{"head of a cut line", line("000000000001")[:40], 0, false},
		{"cut and glued to the next", line("000000000001")[:40] + line("000000000002")[40:99] + "y", 0, false},
		{"letters in the number", line("00000000000a"), 0, false},
		{"no newline", strings.Repeat("0", lineBytes), 0, false},
		{"foreign byte", strings.Replace(line("000000000001"), "xx", "x-", 1), 0, false},
	} {
		n, ok := lineNumber([]byte(tt.line))
		if n != tt.n || ok != tt.ok {
			t.Errorf("%s: got %d, %v, want %d, %v", tt.name, n, ok, tt.n, tt.ok)
		}
	}
}

func TestParseSizes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text  string
		quick bool
		want  []int
	}{
		{"1,100,1000", false, []int{1, 100, 1000}},
		{"1,100,1000", true, []int{1, 20}},
		{"1,none", false, nil},
		{"0", false, nil},
		{"", false, nil},
	} {
		got, err := parseSizes(tt.text, tt.quick)
		if (err != nil) != (tt.want == nil) || !cmp.Equal(got, tt.want) && err == nil {
			t.Errorf("%q, quick %v: got %v, %v, want %v", tt.text, tt.quick, got, err, tt.want)
		}
	}
}

func TestInsert(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "doc.md")
	r := newReport([]string{"gosup"}, time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC))
	r.add(row{name: "speed", unit: "m/s"}, "gosup", 7)
	if err := os.WriteFile(file, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.insert(file); err == nil {
		t.Error("a document without marks: no error")
	}
	if err := os.WriteFile(file, []byte("before\n"+docBegin+"an old table\n"+docEnd+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what was inserted can be replaced
		if err := r.insert(file); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(got)
	if !strings.HasPrefix(text, "before\n"+docBegin) || !strings.HasSuffix(text, docEnd+"after\n") ||
		strings.Count(text, "| speed |") != 1 || strings.Contains(text, "old") {
		t.Errorf("got %q", text)
	}
}
