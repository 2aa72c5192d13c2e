package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// Range is a range of whole numbers, both ends included.
type Range struct {
	First int
	Last  int
}

// Ranges is a set of whole numbers, such as the status codes of a healthy
// answer. The zero value holds none.
type Ranges []Range

// ParseRanges reads what configuration files say: numbers and ranges between
// commas, such as "200-299" or "200,204,300-399", each from lo to hi. What is
// empty holds nothing.
func ParseRanges(s string, lo, hi int) (Ranges, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	var out Ranges
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.Atoi(strings.TrimSpace(from))
		last, err2 := strconv.Atoi(strings.TrimSpace(to))
		switch {
		case err1 != nil || err2 != nil:
			return nil, fmt.Errorf("%q is neither a number nor a range such as %d-%d", part, lo, hi)
		case min(first, last) < lo || max(first, last) > hi:
			return nil, fmt.Errorf("%q is not within %d-%d", part, lo, hi)
		case first > last:
			return nil, fmt.Errorf("%q ends before it begins", part)
		}
		out = append(out, Range{first, last})
	}
	return out, nil
}

// Has reports whether n is in one of the ranges.
func (r Ranges) Has(n int) bool {
	for _, one := range r {
		if one.First <= n && n <= one.Last {
			return true
		}
	}
	return false
}

// String returns the ranges as ParseRanges reads them.
func (r Ranges) String() string {
	var b strings.Builder
	for i, one := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, one.First)
		if one.Last != one.First {
			fmt.Fprint(&b, "-", one.Last)
		}
	}
	return b.String()
}
