package control

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/tree"
)

var update = flag.Bool("update", false, "rewrite openapi.json")

// The document is what the routes, the types and their comments say.
func TestOpenAPIDocument(t *testing.T) {
	t.Parallel()
	want := newDocument(t).render()
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), string(openAPIDocument)); diff != "" {
		t.Errorf("openapi.json is stale (go test ./control -run OpenAPI -update):\n%s", diff)
	}
}

// object is a JSON object whose keys keep their order.
type object []member

type member struct {
	key   string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(m.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// document is an OpenAPI document in the making.
type document struct {
	t       *testing.T
	docs    map[string]string   // of types, "Type.Field" and methods
	enums   map[string][]string // the constants of string types
	schemas object
	done    map[string]bool
}

func newDocument(t *testing.T) *document {
	d := &document{t: t, docs: map[string]string{}, enums: map[string][]string{}, done: map[string]bool{}}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			d.read(decl)
		}
	}
	return d
}

// read takes the comments and constants of a declaration.
func (d *document) read(decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		d.docs[decl.Name.Name] = sentence(decl.Name.Name, decl.Doc.Text())
	case *ast.GenDecl:
		for _, s := range decl.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				d.docs[s.Name.Name] = sentence(s.Name.Name, decl.Doc.Text())
				if st, ok := s.Type.(*ast.StructType); ok {
					for _, f := range st.Fields.List {
						for _, n := range f.Names {
							d.docs[s.Name.Name+"."+n.Name] = sentence("", f.Doc.Text()+f.Comment.Text())
						}
					}
				}
			case *ast.ValueSpec:
				typ, ok := s.Type.(*ast.Ident)
				if !ok || len(s.Values) != 1 {
					continue
				}
				if lit, ok := s.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					value, err := strconv.Unquote(lit.Value)
					if err != nil {
						d.t.Fatal(err)
					}
					d.enums[typ.Name] = append(d.enums[typ.Name], value)
					d.docs[typ.Name+"."+value] = strings.TrimSpace(s.Comment.Text())
				}
			}
		}
	}
}

