package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manDir is where `make man` wants the manual. The pages are made by a test, so
// that what makes them is not in the program.
var manDir = flag.String("man", "", "write the manual pages to this `folder`")

// TestManPages: each command has a page that man(1) shows without a warning.
func TestManPages(t *testing.T) {
	t.Parallel()
	dir := *manDir
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	pages := manPages(newRoot())
	if len(pages) < 30 || pages["gosup-ctl-exec.1"] == "" || pages["gosup.1"] == "" {
		t.Errorf("only %d pages", len(pages))
	}
	for name, text := range pages {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		lintMan(t, path)
	}
}

// lintMan has a page looked at by the tools that are there.
func lintMan(t *testing.T, path string) {
	t.Helper()
	for _, argv := range [][]string{
		{"mandoc", "-T", "lint", "-W", "error", path},
		{"man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", path},
	} {
		tool, err := exec.LookPath(argv[0])
		if err != nil {
			continue
		}
		var said bytes.Buffer
		cmd := exec.Command(tool, argv[1:]...)
		cmd.Env = append(os.Environ(), "MANPAGER=cat", "LC_ALL=C.UTF-8", "MANROFFSEQ=")
		cmd.Stderr = &said
		out, err := cmd.Output()
		if argv[0] == "mandoc" {
			said.Write(out)
		} else if len(out) == 0 {
			t.Skipf("man shows no pages here: %s", said.String())
		}
		if err != nil || said.Len() > 0 {
			t.Errorf("%s %s: %v\n%s", argv[0], filepath.Base(path), err, said.String())
		}
	}
}

// manPages returns the manual: a page for each command by its file name.
func manPages(root *cobra.Command) map[string]string {
	pages := map[string]string{}
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		pages[manName(cmd)+".1"] = manPage(cmd)
		for _, sub := range visible(cmd) {
			visit(sub)
		}
	}
	visit(root)
	return pages
}

func visible(cmd *cobra.Command) (subs []*cobra.Command) {
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			subs = append(subs, sub)
		}
	}
	return subs
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage writes the page of a command in the language of man(7).
func manPage(cmd *cobra.Command) string {
	var b strings.Builder
	cmd.InitDefaultHelpFlag()
	fmt.Fprintf(&b, ".TH %s 1 \"\" gosup \"gosup manual\"\n", roff(strings.ToUpper(manName(cmd))))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(manName(cmd)), roff(lowerFirst(cmd.Short)))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(cmd.UseLine()))
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	b.WriteString(".SH DESCRIPTION\n" + roffText(text))
	if cmd.Example != "" {
		b.WriteString(".SH EXAMPLES\n.nf\n" + roff(cmd.Example) + "\n.fi\n")
	}
	manFlags(&b, "OPTIONS", cmd.NonInheritedFlags())
	manFlags(&b, "OPTIONS OF ALL VERBS", cmd.InheritedFlags())
	if subs := visible(cmd); len(subs) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range subs {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(sub.Name()), roff(sub.Short))
		}
	}
	if also := manSeeAlso(cmd); also != "" {
		b.WriteString(".SH SEE ALSO\n" + also + "\n")
	}
	return b.String()
}

func manFlags(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		value, usage := pflag.UnquoteUsage(f)
		if value != "" {
			value = " \\fI" + roff(value) + "\\fR"
		}
		if text := f.DefValue; text != "" && text != "false" && text != "0" && text != "0s" && text != "[]" && !strings.Contains(usage, "Default:") {
			usage += " (default " + text + ")"
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR%s\n%s\n", roff(name), value, roff(usage))
	})
}

func manSeeAlso(cmd *cobra.Command) string {
	var also []string
	if cmd.HasParent() {
		also = append(also, fmt.Sprintf(".BR %s (1)", roff(manName(cmd.Parent()))))
	}
	for _, sub := range visible(cmd) {
		also = append(also, fmt.Sprintf(".BR %s (1)", roff(manName(sub))))
	}
	return strings.Join(also, ",\n")
}

// roffText writes paragraphs. Those whose lines are indented or have columns
// stay as they are.
func roffText(text string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if strings.HasPrefix(paragraph, " ") || strings.Contains(paragraph, "\t") || strings.Contains(paragraph, "\n ") {
			b.WriteString(".nf\n" + roff(paragraph) + "\n.fi\n")
			continue
		}
		b.WriteString(roff(paragraph) + "\n")
	}
	return b.String()
}

// roff escapes a text: backslashes, hyphens that are to stay hyphens, and lines
// that would be requests.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t")
		if strings.HasPrefix(lines[i], ".") {
			lines[i] = `\&` + lines[i]
		}
	}
	return strings.Join(lines, "\n")
}

func lowerFirst(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToLower(s[:1]) + s[1:]
}
