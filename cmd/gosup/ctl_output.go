package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"
)

// format is the value of -o.
type format string

// The formats.
const (
	formatTable format = "table"
	formatWide  format = "wide"
	formatJSON  format = "json"
	formatYAML  format = "yaml"
	formatName  format = "name"
)

func formats() []string {
	return []string{string(formatTable), string(formatWide), string(formatJSON), string(formatYAML), string(formatName)}
}

// String, Set and Type make format a pflag.Value.
func (f *format) String() string { return string(*f) }

func (f *format) Set(text string) error {
	if !slices.Contains(formats(), text) {
		return fmt.Errorf("use one of %s", strings.Join(formats(), ", "))
	}
	*f = format(text)
	return nil
}

func (f *format) Type() string { return "format" }

// addFormat gives cmd the flag -o.
func addFormat(cmd *cobra.Command) *format {
	f := formatTable
	cmd.Flags().VarP(&f, "output", "o", "how to print: "+strings.Join(formats(), ", "))
	completeFlag(cmd, "output", oneOf(formats()...))
	return &f
}

// data prints an answer of the daemon as JSON or YAML, and reports whether
// that is what f asks for.
func (s *screen) data(f format, answer []byte) (bool, error) {
	switch f {
	case formatJSON:
		answer = bytes.TrimRight(answer, "\n")
		if !s.terminal {
			s.out.Write(answer)
			s.out.WriteByte('\n')
			return true, nil
		}
		var b bytes.Buffer
		if err := json.Indent(&b, answer, "", "  "); err != nil {
			return true, fmt.Errorf("print JSON: %w", err)
		}
		s.out.WriteString(s.safe(b.String()) + "\n")
		return true, nil
	case formatYAML:
		b, err := toYAML(answer)
		if err != nil {
			return true, fmt.Errorf("print YAML: %w", err)
		}
		s.out.WriteString(s.safe(string(b)))
		return true, nil
	}
	return false, nil
}

// toYAML rewrites JSON as YAML, which it nearly is: only the style changes, so
// that keys keep their order and numbers their digits.
func toYAML(answer []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(answer, &doc); err != nil {
		return nil, err
	}
	plain(&doc)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// plain takes the style of JSON away. Empty lists and maps keep theirs, since
// YAML has no other.
func plain(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode || len(n.Content) > 0 {
		n.Style = 0
	}
	for _, c := range n.Content {
		plain(c)
	}
}

// print runs f on standard output and reports its error, or that of writing.
func print(f func(s *screen) error) error {
	s := newScreen(os.Stdout)
	err := f(s)
	if flushErr := s.out.Flush(); flushErr != nil && err == nil {
		err = fmt.Errorf("write the output: %w", flushErr)
	}
	return err
}
