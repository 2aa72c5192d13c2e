package logs

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"gosup/spec"
)

// BenchmarkEncode encodes chunks of lines as the pump does.
func BenchmarkEncode(b *testing.B) {
	line := strings.Repeat("x", 99) + "\n"
	quoted := `10.1.2.3 - - "GET /index.html?q=a HTTP/1.1" 200 5316 "https://example.org/" "Mozilla/5.0 (X11)" über 12` + "\n"
	for _, c := range []struct {
		name   string
		format spec.Format
		line   string
	}{
		{"text", spec.FormatText, line},
		{"json", spec.FormatJSON, line},
		{"json with quotes", spec.FormatJSON, quoted},
	} {
		b.Run(c.name, func(b *testing.B) {
			chunk := bytes.Repeat([]byte(c.line), chunkBytes/len(c.line))
			s := &stream{name: "stdout", sink: &Sink{name: "web"}}
			out := make([]byte, 0, maxOut)
			b.SetBytes(int64(len(chunk)))
			before := cpuTime()
			for b.Loop() {
				for data := chunk; len(data) > 0; {
					var f framer
					cut, _ := f.frame(out, nil, data, math.MaxInt64, true, s.encoder(c.format, noon))
					data = data[cut.used:]
				}
			}
			lines := float64(b.N) * float64(len(chunk)/len(c.line))
			b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/lines, "cpu-ns/line")
		})
	}
}
