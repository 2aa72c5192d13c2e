package config

import (
	"math"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// scalar is a single value after its variables were expanded.
type scalar struct {
	text string
	// tag is the type that YAML sees in it. It is "" for text with variables,
	// which often has to stand in quotes, and for settings of the command
	// line: whatever fits.
	tag string
}

// is reports whether the scalar may be taken as one of the types.
func (s scalar) is(tags ...string) bool {
	for _, t := range tags {
		if s.tag == t {
			return true
		}
	}
	return s.tag == ""
}

// scalar returns the single value that n is, or records that it is not of
// the form.
func (r *reader) scalar(n node, f form) (scalar, bool) {
	if n.y.Kind != yaml.ScalarNode || n.null() {
		r.wrong(n, f)
		return scalar{}, false
	}
	if r.tagged(n) {
		return scalar{}, false
	}
	text, changed, ok := r.expand(n)
	if !ok {
		return scalar{}, false
	}
	if strings.ContainsRune(text, 0) {
		r.problem(n.at, "holds a NUL byte", "remove it")
		return scalar{}, false
	}
	tag := n.y.ShortTag()
	if changed || n.at.src.literal {
		tag = ""
	}
	return scalar{text: text, tag: tag}, true
}

// text returns any single value as it is written: for words of commands and
// values of variables, where 8080 and true are text like all else.
func (r *reader) text(n node) (string, bool) {
	s, ok := r.scalar(n, form{"a string", `write "" for an empty one`})
	return s.text, ok
}

// str returns a string.
func (r *reader) str(n node, f form) (string, bool) {
	s, ok := r.scalar(n, f)
	if ok && !s.is("!!str", "!!timestamp", "!!merge") {
		r.problem(n.at, "is "+n.describe()+", not "+f.noun, "put it in quotes")
		return "", false
	}
	return s.text, ok
}

func (r *reader) boolean(n node) (value, ok bool) {
	f := form{"true or false", "write one of the two"}
	s, ok := r.scalar(n, f)
	if !ok {
		return false, false
	}
	if s.is("!!bool") {
		switch strings.ToLower(s.text) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	switch strings.ToLower(s.text) {
	case "true", "false":
		f.hint = "write it without quotes"
	case "yes", "on", "1":
		f.hint = "write true"
	case "no", "off", "0":
		f.hint = "write false"
	}
	r.wrong(n, f)
	return false, false
}

func (r *reader) integer(n node, lo, hi int) (int, bool) {
	f := form{"a whole number", "from " + strconv.Itoa(lo) + " to " + strconv.Itoa(hi)}
	s, ok := r.scalar(n, f)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(s.text, 10, 64)
	if !s.is("!!int") || err != nil {
		r.wrong(n, f)
		return 0, false
	}
	if len(s.text) > 1 && s.text[0] == '0' {
		// YAML 1.1 takes it as octal, YAML 1.2 as decimal.
		r.problem(n.at, "is "+n.describe()+", which some read as octal", "write it without the leading 0")
		return 0, false
	}
	if v < int64(lo) || v > int64(hi) {
		r.outside(n, v < int64(lo), f)
		return 0, false
	}
	return int(v), true
}

func (r *reader) float(n node, lo, hi float64) (float64, bool) {
	f := form{"a number", atLeast(lo, hi)}
	s, ok := r.scalar(n, f)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseFloat(s.text, 64)
	if !s.is("!!int", "!!float") || err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		r.wrong(n, f)
		return 0, false
	}
	if v < lo || v > hi {
		r.outside(n, v < lo, f)
		return 0, false
	}
	return v, true
}

// outside records a number that is below or above what the form allows.
func (r *reader) outside(n node, below bool, f form) {
	size := "high"
	if below {
		size = "low"
	}
	r.problem(n.at, "is "+n.describe()+", which is too "+size, f.hint)
}

func atLeast(lo, hi float64) string {
	low := strconv.FormatFloat(lo, 'g', -1, 64)
	if hi == math.MaxFloat64 {
		return "at least " + low
	}
	return "from " + low + " to " + strconv.FormatFloat(hi, 'g', -1, 64)
}

func durationForm() form { return form{"a duration", "such as 500ms, 10s or 1d"} }

// duration returns a duration that is not negative.
func (r *reader) duration(n node) (time.Duration, bool) {
	s, ok := r.scalar(n, durationForm())
	if !ok {
		return 0, false
	}
	d, good := parseDuration(s.text)
	switch {
	case good && d < 0:
		r.problem(n.at, "is "+n.describe()+", which is negative", durationForm().hint)
		return 0, false
	case good:
		return d, true
	}
	if _, err := strconv.ParseFloat(s.text, 64); err == nil && s.tag != "!!str" {
		r.problem(n.at, "is "+n.describe()+", a duration without a unit", "write "+s.text+"s for seconds")
		return 0, false
	}
	r.wrong(n, durationForm())
	return 0, false
}

// parseDuration reads a duration as time.ParseDuration does, with days (d) as
// a further unit, the largest and therefore the first: 1d12h.
func parseDuration(s string) (time.Duration, bool) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		d, err := time.ParseDuration(s)
		return d, err == nil
	}
	// As hours, so that time.ParseDuration checks the number.
	d, err := time.ParseDuration(days + "h")
	if err != nil || strings.ContainsAny(days, "nuµμsmh") || d > math.MaxInt64/24 || d < math.MinInt64/24 {
		return 0, false
	}
	d *= 24
	if rest == "" {
		return d, true
	}
	more, err := time.ParseDuration(rest)
	if err != nil || strings.ContainsAny(rest[:1], "+-") {
		return 0, false
	}
	if d < 0 || days[0] == '-' {
		more = -more
	}
	sum := d + more
	return sum, (sum < d) == (more < 0) || more == 0
}

