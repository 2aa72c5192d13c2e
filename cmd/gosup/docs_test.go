package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kballard/go-shellquote"
	"github.com/spf13/cobra"

	"gosup/config"
)

var update = flag.Bool("update", false, "rewrite generated documentation and golden files")

// generated are the pages that are not written by hand.
var generated = map[string]func() string{
	"docs/configuration.md": config.Reference,
	"docs/commands.md":      func() string { return commandReference(newRoot()) },
}

// TestGeneratedDocs: the generated pages say what the code does. -update
// rewrites them.
func TestGeneratedDocs(t *testing.T) {
	t.Parallel()
	for name, generate := range generated {
		path := filepath.Join("../..", name)
		want := generate()
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is stale; go test ./cmd/gosup -run Docs -update rewrites it (-want +got):\n%s", name, diff)
		}
	}
}

// commandReference describes every command, in Markdown.
func commandReference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Commands\n\nGenerated from what `--help` prints. See also [gosup ctl](ctl.md) for names, exit codes and JSON.\n")
	describeCommands(&b, root)
	return b.String()
}

func describeCommands(b *strings.Builder, parent *cobra.Command) {
	for _, cmd := range parent.Commands() {
		if !cmd.IsAvailableCommand() || cmd.Name() == "completion" {
			continue
		}
		text := cmd.Long
		if text == "" {
			text = cmd.Short
		}
		fmt.Fprintf(b, "\n## %s\n\n```\n%s\n\n%s", cmd.CommandPath(), text, cmd.UseLine())
		if flags := cmd.LocalFlags().FlagUsages(); flags != "" {
			b.WriteString("\n\n" + strings.TrimRight(flags, "\n"))
		}
		b.WriteString("\n```\n")
		describeCommands(b, cmd)
	}
}

// page is a page of the documentation.
type page struct {
	name string // from the root of the project
	text string
}

func pages(t *testing.T) []page {
	t.Helper()
	var all []page
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		paths, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page{strings.TrimPrefix(path, "../../"), string(text)})
		}
	}
	if len(all) < 10 {
		t.Fatalf("only %d pages: is this the right folder?", len(all))
	}
	return all
}

// fence is a block of code in a page.
type fence struct {
	at   string // page:line
	text string
}

var fences = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

func (p page) fences(language string) []fence {
	var found []fence
	for _, m := range fences.FindAllStringSubmatchIndex(p.text, -1) {
		if p.text[m[2]:m[3]] == language {
			line := 1 + strings.Count(p.text[:m[0]], "\n")
			found = append(found, fence{fmt.Sprintf("%s:%d", p.name, line), p.text[m[4]:m[5]]})
		}
	}
	return found
}

var wholeFile = regexp.MustCompile(`(?m)^(processes|groups|supervisor):`)

// TestDocsExamples: every example of a configuration is one that gosup takes.
// What is not a whole file are keys of a process.
func TestDocsExamples(t *testing.T) {
	t.Parallel()
	count := 0
	for _, p := range pages(t) {
		for _, f := range p.fences("yaml") {
			count++
			text := f.text
			if !wholeFile.MatchString(text) {
				text = "processes:\n  example:\n    " + strings.ReplaceAll(text, "\n", "\n    ")
				if !strings.Contains(text, "\n    command:") {
					text += "\n    command: [sleep, inf]\n"
				}
			}
			file := filepath.Join(t.TempDir(), "gosup.yaml")
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			_, problems := config.Load(file, config.Options{Env: lookupVariable})
			for _, problem := range problems {
				t.Errorf("%s: %v in\n%s", f.at, problem, text)
			}
		}
	}
	if count < 10 {
		t.Errorf("only %d examples were found", count)
	}
}

// TestDocsCommands: every command line of the documentation is one that there
// is, with flags that it has.
func TestDocsCommands(t *testing.T) {
	t.Parallel()
	count := 0
	for _, p := range pages(t) {
		if generated[p.name] != nil {
			continue
		}
		for _, f := range append(p.fences("console"), p.fences("sh")...) {
			for line := range strings.Lines(f.text) {
				_, words, ok := strings.Cut(" "+strings.TrimPrefix(line, "$ "), " gosup ")
				if !ok || f.text[0] == '$' && line[0] != '$' {
					continue // output, or another command
				}
				count++
				if err := checkCommand(words); err != nil {
					t.Errorf("%s: gosup %s: %v", f.at, strings.TrimSpace(words), err)
				}
			}
		}
	}
	if count < 20 {
		t.Errorf("only %d command lines were found", count)
	}
}

// shellEnds ends a command for a shell, and begins a comment.
var shellEnds = regexp.MustCompile(`\s(#|\||&|;|>|2>|<|&&)(\s.*)?$`)

func checkCommand(line string) error {
	line = shellEnds.ReplaceAllString(strings.TrimSpace(line), "")
	words, err := shellquote.Split(line)
	if err != nil {
		return err
	}
	if i := slices.Index(words, "--"); i >= 0 {
		words = words[:i]
	}
	cmd, rest, err := newRoot().Find(words)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if args := cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 {
		return fmt.Errorf("%s has no command %q", cmd.CommandPath(), args[0])
	}
	return nil
}

var links = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestDocsLinks: links between pages lead to a page and a heading of it.
func TestDocsLinks(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for _, p := range all {
		for _, m := range links.FindAllStringSubmatch(fences.ReplaceAllString(p.text, ""), -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			target := p.name
			if path != "" {
				target = filepath.Join(filepath.Dir(p.name), path)
			}
			if _, err := os.Stat(filepath.Join("../..", target)); err != nil {
				t.Errorf("%s: %s leads nowhere", p.name, m[1])
				continue
			}
			i := slices.IndexFunc(all, func(q page) bool { return q.name == target })
			if anchor != "" && (i < 0 || !slices.Contains(headings(all[i].text), anchor)) {
				t.Errorf("%s: %s names no heading", p.name, m[1])
			}
		}
	}
}

var (
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// headings returns the anchors of a page, as GitHub makes them.
func headings(text string) []string {
	var found []string
	for _, m := range heading.FindAllStringSubmatch(fences.ReplaceAllString(text, ""), -1) {
		found = append(found, strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return found
}

var (
	promisedTest = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+|[a-z0-9_]+\\.txtar)`")
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

// TestDocsPromises: each promise of the manual names tests that there are.
func TestDocsPromises(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch {
		case strings.HasSuffix(path, ".txtar"):
			there[filepath.Base(path)] = true
		case strings.HasSuffix(path, "_test.go"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range testFunction.FindAllStringSubmatch(string(text), -1) {
				there[m[1]] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../docs/promises.md")
	if err != nil {
		t.Fatal(err)
	}
	promises := strings.Split(string(text), "\n## ")[1:]
	if len(promises) != 9 {
		t.Errorf("%d promises, not 9", len(promises))
	}
	for i, p := range promises {
		title, _, _ := strings.Cut(p, "\n")
		if !strings.HasPrefix(title, fmt.Sprintf("%d. ", i+1)) {
			t.Errorf("promise %d is %q", i+1, title)
		}
		named := promisedTest.FindAllStringSubmatch(p, -1)
		if len(named) < 3 {
			t.Errorf("%s: only %d tests", title, len(named))
		}
		for _, m := range named {
			if !there[m[1]] {
				t.Errorf("%s: there is no test %s", title, m[1])
			}
		}
	}
}
