package config

import "strings"

// nearest returns the one of names that word is most likely a misspelling of,
// or "".
func nearest(word string, names []string) string {
	if len(word) > 64 {
		return ""
	}
	clean := strings.ToLower(strings.ReplaceAll(word, "-", "_"))
	best, least := "", 1+max(1, len(clean)/3)
	for _, name := range names {
		if max(len(name), len(clean))-min(len(name), len(clean)) >= least {
			continue // each letter more is a mistake
		}
		if d := distance(clean, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance returns how many single-letter mistakes (one left out, one too
// many, one wrong, two swapped) lie between a and b.
func distance(a, b string) int {
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}
