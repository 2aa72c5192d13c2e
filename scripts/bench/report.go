//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is one line of the result: a quantity, measured for each tool.
type row struct {
	name   string
	unit   string
	q      float64 // the quantile of the samples that is reported; 0 means 0.5
	target target  // what gosup is to reach
}

// target is a bound on gosup's result; the zero value is none.
type target struct {
	times   float64 // at most so many times the floor's
	share   float64 // at least so many times the floor's
	most    float64 // at most, in the row's unit
	nothing bool    // 0, in the row's unit
}

// met reports whether a value, beside the floor's, meets the target; known is
// false where there is none, or no floor to compare with.
func (t target) met(value, floor float64) (ok, known bool) {
	switch {
	case t.nothing:
		return value == 0, true
	case t.most > 0:
		return value <= t.most, true
	case math.IsNaN(floor):
		return false, false
	case t.times > 0:
		return value <= t.times*floor, true
	case t.share > 0:
		return value >= t.share*floor, true
	}
	return false, false
}

func (t target) String() string {
	switch {
	case t.nothing:
		return "0"
	case t.most > 0:
		return "≤ " + number(t.most)
	case t.times > 0:
		return fmt.Sprintf("≤ %v × floor", t.times)
	case t.share > 0:
		return fmt.Sprintf("≥ %v × floor", t.share)
	}
	return ""
}

// report collects what was measured. Rows and tools keep the order in which
// they were made known.
type report struct {
	Date     string            `json:"date"`
	Machine  string            `json:"machine"`
	Quick    bool              `json:"quick"`
	Versions map[string]string `json:"versions"`
	Failures []failure         `json:"failures"`

	tools   []string
	rows    []row
	samples map[row]map[string][]float64
}

// failure is a measurement that could not be made, or that counted something
// else than it should have.
type failure struct {
	Case  string `json:"case"`
	Tool  string `json:"tool"`
	Error string `json:"error"`
}

func newReport(tools []string, date time.Time) *report {
	return &report{
		Date:     date.Format(time.DateOnly),
		Versions: map[string]string{},
		tools:    tools,
		samples:  map[row]map[string][]float64{},
	}
}

// add records a sample.
func (r *report) add(of row, tool string, value float64) {
	if r.samples[of] == nil {
		r.rows = append(r.rows, of)
		r.samples[of] = map[string][]float64{}
	}
	r.samples[of][tool] = append(r.samples[of][tool], value)
}

// value is a tool's result in a row; NaN without one.
func (r *report) value(of row, tool string) float64 {
	return quantile(r.samples[of][tool], cmp.Or(of.q, 0.5))
}

// floor is the result that the others are compared with: that of the C
// program, or of the Go one where there is no C compiler.
func (r *report) floor(of row) float64 {
	for _, name := range []string{"floor", "floor-go"} {
		if v := r.value(of, name); !math.IsNaN(v) {
			return v
		}
	}
	return math.NaN()
}

// quantile returns the q-quantile by the nearest rank, which for q = 0.5 and
// an even number of samples is the mean of the middle two; NaN for no samples.
func quantile(samples []float64, q float64) float64 {
	n := len(samples)
	if n == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(samples))
	if q == 0.5 && n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	rank := int(math.Ceil(q * float64(n)))
	return sorted[min(max(rank, 1), n)-1]
}

// number writes a value with three significant digits, and with all digits of
// its whole part.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return ""
	case math.Abs(v) >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// markdown writes the table: a line for each row, a column for each tool that
// has a result, gosup's ratio to the floor, and its target.
func (r *report) markdown(w io.Writer) {
	tools := slices.DeleteFunc(slices.Clone(r.tools), func(tool string) bool {
		return !slices.ContainsFunc(r.rows, func(of row) bool { return len(r.samples[of][tool]) > 0 })
	})
	fmt.Fprintf(w, "Measured on %s on %s.", r.Date, r.Machine)
	if r.Quick {
		fmt.Fprint(w, " A quick run: it shows that the program works, not how fast anything is.")
	}
	fmt.Fprintf(w, "\n\n| what | unit |")
	for _, tool := range tools {
		fmt.Fprintf(w, " %s |", tool)
	}
	fmt.Fprintf(w, " gosup/floor | target | met |\n|---|---|%s---|---|---|\n", strings.Repeat("---|", len(tools)))
	for _, of := range r.rows {
		fmt.Fprintf(w, "| %s | %s |", of.name, of.unit)
		for _, tool := range tools {
			fmt.Fprintf(w, " %s |", number(r.value(of, tool)))
		}
		ratio, verdict := r.verdict(of)
		fmt.Fprintf(w, " %s | %s | %s |\n", ratio, of.target, verdict)
	}
	r.footnotes(w, tools)
}

// verdict is gosup's ratio to the floor, and whether it meets the target.
func (r *report) verdict(of row) (ratio, verdict string) {
	value, floor := r.value(of, "gosup"), r.floor(of)
	if math.IsNaN(value) {
		return "", ""
	}
	if floor > 0 {
		ratio = number(value / floor)
	}
	if ok, known := of.target.met(value, floor); known && ok {
		verdict = "yes"
	} else if known {
		verdict = "**no**"
	}
	return ratio, verdict
}

func (r *report) footnotes(w io.Writer, tools []string) {
	fmt.Fprintln(w)
	for _, tool := range tools {
		if v := r.Versions[tool]; v != "" {
			fmt.Fprintf(w, "- %s: %s\n", tool, v)
		}
	}
	for _, f := range r.Failures {
		fmt.Fprintf(w, "- not measured: %s, %s: %s\n", f.Tool, f.Case, f.Error)
	}
}

// The marks between which a document has the table.
const (
	docBegin = "<!-- bench: written by make bench -->\n"
	docEnd   = "<!-- bench: end -->\n"
)

// insert puts the table into a document, between its marks.
func (r *report) insert(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), docBegin)
	_, after, ended := strings.Cut(rest, docEnd)
	if !ok || !ended {
		return fmt.Errorf("%s has no marks %q and %q", path, strings.TrimSpace(docBegin), strings.TrimSpace(docEnd))
	}
	var b strings.Builder
	b.WriteString(before + docBegin + "\n")
	r.markdown(&b)
	b.WriteString("\n" + docEnd + after)
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// json writes all that is known, samples too.
func (r *report) json(w io.Writer) error {
	type result struct {
		Value   float64   `json:"value"`
		Ratio   *float64  `json:"ratio"` // to the floor; null without one
		Samples []float64 `json:"samples"`
	}
	type line struct {
		Name     string            `json:"name"`
		Unit     string            `json:"unit"`
		Quantile float64           `json:"quantile"`
		Target   string            `json:"target,omitempty"`
		Tools    map[string]result `json:"tools"`
	}
	whole := struct {
		*report
		Rows []line `json:"rows"`
	}{report: r}
	for _, of := range r.rows {
		l := line{of.name, of.unit, cmp.Or(of.q, 0.5), of.target.String(), map[string]result{}}
		floor := r.floor(of)
		for tool, samples := range r.samples[of] {
			v := result{Value: r.value(of, tool), Samples: samples}
			if floor > 0 {
				ratio := v.Value / floor
				v.Ratio = &ratio
			}
			l.Tools[tool] = v
		}
		whole.Rows = append(whole.Rows, l)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(whole)
}
