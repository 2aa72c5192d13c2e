package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// compileSchema returns the schema, itself checked against the draft.
func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("gosup.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("gosup.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON returns what a YAML file holds as the values of JSON.
func asJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = asJSON(v[k])
		}
		return v
	case map[any]any:
		out := map[string]any{}
		for k := range v {
			out[fmt.Sprint(k)] = asJSON(v[k])
		}
		return out
	case []any:
		for i := range v {
			v[i] = asJSON(v[i])
		}
		return v
	default:
		return v
	}
}

// TestSchema checks that the schema accepts the good files, and refuses
// nothing that Load accepts.
func TestSchema(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	refusedByBoth := map[string]bool{}
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/good/*/*.yaml", "testdata/bad/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal("no files", err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if yaml.Unmarshal(data, &v) != nil {
				continue
			}
			refused := schema.Validate(asJSON(v))
			tree, problems := Load(file, testOptions())
			if refused != nil && tree != nil {
				t.Errorf("the schema refuses what is right: %v", refused)
			}
			if strings.Contains(file, "/good/") && tree == nil {
				t.Errorf("refused: %v", problems)
			}
			refusedByBoth[filepath.Base(file)] = refused != nil && tree == nil
		}
	}
	for _, file := range []string{"keys.yaml", "restart.yaml", "stop.yaml", "logs.yaml", "types.yaml", "top_list.yaml",
		"health.yaml", "readiness.yaml", "depends.yaml", "dependencies.yaml",
		"hooks.yaml", "instances.yaml", "rights.yaml"} {
		if !refusedByBoth[file] {
			t.Errorf("the schema accepts %s", file)
		}
	}
}

// TestSchemaUnknownKeys adds an unknown key to each mapping.
func TestSchemaUnknownKeys(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for _, text := range []string{
		"processes: {a: {command: a}}\n%s",
		"supervisor: {%s}",
		"defaults: {%s}",
		"processes: {a: {command: a, %s}}",
		"processes: {a: {command: a, restart: {%s}}}",
		"processes: {a: {command: a, restart: {on_exit: {3: {%s}}}}}",
		"processes: {a: {command: a, stop: {%s}}}",
		"processes: {a: {command: a, stop: {signals: [{signal: INT, %s}]}}}",
		"processes: {a: {command: a, logs: {%s}}}",
		"processes: {a: {command: a, health: {%s}}}",
		"processes: {a: {command: a, health: {http: {%s}}}}",
		"processes: {a: {command: a, health: {exec: {%s}}}}",
		"processes: {a: {command: a, health: {tcp: {%s}}}}",
		"processes: {a: {command: a, health: {heartbeat: {%s}}}}",
		"processes: {a: {command: a, health: {on_unhealthy: {%s}}}}",
		"processes: {a: {command: a, health: {checks: {a: {%s}}}}}",
		"processes: {a: {command: a, readiness: {%s}}}",
		"processes: {a: {command: a, depends_on: {b: {%s}}}}",
		"processes: {a: {command: a, hooks: {%s}}}",
		"processes: {a: {command: a, hooks: {pre_start: {%s}}}}",
		"processes: {a: {command: a, reload: {%s}}}",
		"processes: {a: {command: a, capabilities: {%s}}}",
		"processes: {a: {command: a, limits: {%s}}}",
		"dependencies: {a: {%s}}",
		"dependencies: {a: {breaker: {%s}}}",
		"groups: {a: {%s}}",
		"groups: {a: {restart: {%s}}}",
	} {
		var right, wrong any
		if err := yaml.Unmarshal(fmt.Appendf(nil, text, ""), &right); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(fmt.Appendf(nil, text, "nonsense: 1"), &wrong); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(asJSON(right)); err != nil {
			t.Errorf("refused %q: %v", text, err)
		}
		if schema.Validate(asJSON(wrong)) == nil {
			t.Errorf("accepted %q with an unknown key", text)
		}
	}
}

// TestReference checks that every key is in the reference, with its meaning.
func TestReference(t *testing.T) {
	t.Parallel()
	text := Reference()
	for _, s := range newTables().sections() {
		if !strings.Contains(text, "\n## "+s.name+"\n\n"+s.doc) {
			t.Errorf("no section %s", s.name)
		}
		seen := map[string]bool{}
		for _, f := range s.fields {
			if seen[f.name] || f.doc == "" || f.kind.text == "" || f.kind.schema == nil {
				t.Errorf("%s: the row of %s", s.name, f.name)
			}
			seen[f.name] = true
			if !strings.Contains(text, "| `"+f.name+"` | ") {
				t.Errorf("%s: no key %s", s.name, f.name)
			}
			if f.kind.ref != "" && len(newTables().fields(f.kind.ref)) == 0 {
				t.Errorf("%s: %s refers to no table", s.name, f.name)
			}
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| ") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 5 {
			t.Errorf("a row is broken: %s", line)
		}
	}
}
