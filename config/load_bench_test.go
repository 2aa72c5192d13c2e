package config

import (
	"bytes"
	"fmt"
	"testing"
)

func BenchmarkParse1000(b *testing.B) {
	var text bytes.Buffer
	text.WriteString("processes:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  worker-%d:\n    command: [sleep, infinity]\n    restart: {max_restarts: 3}\n", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if tree, problems := Parse("gosup.yaml", text.Bytes(), testOptions()); tree == nil {
			b.Fatal(problems)
		}
	}
}