// sentence makes a description of a comment: without the name that it begins
// with, as one line that begins with a capital.
func sentence(name, text string) string {
	text = strings.TrimPrefix(strings.Join(strings.Fields(text), " "), name+" ")
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func (d *document) render() []byte {
	paths := object{}
	for _, rt := range routes() {
		path := strings.ReplaceAll(rt.path, "...}", "}")
		paths = append(paths, member{path, object{{strings.ToLower(rt.method), d.operation(rt)}}})
	}
	problem := d.schema(reflect.TypeFor[Problem](), "")
	doc := object{
		{"openapi", "3.1.0"},
		{"info", object{
			{"title", "gosup"},
			{"version", "1"},
			{"description", "What a running gosup supervises, and how to steer it. The API is served on gosup's unix socket " +
				"to root, to the user who runs gosup and to members of socket_group. On the TCP address of the key listen what has the x-access open is " +
				"served to everybody, and all else to those who send a token of tokens_file, if that address is encrypted. Answers may get further keys; requests with unknown keys are refused."},
		}},
		{"servers", []object{{{"url", "http://gosup"}, {"description", "The unix socket; the host does not matter."}}}},
		{"paths", paths},
		{"components", object{
			{"schemas", &d.schemas},
			{"responses", object{{"Problem", object{
				{"description", "It did not work."},
				{"content", object{{"application/problem+json", object{{"schema", problem}}}}},
			}}}},
		}},
	}
	b, err := json.Marshal(doc)
	if err != nil {
		d.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", " "); err != nil {
		d.t.Fatal(err)
	}
	return append(out.Bytes(), '\n')
}

func (d *document) operation(rt route) object {
	name := runtime.FuncForPC(reflect.ValueOf(rt.handle).Pointer()).Name()
	name = name[strings.LastIndex(name, ".")+1:]
	if d.docs[name] == "" {
		d.t.Errorf("%s has no comment", name)
	}
	op := object{{"operationId", name}, {"description", d.docs[name]}, {"x-access", string(rt.access)}}
	var params []object
	if strings.Contains(rt.path, "{name...}") {
		params = append(params, object{
			{"name", "name"}, {"in", "path"}, {"required", true}, {"description", "A name; its slashes are not escaped."},
			{"schema", object{{"type", "string"}}},
		})
	}
	for _, p := range rt.query {
		schema := object{{"type", "string"}}
		if p.repeat {
			schema = object{{"type", "array"}, {"items", schema}}
		}
		params = append(params, object{{"name", p.name}, {"in", "query"}, {"description", p.doc}, {"schema", schema}})
	}
	if params != nil {
		op = append(op, member{"parameters", params})
	}
	if rt.in != nil {
		op = append(op, member{"requestBody", object{
			{"required", true},
			{"content", object{{"application/json", object{{"schema", d.schema(reflect.TypeOf(rt.in), "")}}}}},
		}})
	}
	status := "2XX"
	if _, ok := rt.out.(upgraded); ok {
		status = "101"
	}
	return append(op, member{"responses", object{{status, d.answer(rt)}, {"default", object{{"$ref", "#/components/responses/Problem"}}}}})
}

func (d *document) answer(rt route) object {
	switch out := rt.out.(type) {
	case nil:
		return object{{"description", "It is done, or on its way."}}
	case text:
		return object{{"description", "The answer."}, {"content", object{{"text/plain", object{{"schema", object{{"type", "string"}}}}}}}}
	case lines:
		content := object{{"application/jsonl", object{{"schema", d.schema(reflect.TypeOf(out.item), "")}}}}
		if _, ok := out.item.(LogLine); ok {
			content = append(content, member{"text/plain", object{{"schema", object{{"type", "string"}}}}})
		}
		return object{{"description", "One object a line. What ends it before its time is in the trailer " + problemTrailer + "."}, {"content", content}}
	case upgraded:
		d.schema(reflect.TypeFor[ExecSignal](), "")
		return object{
			{"description", "The connection is gosup-exec's from now on. Its last line is the answer."},
			{"content", object{{"application/jsonl", object{{"schema", d.schema(reflect.TypeOf(out.item), "")}}}}},
		}
	default:
		return object{
			{"description", "The answer."},
			{"content", object{{"application/json", object{{"schema", d.schema(reflect.TypeOf(out), "")}}}}},
		}
	}
}

// words are the values that plain strings of the API have.
func words() map[string][]string {
	state := tree.States()
	health := []string{"none", "unknown", "healthy", "degraded", "unhealthy"}
	return map[string][]string{
		"Process.State": state, "Process.Health": health, "ProcessHealth.State": state, "ProcessHealth.Health": health,
		"Check.Health": health, "Crash.Health": health, "Node.Kind": {"process", "group"}, "Why.Kind": {"process", "group", "dependency"},
		"Breaker.State": {"closed", "open", "half_open"},
		"Exit.Cause":    {"exited", "signalled", "unhealthy", "stopped", "start_failed"},
	}
}

// schema returns the schema of a type, and puts it among the components if it
// has a name.
func (d *document) schema(t reflect.Type, doc string) object {
	with := func(o object) object {
		if doc != "" {
			o = append(o, member{"description", doc})
		}
		return o
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return with(object{{"type", "string"}, {"format", "date-time"}})
	case t.Kind() == reflect.Pointer:
		inner := d.schema(t.Elem(), "")
		if inner[0].key == "$ref" {
			return with(object{{"oneOf", []object{inner, {{"type", "null"}}}}})
		}
		inner[0].value = []any{inner[0].value, "null"}
		return with(inner)
	case t.Kind() == reflect.Slice:
		return with(object{{"type", "array"}, {"items", d.schema(t.Elem(), "")}})
	case t.Kind() == reflect.Struct:
		d.component(t)
		return with(object{{"$ref", "#/components/schemas/" + t.Name()}})
	case t.Kind() == reflect.Map:
		return with(object{{"type", "object"}})
	case d.enums[t.Name()] != nil:
		return with(object{{"type", "string"}, {"enum", d.enums[t.Name()]}})
	}
	names := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Float64: "number",
		reflect.Int: "integer", reflect.Int64: "integer", reflect.Uint64: "integer",
	}
	if names[t.Kind()] == "" {
		d.t.Fatalf("no schema for %v", t)
	}
	return with(object{{"type", names[t.Kind()]}})
}

func (d *document) component(t reflect.Type) {
	if d.done[t.Name()] {
		return
	}
	d.done[t.Name()] = true
	if d.docs[t.Name()] == "" {
		d.t.Errorf("type %s has no comment", t.Name())
	}
	props, required := d.properties(t)
	schema := object{{"type", "object"}, {"description", d.docs[t.Name()]}, {"properties", props}}
	if required != nil {
		schema = append(schema, member{"required", required})
	}
	if strings.HasSuffix(t.Name(), "Request") || t == reflect.TypeFor[GuardResult]() {
		schema = append(schema, member{"additionalProperties", false})
	}
	d.schemas = append(d.schemas, member{t.Name(), schema})
}

func (d *document) properties(t reflect.Type) (props object, required []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			inner, more := d.properties(f.Type)
			props, required = append(props, inner...), append(required, more...)
			continue
		}
		key, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		schema := d.schema(f.Type, d.docs[t.Name()+"."+f.Name])
		if values := words()[t.Name()+"."+f.Name]; values != nil {
			schema = slices.Insert(schema, 1, member{"enum", values})
		}
		props = append(props, member{key, schema})
		if option != "omitempty" {
			required = append(required, key)
		}
	}
	return props, required
}
