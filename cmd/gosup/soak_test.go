package main

import (
	"bufio"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var soakLines = flag.Int("soak.lines", 100_000, "how many lines TestSoak writes")

// TestSoak has numbered lines go through a hundred rotations with compression
// and expects each of them from ctl logs once, whole and in order. With
// -soak.lines=10000000, as `make soak` has it, they are 600 MB.
func TestSoak(t *testing.T) {
	t.Parallel()
	const words = "of many, which say nothing but their number"
	lineBytes := len(fmt.Sprintf("line %012d %s\n", 1, words))
	for _, c := range []struct{ method, suffix string }{{"gzip", ".gz"}, {"zstd", ".zst"}} {
		t.Run(c.method, func(t *testing.T) {
			t.Parallel()
			s := startSupervisor(t, fmt.Sprintf(`
processes:
  writer:
    command: [seq, -f, "line %%012.0f %s", "1", "%d"]
    restart: {policy: never}
    logs: {output: file, max_size: %dB, max_files: 300, compress: %s}
`, words, *soakLines, *soakLines*lineBytes/110, c.method))
			if _, err := s.client.Wait(t.Context(), "exited", time.Hour, "writer"); err != nil {
				t.Fatal(err)
			}
			count := func(suffix string) int {
				files, _ := filepath.Glob(filepath.Join(s.dir, ".gosup/log/writer.log.*"+suffix))
				return len(files)
			}
			// Every rotated file of raw lines has an index. They are compressed when
			// there is nothing better to do: those that are not are read as well.
			if n := count(".idx"); n < 100 {
				t.Errorf("%d files were rotated, want a hundred", n)
			}
			if !eventually(func() bool { return count(c.suffix) >= 10 }) {
				t.Errorf("%d files were compressed, want ten", count(c.suffix))
			}

			cmd := exec.CommandContext(t.Context(), "gosup", "ctl", "logs", "writer")
			cmd.Dir = s.dir
			var complaint strings.Builder
			cmd.Stderr = &complaint
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines, n := bufio.NewScanner(out), 0
			for lines.Scan() {
				n++
				if want := fmt.Sprintf("line %012d %s", n, words); lines.Text() != want {
					t.Fatalf("line %d: got %q, want %q", n, lines.Text(), want)
				}
			}
			if err := cmd.Wait(); err != nil || lines.Err() != nil {
				t.Errorf("gosup ctl logs: %v, %v: %s", err, lines.Err(), complaint.String())
			}
			if n != *soakLines {
				t.Errorf("%d lines came back, want %d", n, *soakLines)
			}
		})
	}
}
