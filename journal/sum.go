package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"

	"gosup/spec"
)

// sumOf returns a sum over what a run of p depends on. Fields that are empty do
// not count, so a field that is new in a later gosup changes no sum, and neither
// does another order of them. The supervisor's ID makes guesses at the secrets
// in it useless elsewhere.
func sumOf(p *spec.Process, supervisor string) string {
	run := p.RunPart()
	text := make([]byte, 0, 1024)
	text = append(appendText(text, supervisor), appendValue(nil, reflect.ValueOf(&run).Elem())...)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// appendValue appends what tells a value from all others of its type: nothing
// for one that is empty.
func appendValue(out []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return out
		}
		return appendValue(append(out, '*'), v.Elem())
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			before := len(out)
			var empty bool
			if out, empty = appendPart(appendText(out, f.name), v.Field(f.index)); empty {
				out = out[:before]
			}
		}
		return out
	case reflect.Slice, reflect.Array:
		if v.Len() == 0 {
			return out
		}
		out = appendNumber(append(out, '['), uint64(v.Len()))
		for i := range v.Len() {
			out, _ = appendPart(out, v.Index(i))
		}
		return out
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			break
		}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			out, _ = appendPart(appendText(out, key.String()), v.MapIndex(key))
		}
		return out
	}
	if v.IsZero() {
		return out
	}
	switch {
	case v.Kind() == reflect.String:
		return appendText(out, v.String())
	case v.Kind() == reflect.Bool:
		return append(out, '!')
	case v.CanInt():
		return appendNumber(out, uint64(v.Int()))
	case v.CanUint():
		return appendNumber(out, v.Uint())
	case v.CanFloat():
		return appendNumber(out, math.Float64bits(v.Float()))
	}
	panic(fmt.Sprintf("journal: a definition has a %s, of which no sum is known", v.Type()))
}

// appendPart appends the length of a value and the value.
func appendPart(out []byte, v reflect.Value) (_ []byte, empty bool) {
	const size = 4
	at := len(out)
	out = appendValue(append(out, make([]byte, size)...), v)
	length := len(out) - at - size
	binary.BigEndian.PutUint32(out[at:], uint32(length))
	return out, length == 0
}

func appendText(out []byte, s string) []byte {
	return append(appendNumber(out, uint64(len(s))), s...)
}

func appendNumber(out []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(out, n) }

// field is a field of a struct.
type field struct {
	name  string
	index int
}

var fields sync.Map // reflect.Type to []field

// fieldsOf returns the fields of a struct by their names.
func fieldsOf(t reflect.Type) []field {
	if known, ok := fields.Load(t); ok {
		return known.([]field)
	}
	var list []field
	for i := range t.NumField() {
		list = append(list, field{t.Field(i).Name, i})
	}
	slices.SortFunc(list, func(a, b field) int { return strings.Compare(a.name, b.name) })
	fields.Store(t, list)
	return list
}
