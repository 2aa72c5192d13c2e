package config

import (
	"encoding/json"
	"strconv"
	"strings"
)

// subschema is the part of JSON Schema (draft 2020-12) that describes a
// configuration file.
type subschema struct {
	Dialect              string                `json:"$schema,omitempty"`
	ID                   string                `json:"$id,omitempty"`
	Title                string                `json:"title,omitempty"`
	Ref                  string                `json:"$ref,omitempty"`
	Description          string                `json:"description,omitempty"`
	Type                 types                 `json:"type,omitempty"`
	Enum                 []string              `json:"enum,omitempty"`
	Pattern              string                `json:"pattern,omitempty"`
	Minimum              *float64              `json:"minimum,omitempty"`
	Maximum              *float64              `json:"maximum,omitempty"`
	MinItems             *int                  `json:"minItems,omitempty"`
	Items                *subschema            `json:"items,omitempty"`
	Properties           map[string]*subschema `json:"properties,omitempty"`
	PatternProperties    map[string]*subschema `json:"patternProperties,omitempty"`
	PropertyNames        *subschema            `json:"propertyNames,omitempty"`
	AdditionalProperties *subschema            `json:"additionalProperties,omitempty"`
	AnyOf                []*subschema          `json:"anyOf,omitempty"`
	Default              json.RawMessage       `json:"default,omitempty"`
	Defs                 map[string]*subschema `json:"$defs,omitempty"`

	never bool // the schema that accepts nothing
}

// MarshalJSON returns false for the schema that accepts nothing.
func (s *subschema) MarshalJSON() ([]byte, error) {
	if s.never {
		return []byte("false"), nil
	}
	type fields subschema // without this method
	return json.Marshal((*fields)(s))
}

// types are the JSON types that a value may have.
type types []string

// MarshalJSON returns a single type as a string.
func (t types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// JSONSchema returns the schema of a configuration file.
// It cannot say all that Load checks; what it refuses, Load refuses.
func JSONSchema() ([]byte, error) {
	t := newTables()
	root := t.file.section().schema()
	root.Dialect = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "gosup configuration"
	root.Defs = map[string]*subschema{
		"expanded": {
			Description: "A string with variables of gosup's environment, such as ${PORT:-8080}.",
			Type:        []string{"string"}, Pattern: `\$\{`,
		},
	}
	for _, s := range t.sections()[1:] {
		root.Defs[s.name] = s.schema()
	}
	return json.MarshalIndent(root, "", "  ")
}

// schema returns the schema of one mapping. An empty value is an empty mapping.
func (s section) schema() *subschema {
	out := &subschema{
		Description:          plain(s.doc),
		Type:                 []string{"object", "null"},
		Properties:           map[string]*subschema{},
		AdditionalProperties: &subschema{never: true},
	}
	if s.prefix != "" {
		out.PatternProperties = map[string]*subschema{"^" + s.prefix: {}}
	}
	for _, f := range s.fields {
		key := *f.kind.schema
		key.Description = plain(f.doc)
		if f.kind.literal && f.def != "" {
			key.Default = literal(f.def)
		}
		out.Properties[f.name] = &key
	}
	return out
}

// literal returns a default as JSON: numbers and truth values as they are,
// all else as a string.
func literal(def string) json.RawMessage {
	if _, err := strconv.ParseFloat(def, 64); err == nil || def == "true" || def == "false" {
		return json.RawMessage(def)
	}
	return json.RawMessage(strconv.Quote(def))
}

// plain removes the Markdown of a doc sentence.
func plain(doc string) string { return strings.ReplaceAll(doc, "`", "") }
