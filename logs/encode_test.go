package logs

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestPlainLen puts each byte at each place of strings that are looked at in
// words of several lengths.
func TestPlainLen(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		special := c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\'
		for n := range 75 {
			b := bytes.Repeat([]byte{'a'}, n)
			if got := plainLen(b); got != n {
				t.Fatalf("%d plain bytes: got %d", n, got)
			}
			for at := range n {
				b[at] = byte(c)
				want := n
				if special {
					want = at
				}
				if got := plainLen(b); got != want {
					t.Errorf("%#x at %d of %d: got %d, want %d", c, at, n, got, want)
				}
				b[at] = 'a'
			}
		}
	}
}

// TestNeighboursOfSpecialBytes: a special byte does not hide that the next one
// is, nor make it one.
func TestNeighboursOfSpecialBytes(t *testing.T) {
	t.Parallel()
	for a := range 256 {
		for b := range 256 {
			body := []byte("begin " + string([]byte{byte(a), byte(b)}) + " and so on to the end of it")
			line := jsonLines(noon, "web", "stdout")(nil, body, true)
			var got struct{ Line string }
			if err := json.Unmarshal(line, &got); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if want := strings.ToValidUTF8(string(body), "\ufffd"); utf8.Valid(body) && got.Line != want {
				t.Errorf("got %q, want %q", got.Line, want)
			}
		}
	}
}