// short returns a duration without the zero units that String ends in.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func sizeForm() form { return form{"a size", "such as 64KiB, 10MB or a number of bytes"} }

// size returns a number of bytes.
func (r *reader) size(n node) (int64, bool) {
	s, ok := r.scalar(n, sizeForm())
	if !ok {
		return 0, false
	}
	v, good := parseSize(s.text)
	if !good {
		r.wrong(n, sizeForm())
		return 0, false
	}
	return v, true
}

// parseSize reads a size: a number with a unit of powers of 1000 (kB, MB, GB,
// TB) or of 1024 (KiB, MiB, GiB, TiB), or of bytes.
func parseSize(s string) (int64, bool) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	var unit float64
	switch strings.ToLower(s[len(digits):]) {
	case "", "b":
		unit = 1
	case "kb":
		unit = 1e3
	case "mb":
		unit = 1e6
	case "gb":
		unit = 1e9
	case "tb":
		unit = 1e12
	case "kib":
		unit = 1 << 10
	case "mib":
		unit = 1 << 20
	case "gib":
		unit = 1 << 30
	case "tib":
		unit = 1 << 40
	default:
		return 0, false
	}
	digits = strings.TrimRight(digits, " ")
	if digits == "" || strings.Trim(digits, "0123456789.") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || v*unit >= math.MaxInt64 {
		return 0, false
	}
	return int64(v * unit), true
}

// choice returns the index in names of the name that n holds.
func (r *reader) choice(n node, names []string) (int, bool) {
	s, ok := r.scalar(n, form{oneOf(names), "write one of these"})
	if !ok {
		return 0, false
	}
	for i, name := range names {
		if s.text == name {
			return i, true
		}
	}
	hint := "write one of these"
	if near := nearest(s.text, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	r.problem(n.at, "is "+n.describe()+", not "+oneOf(names), hint)
	return 0, false
}

// oneOf lists names as a choice: a, b or c.
func oneOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
