package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// kind is what values a key takes, for people and for the schema.
type kind struct {
	text    string // in the reference: "duration"
	schema  *subschema
	ref     string // the table of the mapping that the value is or holds; "" for none
	literal bool   // a default of this kind is a value, not a description
}

// orExpanded adds to a schema the strings with variables, which may expand to
// what it wants.
func orExpanded(s *subschema) *subschema {
	return &subschema{AnyOf: []*subschema{s, {Ref: "#/$defs/expanded"}}}
}

func stringKind(text string) kind {
	return kind{text: text, schema: &subschema{Type: types{"string"}}}
}

// literalKind is one whose defaults are values.
func literalKind(text string, schema *subschema) kind {
	return kind{text: text, schema: schema, literal: true}
}

func wordSchema() *subschema { return &subschema{Type: types{"string", "number", "boolean"}} }

func boolKind() kind {
	return kind{text: "true or false", schema: orExpanded(&subschema{Type: types{"boolean"}}), literal: true}
}

func intKind(lo, hi int) kind {
	low, high := float64(lo), float64(hi)
	return kind{
		text:    "whole number, " + strconv.Itoa(lo) + " to " + strconv.Itoa(hi),
		schema:  orExpanded(&subschema{Type: types{"integer"}, Minimum: &low, Maximum: &high}),
		literal: true,
	}
}

func floatKind(lo, hi float64) kind {
	s := &subschema{Type: types{"number"}, Minimum: &lo}
	if hi != math.MaxFloat64 {
		s.Maximum = &hi
	}
	return kind{text: "number, " + atLeast(lo, hi), schema: orExpanded(s), literal: true}
}

func enumKind(names []string) kind {
	return kind{text: strings.Join(names, " | "), schema: orExpanded(&subschema{Enum: names}), literal: true}
}

func refKind(text, pattern string) kind {
	zero := 0.0
	return kind{text: text, literal: true, schema: orExpanded(&subschema{AnyOf: []*subschema{
		{Type: types{"string"}, Pattern: pattern},
		{Type: types{"integer"}, Minimum: &zero},
	}})}
}

func durationKind() kind {
	k := refKind("duration", `^\+?(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d))+$`)
	zero := 0.0
	k.schema.AnyOf[0].AnyOf[1].Maximum = &zero
	return k
}

func sizeKind() kind { return refKind("size", `^[0-9.]+ *([kKmMgGtT][iI]?)?[bB]?$`) }

func signalKind() kind {
	k := refKind("signal", `^([0-9]+|[A-Za-z0-9+-]+)$`)
	k.literal = true
	return k
}

func mappingKind(table string) kind {
	return kind{text: "mapping", ref: table, schema: &subschema{Ref: "#/$defs/" + table}}
}

// namesKind is a mapping from names that the user chooses to another kind.
func namesKind(text, ref string, value *subschema, names string) kind {
	s := &subschema{Type: types{"object", "null"}, AdditionalProperties: value}
	if names != "" {
		s.PropertyNames = &subschema{Pattern: names}
	}
	return kind{text: text, ref: ref, schema: s}
}

func listKind(text string, item *subschema) kind {
	return kind{text: text, schema: &subschema{Type: types{"array"}, Items: item}}
}

// The rows below differ in their type alone. field returns where the value goes.

func stringKey[T any](name, def, doc string, field func(*T) *string) key[T] {
	return key[T]{name: name, kind: stringKind("string"), def: def, doc: doc, set: func(r *reader, n node, to *T) {
		if v, ok := r.str(n, form{"a string", `write "" for an empty one`}); ok {
			*field(to) = v
		}
	}}
}

func boolKey[T any](name, def, doc string, field func(*T) *bool) key[T] {
	return key[T]{name: name, kind: boolKind(), def: def, doc: doc, set: func(r *reader, n node, to *T) {
		if v, ok := r.boolean(n); ok {
			*field(to) = v
		}
	}}
}

func intKey[T any](name, def, doc string, lo, hi int, field func(*T) *int) key[T] {
	return key[T]{name: name, kind: intKind(lo, hi), def: def, doc: doc, set: func(r *reader, n node, to *T) {
		if v, ok := r.integer(n, lo, hi); ok {
			*field(to) = v
		}
	}}
}

func floatKey[T any](name, def, doc string, lo, hi float64, field func(*T) *float64) key[T] {
	return key[T]{name: name, kind: floatKind(lo, hi), def: def, doc: doc, set: func(r *reader, n node, to *T) {
		if v, ok := r.float(n, lo, hi); ok {
			*field(to) = v
		}
	}}
}

func durationKey[T any](name, def, doc string, field func(*T) *time.Duration) key[T] {
	return key[T]{name: name, kind: durationKind(), def: def, doc: doc, set: func(r *reader, n node, to *T) {
		if v, ok := r.duration(n); ok {
			*field(to) = v
		}
	}}
}

func sizeKey[T any](name, def, doc string, field func(*T) *int64) key[T] {
	return key[T]{name: name, kind: sizeKind(), def: def, doc: doc, set: func(r *reader, n node, to *T) {
		if v, ok := r.size(n); ok {
			*field(to) = v
		}
	}}
}

// choiceKey is a key whose value is one of names; put takes its index.
func choiceKey[T any](name, def, doc string, names []string, put func(to *T, i int)) key[T] {
	return key[T]{name: name, kind: enumKind(names), def: def, doc: doc, set: func(r *reader, n node, to *T) {
		if i, ok := r.choice(n, names); ok {
			put(to, i)
		}
	}}
}

// pathKey is a key whose value is a path, relative to the folder of its file.
func pathKey[T any](name, def, doc string, field func(*T) *string) key[T] {
	return key[T]{name: name, kind: stringKind("path"), def: def, doc: doc, set: func(r *reader, n node, to *T) {
		if v, ok := r.path(n); ok {
			*field(to) = v
		}
	}}
}
