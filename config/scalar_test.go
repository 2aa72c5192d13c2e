package config

import (
	"math"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, tt := range []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"0", 0, true},
		{"10s", 10 * time.Second, true},
		{"1m30s", 90 * time.Second, true},
		{"1d", day, true},
		{"1.5d", 36 * time.Hour, true},
		{"1d12h30m", 36*time.Hour + 30*time.Minute, true},
		{"-1d12h", -36 * time.Hour, true},
		{"106751d", 106751 * day, true},
		{"106752d", 0, false},
		{"106751d23h59m", 0, false},
		{"d", 0, false},
		{"1d1d", 0, false},
		{"1h1d", 0, false},
		{"1d-1h", 0, false},
		{"1d+1h", 0, false},
		{"1d1", 0, false},
		{"1 d", 0, false},
		{"", 0, false},
		{"10", 0, false},
	} {
		got, ok := parseDuration(tt.text)
		if got != tt.want && tt.ok || ok != tt.ok {
			t.Errorf("parseDuration(%q) = %v, %v; want %v, %v", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"0", 0, true},
		{"65536", 65536, true},
		{"64KiB", 64 << 10, true},
		{"64 KiB", 64 << 10, true},
		{"10MB", 10_000_000, true},
		{"10mb", 10_000_000, true},
		{"1.5GiB", 3 << 29, true},
		{"2TB", 2e12, true},
		{"100B", 100, true},
		{"10M", 0, false},
		{"10 bytes", 0, false},
		{"-1", 0, false},
		{"1e3", 0, false},
		{"MB", 0, false},
		{"", 0, false},
		{"1.2.3MB", 0, false},
		{"9999999999TiB", 0, false},
	} {
		got, ok := parseSize(tt.text)
		if got != tt.want || ok != tt.ok {
			t.Errorf("parseSize(%q) = %v, %v; want %v, %v", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", time.Minute: "1m", time.Hour: "1h", 90 * time.Minute: "1h30m", 70 * time.Second: "1m10s",
		10 * time.Second: "10s", time.Hour + time.Second: "1h0m1s", math.MaxInt64: "2562047h47m16.854775807s",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%d) = %s, want %s", d, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"command", "env", "env_files", "max_restarts", "stop"}
	for word, want := range map[string]string{
		"comand": "command", "commnad": "command", "Command": "command", "max-restarts": "max_restarts",
		"env_file": "env_files", "evn": "env", "stpo": "stop", "readiness": "", "x": "", "": "",
	} {
		if got := nearest(word, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
