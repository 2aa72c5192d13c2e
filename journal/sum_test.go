package journal

import (
	"reflect"
	"testing"

	"gosup/spec"
)

// Every field of a definition that a run depends on changes the sum, whatever
// kinds of values are in it.
func TestSumKnowsEveryField(t *testing.T) {
	t.Parallel()
	var full spec.Process
	fill(reflect.ValueOf(&full).Elem(), 4)
	seen := map[string]string{sumOf(&spec.Process{}, "id"): "nothing"}
	for i := range reflect.TypeFor[spec.Process]().NumField() {
		var p spec.Process
		name := reflect.TypeFor[spec.Process]().Field(i).Name
		reflect.ValueOf(&p).Elem().Field(i).Set(reflect.ValueOf(full).Field(i))
		sum := sumOf(&p, "id")
		if run := p.RunPart(); reflect.ValueOf(run).IsZero() {
			if seen[sum] != "nothing" {
				t.Errorf("%s, which needs no new run, changes the sum", name)
			}
			continue
		}
		if other, ok := seen[sum]; ok {
			t.Errorf("%s and %s have the same sum", name, other)
		}
		seen[sum] = name
	}
}

// fill puts something into every field, as deep as that.
func fill(v reflect.Value, depth int) {
	switch {
	case depth == 0:
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), depth)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth-1)
	case v.Kind() == reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth)
		fill(value, depth-1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case v.Kind() == reflect.String:
		v.SetString("text")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(7)
	case v.CanUint():
		v.SetUint(7)
	case v.CanFloat():
		v.SetFloat(0.7)
	}
}
