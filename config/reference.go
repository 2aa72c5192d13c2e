package config

import (
	"fmt"
	"strings"
)

// Reference returns the reference of the configuration file in Markdown:
// every mapping with each of its keys, their types, defaults and meaning.
func Reference() string {
	var b strings.Builder
	b.WriteString("# Configuration reference\n\n")
	b.WriteString("Generated from the tables that gosup reads configuration files by.\n\n")
	b.WriteString(referenceIntro)
	for _, s := range newTables().sections() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", s.name, s.doc)
		b.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
		for _, f := range s.fields {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, cell(f.typeText()), cell(f.defaultText()), cell(f.doc))
		}
	}
	return b.String()
}

const referenceIntro = "Durations are written as in Go, with days besides: `500ms`, `1m30s`, `1d12h`. Sizes are `64KiB`, `10MB` or a\n" +
	"number of bytes. Signals are `SIGTERM`, `TERM` or `15`. Paths are relative to the folder of the file that they\n" +
	"stand in. `${VAR}`, `${VAR:-default}` and `${VAR:?message}` are expanded from gosup's environment in string values,\n" +
	"a variable that is not set and has no default is an error, and `$$` is a literal `$`; `$NAME` and `$(…)` stay as they\n" +
	"are. In files of `env_files` nothing is expanded. An empty value is an empty mapping where a mapping is due.\n"

func (f field) typeText() string {
	if f.kind.ref == "" {
		return f.kind.text
	}
	return fmt.Sprintf("[%s](#%s)", f.kind.text, f.kind.ref)
}

func (f field) defaultText() string {
	switch {
	case f.def == "":
		return ""
	case f.kind.literal || strings.ContainsAny(f.def, "[{.<") && !strings.Contains(f.def, " "):
		return "`" + f.def + "`"
	}
	return f.def
}

// cell escapes what ends a cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
