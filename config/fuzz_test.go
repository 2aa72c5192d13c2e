package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse looks for text that ends the program, that is refused without a
// place, or that makes a tree which breaks a promise.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml", "testdata/good/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal("no files", err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		load := func() (*reader, *source) {
			r := newReader(testOptions())
			r.disk = disk{
				read: func(string, bool) ([]byte, error) { return []byte("A=b\nprocesses: {a: {command: a}}\n"), nil },
				glob: func(_, pattern string) ([]string, error) {
					if strings.Contains(pattern, "*") {
						return nil, nil
					}
					return []string{pattern}, nil
				},
			}
			return r, r.source("/srv/gosup.yaml", "/srv/gosup.yaml")
		}
		r, src := load()
		tree, problems := r.tree(src, data)
		if (tree == nil) != problems.Failed() {
			t.Fatalf("tree %v, problems %v", tree, problems)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Col < 1 || p.What == "" || p.Hint == "" || strings.ContainsAny(p.String(), "\n\r\x1b\x00") {
				t.Errorf("problem %#v", p)
			}
		}
		if tree != nil {
			checkTree(t, tree)
		}
		r, src = load()
		if again, _ := r.tree(src, data); !cmp.Equal(tree, again) {
			t.Errorf("a second load differs: %s", cmp.Diff(tree, again))
		}
	})
}

// FuzzDotenv looks for environment files that end the program or leak into
// a message.
func FuzzDotenv(f *testing.F) {
	f.Add([]byte("A=b\nexport B='c\nd'\nE=\"\\n\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newReader(Options{})
		p := dotenvParser{r: r, src: &source{name: ".env"}, rest: data, line: 1}
		p.parse()
		for _, v := range p.vars {
			if name, _, ok := strings.Cut(v.entry, "="); !ok || name != v.name || !dotenvName(name) {
				t.Errorf("entry %q", v.entry)
			}
		}
		for _, p := range r.problems() {
			if p.Line < 1 || p.Line > 1+strings.Count(string(data), "\n") {
				t.Errorf("problem %v", p)
			}
		}
	})
}
