package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDotenv(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string
		problems   []string // LINE: what
	}{
		{name: "empty"},
		{name: "plain", text: "A=b", want: []string{"A=b"}},
		{name: "blank and comment", text: "\n  # no\n\t\nA=b\n", want: []string{"A=b"}},
		{name: "byte order mark and CRLF", text: "\ufeffA=b\r\nB=\"c\r\nd\"\r\n", want: []string{"A=b", "B=c\r\nd"}},
		{name: "export", text: "export A=b\nexport\tB = c\nexport=d", want: []string{"A=b", "B=c", "export=d"}},
		{name: "spaces", text: "  A  =  b c  \nB=", want: []string{"A=b c", "B="}},
		{name: "comments", text: "A=b # c\nB=b#c\nC='b' # c\nD= # c", want: []string{"A=b", "B=b#c", "C=b", "D="}},
		{name: "nothing is expanded", text: "A=pa$$wo${rd}$X\nB=\"$X ${Y}\"", want: []string{"A=pa$$wo${rd}$X", "B=$X ${Y}"}},
		{name: "escapes", text: `A="a\n\t\"\\\$\d"` + "\nB='a\\n'", want: []string{"A=a\n\t\"\\$\\d", "B=a\\n"}},
		{name: "lines", text: "KEY=\"-----BEGIN\nabc\n-----END\"\nB='x\ny'\nC=d", want: []string{"KEY=-----BEGIN\nabc\n-----END", "B=x\ny", "C=d"}},
		{name: "quotes inside", text: "A=it's \"so\"", want: []string{`A=it's "so"`}},
		{name: "twice", text: "A=1\nB=2\nA=3", want: []string{"A=3", "B=2"}},
		{name: "equals", text: "A=b=c", want: []string{"A=b=c"}},
		{name: "dots", text: "a.b-c=1", want: []string{"a.b-c=1"}},
		{
			name: "wrong lines", text: "A\nB C=1\n=x\n9=x\nD=1\nE=\"x\nF='y' z\n\"\nG=\"",
			want:     []string{"D=1", "E=x\nF='y' z\n"},
			problems: []string{"1: is not", "2: is not", "3: is not", "4: is not", "9: has a quote"},
		},
		{name: "after a quote", text: "A='b'c\nB=1", want: []string{"B=1"}, problems: []string{"1: goes on"}},
		{name: "NUL", text: "A=b\x00\n", problems: []string{"1: holds a NUL"}},
		{name: "quote at the end", text: `A="b\"`, problems: []string{"1: has a quote"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReader(Options{})
			p := dotenvParser{r: r, src: &source{name: ".env"}, rest: []byte(tt.text), line: 1}
			p.parse()
			var got, problems []string
			for _, v := range p.vars {
				got = append(got, v.entry)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("variables (-want +got):\n%s", d)
			}
			for i, p := range r.problems() {
				problems = append(problems, p.String())
				if i >= len(tt.problems) || !strings.HasPrefix(p.String(), ".env:"+strings.Replace(tt.problems[i], ": ", ":1: ", 1)) {
					t.Errorf("problem %s", p)
				}
			}
			if len(problems) != len(tt.problems) {
				t.Errorf("problems %q, want %q", problems, tt.problems)
			}
		})
	}
}
