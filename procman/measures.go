package procman

import (
	"bufio"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// measures are counters and histograms by their full names, family{labels}.
// They may be used on any goroutine.
type measures struct {
	mu         sync.Mutex
	counters   map[string]uint64
	histograms map[string]*histogram
}

// histogram counts values by their size, as Prometheus does. It has a lock of
// its own: the loop adds to one, and never waits for who writes all of them.
type histogram struct {
	bounds []float64 // upper, ascending

	mu     sync.Mutex
	counts []uint64 // of values up to each bound and above the one before; the last of what is above all
	sum    float64
}

func newMeasures() *measures {
	return &measures{counters: map[string]uint64{}, histograms: map[string]*histogram{}}
}

// count adds one to a counter.
func (m *measures) count(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counters[name]++
}

// histogram returns the histogram of a name, which it makes with these bounds
// if there is none.
func (m *measures) histogram(name string, bounds []float64) *histogram {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.histograms[name]
	if h == nil {
		h = &histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
		m.histograms[name] = h
	}
	return h
}

// observe adds a value.
func (h *histogram) observe(value float64) {
	i, _ := slices.BinarySearch(h.bounds, value)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[i]++
	h.sum += value
}

// forget removes what has a name of which that is said.
func (m *measures) forget(is func(name string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.counters, func(name string, _ uint64) bool { return is(name) })
	maps.DeleteFunc(m.histograms, func(name string, _ *histogram) bool { return is(name) })
}

// write writes all samples in the text format of Prometheus, each family in one
// piece. An error of the writer is the writer's matter.
func (m *measures) write(to io.Writer) {
	w := bufio.NewWriter(to)
	defer w.Flush()
	m.mu.Lock()
	counters, histograms := maps.Clone(m.counters), maps.Clone(m.histograms)
	m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		w.WriteString(name + " " + strconv.FormatUint(counters[name], 10) + "\n")
	}
	for _, name := range slices.Sorted(maps.Keys(histograms)) {
		histograms[name].write(w, name)
	}
}

func (h *histogram) write(w *bufio.Writer, name string) {
	family, labels, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
	first, all := "", ""
	if labels != "" {
		first, all = labels+",", "{"+labels+"}"
	}
	h.mu.Lock()
	counts, sum := slices.Clone(h.counts), h.sum
	h.mu.Unlock()
	total := uint64(0)
	for i, n := range counts {
		total += n
		bound := "+Inf"
		if i < len(h.bounds) {
			bound = number(h.bounds[i])
		}
		w.WriteString(family + "_bucket{" + first + `le="` + bound + `"} ` + strconv.FormatUint(total, 10) + "\n")
	}
	w.WriteString(family + "_sum" + all + " " + number(sum) + "\n")
	w.WriteString(family + "_count" + all + " " + strconv.FormatUint(total, 10) + "\n")
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
